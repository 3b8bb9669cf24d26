import {expect, test} from 'vitest'
import {PublishStep, SubscribeStep} from '../../../../src/lib/protocols/broker/steps.ts'
import {onThreeBuses, opened, started} from './buses.ts'

const topic = 'INT_TEST.a'

onThreeBuses((place) => {
  test('a message published in one step is taken in another, parsed if it is JSON', async () => {
    const broker = await started({url: await place.fresh(), stream: 'INT_TEST'})
    const publish = new PublishStep(broker, {topic})
    const subscribe = new SubscribeStep(broker, {topic, consumer_name: 'c'})
    for (const [payload, bytes, taken] of [
      [{a: 1}, 7, {a: 1}],
      [[1, 2, 3], 7, [1, 2, 3]],
      ['plain', 5, 'plain'],
      ['"quoted"', 8, 'quoted'],
      [undefined, 2, {}],
      [null, 2, {}],
      [Buffer.from('{"b":2}'), 7, {b: 2}],
      [false, 5, false],
      ['', 0, ''],
    ] as const) {
      expect(await publish.execute({payload})).toEqual({topic, bytes, published: true})
      expect(await subscribe.execute()).toEqual({topic, consumer: 'c', payload: taken})
    }
  })

  test('each step takes the next message, and acknowledges it', async () => {
    const url = await place.fresh()
    const bus = await opened(url)
    const broker = await started({url, stream: 'INT_TEST'})
    for (const payload of [1, 2, 3]) await new PublishStep(broker).execute({topic, payload})
    const step = () => new SubscribeStep(broker).execute({topic, consumer_name: 'c'})
    expect([await step(), await step()]).toMatchObject([{payload: 1}, {payload: 2}])
    const {pending, ackPending} = await bus.streams.consumers.info('INT_TEST', 'c')
    expect([pending, ackPending]).toEqual([1, 0])
  })

  test('a missing or invalid parameter is reported', async () => {
    const broker = await started({url: await place.fresh(), stream: 'INT_TEST'})
    const publish = new PublishStep(broker)
    const subscribe = new SubscribeStep(broker)
    const circle: {self?: unknown} = {}
    circle.self = circle
    const failures: [Promise<unknown>, string, string | RegExp][] = [
      [publish.execute({payload: 1}), 'usage', 'step.broker_publish: topic is required'],
      [publish.execute({topic: ''}), 'usage', 'step.broker_publish: topic is required'],
      [publish.execute({topic, payload: circle}), 'usage', /^step\.broker_publish: marshal payload: /],
      [
        publish.execute({topic: 'other'}),
        'notFound',
        /^step\.broker_publish: broker: other is outside stream INT_TEST/,
      ],
      [subscribe.execute({consumer_name: 'c'}), 'usage', 'step.broker_subscribe: topic is required'],
      [subscribe.execute({topic}), 'usage', 'step.broker_subscribe: consumer_name is required'],
      [
        subscribe.execute({topic, consumer_name: 'c', timeoutMs: 50}),
        'timeout',
        'step.broker_subscribe: no message for c within 50 ms',
      ],
    ]
    for (const [failure, kind, message] of failures) {
      const sentence = typeof message === 'string' ? message : expect.stringMatching(message)
      await expect(failure).rejects.toMatchObject({kind, message: sentence})
    }
  })

  test('parameters of a run override those of the step, and the input overrides both', async () => {
    const broker = await started({url: await place.fresh(), stream: 'INT_TEST'})
    const publish = new PublishStep(broker, {topic: 'INT_TEST.own', payload: 'own'})
    expect(await publish.execute()).toMatchObject({topic: 'INT_TEST.own', bytes: 3})
    const output = await publish.execute({topic: 'INT_TEST.run', payload: 'of the run'}, {topic: undefined, payload: 5})
    expect(output).toEqual({topic: 'INT_TEST.run', bytes: 1, published: true})
  })
})
