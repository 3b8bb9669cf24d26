/** The ideas of the tests of workflow-plugin-broker (internal/*_test.go), and those that its tests leave out. */
import {jetstream} from '@nats-io/jetstream'
import {connect} from '@nats-io/transport-node'
import {expect, onTestFinished, test} from 'vitest'
import {Broker, type BrokerOptions} from '../../src/lib/protocols/broker/broker.ts'
import {validate} from '../../src/lib/protocols/broker/config.ts'
import {Plugin} from '../../src/lib/protocols/broker/steps.ts'
import {onEachBus, opened, textOf} from './buses.ts'

onEachBus(({kind, fresh}) => {
  async function started(url: string, options: BrokerOptions = {}): Promise<Broker> {
    const broker = new Broker({url, stream: 'INT_TEST', jetstream: true}, options)
    onTestFinished(() => broker.stop())
    await broker.start()
    return broker
  }
  const into = (seen: string[]) => (data: Uint8Array) => void seen.push(textOf(data))

  test('PublishSubscribe, MultipleSubscribers: both subscribers get the message', async () => {
    const broker = await started(await fresh())
    const seen: [string[], string[]] = [[], []]
    for (const each of seen) await broker.subscribe('INT_TEST.state.*', into(each))
    await broker.publish('INT_TEST.state.changed', '{"level":1}')
    await expect.poll(() => seen).toEqual([['{"level":1}'], ['{"level":1}']])
  })

  test('SubscribeWithSubject: the handler gets the whole subject', async () => {
    const broker = await started(await fresh())
    const seen: string[] = []
    await broker.subscribeWithSubject('INT_TEST.>', (subject) => void seen.push(subject))
    await broker.publish('INT_TEST.relay.7', '')
    await expect.poll(() => seen).toEqual(['INT_TEST.relay.7'])
  })

  test('JetStreamPersistence: a durable subscriber that starts late gets what was published before', async () => {
    const url = await fresh()
    await (await started(url)).publish('INT_TEST.early', 'first')
    const seen: string[] = []
    await (await started(url)).subscribeDurable('INT_TEST.early', 'late', into(seen))
    await expect.poll(() => seen).toEqual(['first'])
  })

  test('Stop: publishing afterwards fails, and the progress of durable consumers is kept', async () => {
    const url = await fresh()
    const broker = await started(url)
    const seen: string[] = []
    await broker.subscribeDurable('INT_TEST.n', 'kept', into(seen))
    await broker.publish('INT_TEST.n', '1')
    await expect.poll(() => seen).toEqual(['1'])
    await broker.stop()
    await expect(broker.publish('INT_TEST.n', 'x')).rejects.toMatchObject({message: 'broker: not started'})
    await broker.start()
    await broker.publish('INT_TEST.n', '2')
    await broker.subscribeDurable('INT_TEST.n', 'kept', into(seen))
    await expect.poll(() => seen).toEqual(['1', '2'])
  })

  test('PublishStep, SubscribeStep: two steps in order, payloads of every shape, and the names of missing parameters', async () => {
    const plugin = new Plugin('events', await started(await fresh()))
    const publish = plugin.publishStep({topic: 'INT_TEST.steps'})
    const subscribe = plugin.subscribeStep({topic: 'INT_TEST.steps', consumer_name: 'c'})
    for (const payload of [{a: 1}, [1, 2, 3], 'plain']) {
      expect(await publish.execute({payload})).toMatchObject({topic: 'INT_TEST.steps', published: true})
      expect(await subscribe.execute()).toEqual({topic: 'INT_TEST.steps', consumer: 'c', payload})
    }
    const missing = {
      'step.broker_publish: topic is required': plugin.publishStep().execute(),
      'step.broker_subscribe: topic is required': plugin.subscribeStep().execute(),
      'step.broker_subscribe: consumer_name is required': plugin.subscribeStep({topic: 'a'}).execute(),
    }
    for (const [message, call] of Object.entries(missing)) await expect(call).rejects.toMatchObject({message})
  })

  test('SubscribeStep in its documented form: a callback for each message, until it is ended', async () => {
    const broker = await started(await fresh())
    const step = new Plugin('events', broker).subscribeStep({topic: 'INT_TEST.each'})
    for (const text of ['1', '2']) await broker.publish('INT_TEST.each', text)
    const seen: string[] = []
    const stop = new AbortController()
    const params = {consumer_name: 'each'}
    const end = await step.subscribe(params, into(seen), {signal: stop.signal})
    await expect.poll(() => seen).toEqual(['1', '2'])
    stop.abort()
    await end()
    await broker.publish('INT_TEST.each', '3')
    await (await step.subscribe(params, into(seen)))()
    await step.subscribe(params, into(seen))
    await expect.poll(() => seen).toEqual(['1', '2', '3'])
    await expect(step.subscribe({}, into(seen))).rejects.toMatchObject({
      message: 'step.broker_subscribe: consumer_name is required',
    })
  })

  test('an aborted signal ends a publish, a subscription and the wait for a message, as a failure of its own', async () => {
    const broker = await started(await fresh())
    const signal = AbortSignal.abort()
    const stop = new AbortController()
    const waiting = broker.next('INT_TEST.none', 'waits', 60_000, {signal: stop.signal})
    for (const call of [
      broker.publish('INT_TEST.a', '', {signal}),
      broker.subscribe('INT_TEST.a', () => {}, {signal}),
      broker.subscribeDurable('INT_TEST.a', 'd', () => {}, {signal}),
      broker.next('INT_TEST.a', 'd', 100, {signal}),
    ])
      await expect(call).rejects.toMatchObject({kind: 'interrupted'})
    stop.abort()
    await expect(waiting).rejects.toMatchObject({kind: 'interrupted'})
    for (const [subject, data, code] of [
      ['INT_TEST..a', '', 'subject'],
      ['INT_TEST.a', new Uint8Array(80 * 1024 * 1024), 'tooLarge'],
      ['OTHER.a', '', 'notFound'],
    ] as const)
      await expect(broker.publish(subject, data)).rejects.toMatchObject({code})
  })

  test('a durable made with push is continued by a push subscriber in another program, and back', async () => {
    const url = await fresh()
    const broker = await started(url)
    for (let n = 1; n <= 4; n++) await broker.publish('INT_TEST.push', String(n))
    const seen: string[] = []
    const first = Promise.withResolvers<void>()
    const end = await broker.subscribeDurable(
      'INT_TEST.push',
      'pushed',
      (data) => {
        seen.push(textOf(data))
        if (seen.length === 2) first.resolve()
      },
      {push: true},
    )
    await first.promise
    await end()
    const bus = await opened(url)
    const {config} = await bus.streams.consumers.info('INT_TEST', 'pushed')
    if (kind === 'nats') {
      // As nats.go binds it: it has a subject to deliver to, the same filter, and nobody else is subscribed.
      expect(config).toMatchObject({filters: ['INT_TEST.push'], ack: 'explicit', deliver: 'all', durable: true})
      expect(config.push?.subject).toMatch(/^_INBOX\./)
      const connection = await connect({servers: url})
      const consumer = await jetstream(connection).consumers.getPushConsumer('INT_TEST', 'pushed')
      const messages = await consumer.consume()
      for await (const message of messages) {
        seen.push(message.string())
        await message.ackAck()
        if (seen.includes('4')) break
      }
      // After the reply to its last PING, the server knows that nobody is subscribed any more.
      await connection.drain()
      await broker.publish('INT_TEST.push', '5')
    } else await broker.publish('INT_TEST.push', '5')
    await broker.subscribeDurable('INT_TEST.push', 'pushed', into(seen), {push: true})
    await expect.poll(() => new Set(seen)).toEqual(new Set(['1', '2', '3', '4', '5']))
  })
})

test('Config: defaults, and the name of what is wrong', () => {
  expect(validate({})).toEqual({url: 'nats://127.0.0.1:4222', stream: 'GAME_EVENTS', jetstream: false})
  expect(() => validate({stream: 'a b'})).toThrow(/"stream"/)
})
