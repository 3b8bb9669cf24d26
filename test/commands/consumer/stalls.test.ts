/** Why a durable consumer delivers nothing: reported by those who read it, and by those who look at it. */
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {sleep} from '../../../src/lib/core/time/timer.ts'
import {Broker} from '../../../src/lib/protocols/broker/broker.ts'
import type {Transport} from '../../../src/lib/transport/contract.ts'
import {open} from '../../../src/lib/transport/open.ts'
import {onBothBuses} from '../../both-buses.ts'
import {bus, start} from '../../bus.ts'
import {addConsumer, ask, startStreams, store} from '../../lib/transport/nats/streams.ts'
import {lacks, type NatsServer} from '../../nats-server.ts'

const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString()

onBothBuses((newScene) => {
  async function fullConsumer() {
    const scene = await newScene()
    await scene.transport.streams.add({name: 'S', subjects: ['s']})
    await scene.transport.streams.consumers.add('S', {name: 'c', maxAckPending: 1})
    await store(scene.transport, 's', ['1', '2'])
    return scene
  }
  const reason = 'consumer c of S delivers nothing: max ack pending is reached: 1 unacknowledged'

  test.each([
    [['consumer', 'next', 'S', 'c', '-t', '2s'], 6],
    [['sub', 's', '--durable', 'c'], 0],
    [['consumer', 'replay', 'S', 'c', '--raw'], 0],
    [['consumer', 'replay', 'S', 'c', '--raw', '--follow'], 0],
  ] as const)('bus %s reports once that max ack pending is reached', async (args, code) => {
    await using scene = await fullConsumer()
    await using other = await scene.transport.streams.consumers.consume('S', 'c', {max: 1})
    expect(await other.take(1)).toHaveLength(1)
    await using reading = scene.start(args)
    await reading.stderrLine(reason)
    reading.interrupt()
    const ended = await reading.ended
    expect(ended.stderr.split(reason)).toHaveLength(2)
    expect([ended.stdout, ended.code === code || ended.code === 130], ended.stderr).toEqual(['', true])
  })

  test('bus consumer info, consumer ls and doctor show that max ack pending is reached', async () => {
    await using scene = await fullConsumer()
    await using other = await scene.transport.streams.consumers.consume('S', 'c', {max: 1})
    expect(await other.take(1)).toHaveLength(1)
    const text = 'max ack pending is reached: 1 unacknowledged'
    expect((await scene.run(['consumer', 'info', 'S', 'c'])).stdout).toContain(text)
    expect((await scene.run(['consumer', 'ls'])).stdout).toContain(text)
    expect((await scene.run(['doctor'])).stdout).toMatch(new RegExp(`warning +consumer +c of S: .*${text}`))
    const {stdout} = await scene.run(['consumer', 'ls', 'S', '--json'])
    expect(JSON.parse(stdout)).toMatchObject([{stalled: ['max-ack-pending']}])
  })

  test('messages that the reader itself holds are no reason', async () => {
    await using scene = await fullConsumer()
    const args = ['consumer', 'replay', 'S', 'c', '--exec', '--', 'sh', '-c', 'cat; sleep 1.2']
    const [first = '', ...program] = [args.slice(0, 4), ...args.slice(4)].flat()
    const {code, stderr} = await bus([first, ...program.slice(0, 3), '-b', scene.url, ...program.slice(3)])
    expect([code, stderr.includes('delivers nothing')], stderr).toEqual([0, false])
  })

  test('a reader ends if another consumer of its name was created', async () => {
    await using scene = await fullConsumer()
    await using reading = scene.start(['sub', 's', '--durable', 'c'])
    await reading.stdoutLine()
    await scene.transport.streams.consumers.remove('S', 'c')
    await scene.transport.streams.consumers.add('S', {name: 'c', maxAckPending: 1})
    const {code, stderr} = await reading.ended
    expect([code, /the consumer "?c"?.* was removed/.test(stderr)], stderr).toEqual([5, true])
  })
})

describe('on a server', async () => {
  const notPausing = await lacks(2, 11)
  let server: NatsServer
  let transport: Transport
  let streams = 0

  beforeAll(async () => {
    server = await startStreams()
    transport = await open(server.url())
  })
  afterAll(async () => {
    await transport.close()
    await server[Symbol.asyncDispose]()
  })

  async function consumer(config: object, texts: readonly string[] = ['1', '2', '3']): Promise<string> {
    const stream = `S${++streams}`
    await transport.streams.add({name: stream, subjects: [`${stream}.x`]})
    await store(transport, `${stream}.x`, texts)
    await addConsumer(transport, stream, {name: 'c', ack_policy: 'explicit', ...config})
    return stream
  }
  const run = (...args: readonly string[]) => bus([...args, '-b', server.url()])
  const begin = (...args: readonly string[]) => start([...args, '-b', server.url()])

  describe.skipIf(notPausing !== '')(`a paused consumer${notPausing}`, () => {
    test('is refused by consumer next at once, whose --peek still shows its messages', async () => {
      const stream = await consumer({pause_until: inAnHour()})
      const {code, stderr} = await run('consumer', 'next', stream, 'c', '-t', '40s')
      expect([code, stderr]).toEqual([
        6,
        expect.stringMatching(`^bus: consumer c of stream ${stream} is paused until .*Z`),
      ])
      expect(await run('consumer', 'next', stream, 'c', '--peek', '--raw')).toMatchObject({code: 0, stdout: '1'})
    })

    test('is waited for by consumer next if the pause ends in time', async () => {
      const stream = await consumer({pause_until: new Date(Date.now() + 3000).toISOString()})
      const {code, stdout, stderr} = await run('consumer', 'next', stream, 'c', '-t', '40s', '--raw')
      expect([code, stdout], stderr).toEqual([0, '1'])
      expect(stderr).toContain(`consumer c of ${stream} delivers nothing: paused until `)
    })

    test.each([['sub'], ['replay --follow']])('is reported once by %s, which waits', async (how) => {
      const stream = await consumer({pause_until: inAnHour()})
      const args =
        how === 'sub' ? ['sub', `${stream}.x`, '--durable', 'c'] : ['consumer', 'replay', stream, 'c', '--follow']
      await using reading = begin(...args)
      await reading.stderrLine(`consumer c of ${stream} delivers nothing: paused until `)
      await sleep(1500)
      reading.interrupt()
      expect((await reading.ended).stderr.split('paused')).toHaveLength(2)
    })

    test.each([
      ['consumer', 'replay'],
      ['bench', 'replay', '--durable'],
    ])('is refused by %s %s at once', async (...how) => {
      const stream = await consumer({pause_until: inAnHour()})
      const {code, stderr} = await run(...how.slice(0, 2), stream, ...how.slice(2), 'c')
      expect([code, stderr.match(/^bus: .*$/m)?.[0]], stderr).toEqual([
        6,
        expect.stringContaining(`consumer c of stream ${stream} is paused until `),
      ])
    })

    test('is waited for by consumer replay if the pause ends within --timeout', async () => {
      const stream = await consumer({pause_until: new Date(Date.now() + 3000).toISOString()})
      const {code, stdout, stderr} = await run('consumer', 'replay', stream, 'c', '-t', '40s', '--raw')
      expect([code, stdout], stderr).toEqual([0, '1\n2\n3\n'])
      expect(stderr).toContain(`consumer c of ${stream} delivers nothing: paused until `)
    })

    test('is no failure of consumer replay if nothing is left to replay', async () => {
      const stream = await consumer({pause_until: inAnHour()}, [])
      expect(await run('consumer', 'replay', stream, 'c')).toMatchObject({code: 0, stdout: ''})
    })

    test('ends consumer replay after the messages that it has are handled', async () => {
      const stream = await consumer({max_ack_pending: 1})
      await using replay = begin('consumer', 'replay', stream, 'c', '--rate', '1/s', '--raw')
      await replay.stdoutLine('1')
      await ask(transport, `CONSUMER.PAUSE.${stream}.c`, {pause_until: inAnHour()})
      const {code, stdout, stderr} = await replay.ended
      expect([code, stderr], stderr).toEqual([
        6,
        expect.stringMatching(/^\d read · \d handled .*\nbus: .* is paused until/m),
      ])
      const {ackFloor} = await transport.streams.consumers.info(stream, 'c')
      expect(ackFloor).toBe(stdout.trimEnd().split('\n').length)
    })

    test('is reported by a broker, which waits', async () => {
      await transport.streams.add({name: 'P', subjects: ['P.>']})
      await addConsumer(transport, 'P', {
        name: 'c',
        ack_policy: 'explicit',
        filter_subject: 'P.>',
        pause_until: inAnHour(),
      })
      const noticed = Promise.withResolvers<string>()
      const broker = new Broker({url: server.url(), stream: 'P', jetstream: true}, {onNotice: noticed.resolve})
      await broker.start()
      await expect(broker.next('P.>', 'c', 300)).rejects.toThrow('no message for c within 300 ms: paused until ')
      await broker.subscribeDurable('P.>', 'c', () => {})
      expect(await noticed.promise).toMatch('consumer c of P delivers nothing: paused until ')
      await broker.stop()
    })

    test('is reported when a reader already waits, also by consumer next, which then ends', async () => {
      const stream = await consumer({}, [])
      await using reading = begin('sub', `${stream}.x`, '--durable', 'c')
      await using next = begin('consumer', 'next', stream, 'c', '-t', '40s')
      await reading.stderrLine('listening')
      await ask(transport, `CONSUMER.PAUSE.${stream}.c`, {pause_until: inAnHour()})
      await reading.stderrLine(`consumer c of ${stream} delivers nothing: paused until `)
      expect(await next.ended).toMatchObject({code: 6, stderr: expect.stringContaining('is paused until')})
    })

    test('is shown by consumer info, consumer ls and doctor', async () => {
      const until = inAnHour()
      const stream = await consumer({pause_until: until})
      expect((await run('consumer', 'info', stream, 'c')).stdout).toContain(`paused until ${until}`)
      expect((await run('consumer', 'ls', stream)).stdout).toContain(`paused until ${until}`)
      expect((await run('doctor')).stdout).toMatch(new RegExp(`warning .*c of ${stream}: .*paused until ${until}`))
      const shown = JSON.parse((await run('consumer', 'info', stream, 'c', '--json')).stdout)
      expect(shown).toMatchObject({pausedUntil: until, stalled: ['paused']})
    })
  })

  describe.skipIf(notPausing !== '')(`a consumer with a pinned client${notPausing}`, () => {
    const pinned = {priority_groups: ['A'], priority_policy: 'pinned_client', priority_timeout: 120e9}

    test('serves one consumer next after another, and shows messages as they were published', async () => {
      const stream = await consumer(pinned)
      for (const text of ['1', '2', '3']) {
        const {code, stdout, stderr} = await run('consumer', 'next', stream, 'c', '--json')
        expect([code, JSON.parse(stdout)], stderr).toMatchObject([0, {json: Number(text)}])
        expect(stdout).not.toContain('Nats-Pin-Id')
      }
    })

    test('serves one reader, tells the other why, and serves that one when the first has ended', async () => {
      const stream = await consumer(pinned)
      await using first = begin('sub', `${stream}.x`, '--durable', 'c', '--raw')
      for (const text of ['1', '2', '3']) await first.stdoutLine(text)
      await using second = begin('sub', `${stream}.x`, '--durable', 'c', '--raw')
      await second.stderrLine(`consumer c of ${stream} delivers nothing: pinned to another client (`)
      expect((await run('consumer', 'info', stream, 'c')).stdout).toContain('pinned to the client ')
      expect((await run('consumer', 'ls', stream)).stdout).toContain('pinned to the client ')
      expect((await run('doctor')).stdout).toMatch(new RegExp(`ok .*c of ${stream}: .*pinned to the client `))
      await store(transport, `${stream}.x`, ['4', '5'])
      for (const text of ['4', '5']) await first.stdoutLine(text)
      first.interrupt()
      expect((await first.ended).stdout).toBe('1\n2\n3\n4\n5\n')
      await store(transport, `${stream}.x`, ['6', '7'])
      for (const text of ['6', '7']) await second.stdoutLine(text)
    })
  })

  test('a push consumer to which nobody listens is shown as such', async () => {
    const stream = await consumer({deliver_subject: 'nobody.here'})
    const text = 'no client is subscribed to "nobody.here"'
    expect((await run('consumer', 'info', stream, 'c')).stdout).toContain(text)
    expect((await run('consumer', 'ls', stream)).stdout).toContain(text)
    expect((await run('doctor')).stdout).toMatch(new RegExp(`warning .*c of ${stream}: .*${text}`))
  })

  test('a consumer that waits for a sequence far after the end is found by doctor', async () => {
    const stream = await consumer({deliver_policy: 'by_start_sequence', opt_start_seq: 1000})
    const text = `c of ${stream} skips all messages before #1000; the last one is #3`
    expect((await run('doctor')).stdout).toContain(text)
    expect((await run('doctor')).stdout.match(/skips all messages/g)).toHaveLength(1)
  })

  test('a reader without room among the waiting ones reports max waiting', async () => {
    const stream = await consumer({max_waiting: 1}, [])
    await using first = begin('sub', `${stream}.x`, '--durable', 'c')
    await first.stderrLine('listening')
    await using second = begin('sub', `${stream}.x`, '--durable', 'c')
    await second.stderrLine(`consumer c of ${stream} delivers nothing: max waiting is reached: 1 pull request`)
    expect((await run('consumer', 'ls', stream)).stdout).toContain('max waiting is reached')
  })

  test('a stream is read although it has no room for another consumer', async () => {
    await ask(transport, 'STREAM.CREATE.M', {name: 'M', subjects: ['m'], max_consumers: 1})
    await store(transport, 'm', ['1', '2', '3'])
    await transport.streams.consumers.add('M', {name: 'c'})
    for (const args of [
      ['sub', 'm', '--from', 'first', '--end'],
      ['sub', 'm', '--from', '-2', '--end'],
      ['consumer', 'replay', 'M'],
    ]) {
      const {code, stdout, stderr} = await run(...args, '--raw')
      expect([code, stdout], stderr).toEqual([0, args[3] === '-2' ? '2\n3\n' : '1\n2\n3\n'])
      expect(stderr).toContain('M already has the maximum number of consumers')
    }
  })
})
