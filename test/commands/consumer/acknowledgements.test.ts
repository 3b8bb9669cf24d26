/** An acknowledgement is reported only when the server has it, is sent once, and never covers an unhandled message. */
import {setTimeout as sleep} from 'node:timers/promises'
import {afterAll, beforeAll, describe, expect, onTestFinished, test} from 'vitest'
import {Broker} from '../../../src/lib/protocols/broker/broker.ts'
import type {Transport} from '../../../src/lib/transport/contract.ts'
import {open} from '../../../src/lib/transport/open.ts'
import type {Delivery} from '../../../src/lib/transport/streams-contract.ts'
import {onBothBuses, type StoredScene} from '../../both-buses.ts'
import {bus, start} from '../../bus.ts'
import {NatsServer} from '../../nats-server.ts'

function numbers(from: number, to: number): string[] {
  return Array.from({length: to - from + 1}, (_, i) => String(from + i))
}

function linesOf(text: string): string[] {
  return text.split('\n').filter(Boolean)
}

/** A stream `S` with messages `1`, `2`, … and its sequences. */
async function filled({streams}: Transport, count: number): Promise<number[]> {
  await streams.add({name: 'S', subjects: ['s.>']})
  const seqs: number[] = []
  for (const data of numbers(1, count)) seqs.push((await streams.publish({subject: 's.a', data})).seq)
  return seqs
}

describe('a login that may not acknowledge', () => {
  let server: NatsServer
  let full: Transport
  beforeAll(async () => {
    server = await NatsServer.start(
      (home) => `jetstream {store_dir: "${home}"}
        authorization {users: [
          {user: full, password: p}
          {user: restricted, password: p, permissions: {publish: {deny: ["$JS.ACK.>"]}}}
          {user: few, password: p, permissions: {
            publish: {allow: ["$JS.API.CONSUMER.MSG.NEXT.S.c", "$JS.API.CONSUMER.INFO.S.c", "$JS.ACK.S.c.>"]}}}
        ]}`,
    )
    full = await open(server.url({login: 'full:p'}))
    await filled(full, 20)
  })
  afterAll(async () => {
    await full.close()
    await server[Symbol.asyncDispose]()
  })

  const ways: readonly (readonly string[])[] = [
    ['consumer', 'next', 'S', 'c', '--ack', '-n', '3'],
    ['consumer', 'next', 'S', 'c', '--nak'],
    ['consumer', 'next', 'S', 'c', '--nak', '--delay', '1s'],
    ['consumer', 'next', 'S', 'c', '--term'],
    ['sub', 's.>', '--durable', 'c', '-n', '1'],
    ['sub', 's.>', '--durable', 'c', '--for', '1s'],
    ['consumer', 'replay', 'S', 'c', '--raw'],
    ['consumer', 'replay', 'S', 'c', '--raw', '-n', '1'],
    ['consumer', 'replay', 'S', 'c', '--exec', '-n', '1', '--', 'true'],
  ]
  test.each(ways.map((way) => [way.join(' '), way] as const))('fails with exit code 4: %s', async (_, args) => {
    await full.streams.consumers.remove('S', 'c').catch(() => {})
    await full.streams.consumers.add('S', {name: 'c'})
    const [split, rest] = args.includes('--')
      ? [args.slice(0, args.indexOf('--')), args.slice(args.indexOf('--'))]
      : [args, []]
    const {code, stderr} = await bus([...split, '-b', server.url({login: 'restricted:p'}), ...rest])
    expect(code, stderr).toBe(4)
    expect(stderr).toContain('not allowed to publish to "$JS.ACK.S.c.')
    expect(stderr).not.toMatch(/\d acknowledged|given back ·|given up ·/)
    expect(await full.streams.consumers.info('S', 'c')).toMatchObject({ackFloor: 0})
  })

  test('fails when the bus is closed, if a member closed without a flush', async () => {
    await full.streams.consumers.remove('S', 'c').catch(() => {})
    await full.streams.consumers.add('S', {name: 'c', filters: ['s.>']})
    const notices: string[] = []
    const bus = await open(server.url({login: 'restricted:p'}), {notify: ({text}) => void notices.push(text)})
    const member = await bus.streams.consumers.consume('S', 'c')
    const [delivery] = await member.take(1)
    delivery?.ack()
    await member.close()
    await expect(bus.close()).rejects.toMatchObject({kind: 'denied'})
    expect(notices).toContainEqual(expect.stringContaining('may not have arrived'))
  })

  test('fails in the library', async () => {
    await full.streams.consumers.remove('S', 'c').catch(() => {})
    await full.streams.consumers.add('S', {name: 'c', filters: ['s.>']})
    await using limited = await open(server.url({login: 'restricted:p'}))
    const member = await limited.streams.consumers.consume('S', 'c', {max: 1})
    const [delivery] = await member.take(1)
    delivery?.ack()
    await expect(member.flush()).rejects.toMatchObject({kind: 'denied'})
    await member.close()
    const told: string[] = []
    const url = server.url({login: 'restricted:p'})
    const broker = new Broker({url, stream: 'S', jetstream: true}, {onNotice: (text) => told.push(text)})
    onTestFinished(() => broker.stop())
    await broker.start()
    await expect(broker.next('s.>', 'c', 1000)).rejects.toMatchObject({kind: 'denied'})
  })

  test('except on the consumer’s own subjects, can use sub --durable, next and replay', async () => {
    await full.streams.consumers.remove('S', 'c').catch(() => {})
    await full.streams.consumers.add('S', {name: 'c'})
    const login = ['-b', server.url({login: 'few:p'})]
    const next = await bus(['consumer', 'next', 'S', 'c', '--raw', ...login])
    expect([next.code, next.stdout], next.stderr).toEqual([0, '1'])
    const sub = await bus(['sub', 's.>', '--stream', 'S', '--durable', 'c', '-n', '1', '--raw', ...login])
    expect([sub.code, sub.stdout], sub.stderr).toEqual([0, '2'])
    const replay = await bus(['consumer', 'replay', 'S', 'c', '--raw', ...login])
    expect([replay.code, linesOf(replay.stdout)], replay.stderr).toEqual([0, numbers(3, 20)])
  })

  test.each([
    ['--term', '$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.S.c'],
    ['--nak', '$JS.EVENT.ADVISORY.CONSUMER.MSG_NAKED.S.c'],
  ])('sends each %s once per message', async (flag, advisory) => {
    await full.streams.consumers.remove('S', 'c').catch(() => {})
    await full.streams.consumers.add('S', {name: 'c'})
    const told: number[] = []
    const subscription = await full.subscribe(advisory)
    void (async () => {
      for await (const message of subscription) told.push(JSON.parse(message.text).stream_seq)
    })()
    const {code} = await bus(['consumer', 'next', 'S', 'c', flag, '-n', '3', '-b', server.url({login: 'full:p'})])
    expect(code).toBe(0)
    await sleep(500)
    await subscription.close()
    expect(told.sort()).toEqual([1, 2, 3])
  })
})

describe('acknowledgements that are not confirmed', () => {
  const ways: readonly (readonly string[])[] = [
    ['consumer', 'next', 'S', 'c'],
    ['consumer', 'next', 'S', 'c', '--term'],
    ['sub', 's.>', '--durable', 'c', '-n', '1'],
    ['consumer', 'replay', 'S', 'c', '--raw', '-n', '1'],
  ]
  test.each(ways.map((way) => [way.join(' '), way] as const))(
    'are exit code 6: %s',
    async (_, args) => {
      await using server = await NatsServer.start(
        (home) => `jetstream {store_dir: "${home}"}
        mappings = {"$JS.ACK.S.c.>": "lost.>"}`,
      )
      await using full = await open(server.url())
      await filled(full, 3)
      await full.streams.consumers.add('S', {name: 'c'})
      const unheard = await bus([...args, '-b', server.url()])
      expect([unheard.code, unheard.stderr]).toEqual([6, expect.stringContaining('nobody receives them')])
      await full.subscribe('lost.>')
      const silent = await bus([...args, '-b', server.url()])
      expect([silent.code, silent.stderr]).toEqual([6, expect.stringContaining('did not confirm')])
      expect(silent.stderr).not.toContain('1 acknowledged')
    },
    60_000,
  )
})

onBothBuses((newScene) => {
  const floorOf = async ({transport}: StoredScene) => (await transport.streams.consumers.info('S', 'c')).ackFloor

  async function allConsumer(scene: StoredScene, count: number): Promise<number[]> {
    const seqs = await filled(scene.transport, count)
    await scene.transport.streams.consumers.add('S', {name: 'c', ack: 'all', ackWaitMs: 1000, filters: ['s.>']})
    return seqs
  }

  async function left(scene: StoredScene): Promise<string[]> {
    const {code, stdout, stderr} = await scene.run(['consumer', 'replay', 'S', 'c', '--raw'])
    expect(code, stderr).toBe(0)
    return [...new Set(linesOf(stdout))]
  }

  describe('ack policy "all"', () => {
    test.each([
      [
        '--exec-lines',
        ['--exec-lines'],
        'while read -r line; do case "$line" in *\'"json":3\'[,}]*) sleep 0.3; echo "nak not now";; *) echo ack;; esac; done',
        3,
      ],
      ['--exec -c 4', ['--exec', '-c', '4'], 'read -r n; [ "$n" = 1 ] && { sleep 1; exit 1; }; exit 0', 1],
    ] as const)('acknowledges nothing after a message that %s refuses', async (_, flags, script, refused) => {
      await using scene = await newScene()
      await allConsumer(scene, 10)
      const short = flags.map((flag) => (flag === '-c' ? '--concurrency' : flag))
      const args = [
        'consumer',
        'replay',
        'S',
        'c',
        '--on-error',
        'stop',
        '-b',
        scene.url,
        ...short,
        '--',
        'sh',
        '-c',
        script,
      ]
      const {code, stderr} = await bus(args)
      expect([code, stderr]).toEqual([8, expect.stringContaining('stopped at message')])
      await sleep(1200)
      expect((await left(scene))[0]).toBe(String(refused))
    })

    test('acknowledges nothing that a killed replay has not handled', async () => {
      await using scene = await newScene()
      await allConsumer(scene, 20)
      const first = start([
        'consumer',
        'replay',
        'S',
        'c',
        '--concurrency',
        '4',
        '-b',
        scene.url,
        '--exec',
        '--',
        'sleep',
        '30',
      ])
      await expect
        .poll(async () => (await scene.transport.streams.consumers.info('S', 'c')).ackPending)
        .toBeGreaterThanOrEqual(4)
      first.kill('SIGKILL')
      await first.ended
      expect((await left(scene)).sort((a, b) => Number(a) - Number(b))).toEqual(numbers(1, 20))
    })

    /** Another client that works on the first three messages, and then acknowledges them. */
    async function peerWithThree(scene: StoredScene): Promise<() => Promise<void>> {
      const other = await open(scene.url)
      onTestFinished(() => other.close())
      const member = await other.streams.consumers.consume('S', 'c', {prefetch: 0, max: 3})
      const taken: Delivery[] = []
      while (taken.length < 3) taken.push(...(await member.take(3 - taken.length)))
      const extend = setInterval(() => taken.forEach((delivery) => void delivery.working()), 200)
      onTestFinished(() => clearInterval(extend))
      return () => {
        clearInterval(extend)
        taken.at(-1)?.ack()
        return member.flush()
      }
    }

    test.each([
      ['consumer next', ['consumer', 'next', 'S', 'c', '-n', '2', '-t', '500ms', '--raw']],
      ['sub --durable', ['sub', 's.>', '--durable', 'c', '--for', '700ms', '--raw']],
      ['sub --durable -n', ['sub', 's.>', '--durable', 'c', '-n', '2', '--raw']],
      ['consumer replay -n', ['consumer', 'replay', 'S', 'c', '-n', '2', '--raw']],
    ])('makes %s fail, and acknowledges nothing, while another client has earlier messages', async (_, args) => {
      await using scene = await newScene()
      const [first = 0] = await allConsumer(scene, 10)
      await peerWithThree(scene)
      const {code, stdout, stderr} = await scene.run([...args])
      expect([code, stderr]).toEqual([6, expect.stringContaining('not acknowledged')])
      expect(linesOf(stdout).slice(0, 2)).toEqual(['4', '5'])
      expect(await floorOf(scene)).toBeLessThan(first)
    })

    test('makes bench replay --durable fail, and acknowledges nothing, while another client has earlier messages', async () => {
      await using scene = await newScene()
      const [first = 0] = await allConsumer(scene, 10)
      await peerWithThree(scene)
      const replay = ['bench', 'replay', 'S', '--durable', 'c', '--msgs', '2']
      const {code, stderr} = await scene.run(replay)
      expect([code, stderr]).toEqual([6, expect.stringContaining('not acknowledged')])
      const two = await scene.run([...replay, '--clients', '2'])
      expect([two.code, two.stderr]).toEqual([2, expect.stringContaining('ack policy all')])
      expect(await floorOf(scene)).toBeLessThan(first)
    })

    test('lets sub --durable acknowledge once another client has acknowledged the earlier messages', async () => {
      await using scene = await newScene()
      const seqs = await allConsumer(scene, 10)
      const acknowledge = await peerWithThree(scene)
      await using sub = start(['sub', 's.>', '--durable', 'c', '--raw', '-b', scene.url])
      await sub.stdoutLine('10')
      expect(await floorOf(scene)).toBeLessThan(seqs[0] ?? 0)
      await acknowledge()
      await expect.poll(() => floorOf(scene), {timeout: 5000}).toBe(seqs[9])
      sub.interrupt()
      expect((await sub.ended).code).toBe(0)
    })

    test('keeps the messages of a client that joins later', async () => {
      await using scene = await newScene()
      await allConsumer(scene, 1)
      await using sub = start(['sub', 's.>', '--durable', 'c', '--raw', '-b', scene.url])
      await sub.stdoutLine('1')
      const other = await open(scene.url)
      onTestFinished(() => other.close())
      const member = await other.streams.consumers.consume('S', 'c', {prefetch: 0, max: 1})
      const taking = member.take(1)
      for (const data of numbers(2, 30)) await scene.transport.streams.publish({subject: 's.a', data})
      const [kept] = await taking
      await sleep(500)
      expect(await floorOf(scene)).toBeLessThan(kept?.seq ?? 0)
    })

    test('makes a durable subscription of the library hold its acknowledgements', async () => {
      await using scene = await newScene()
      const seqs = await allConsumer(scene, 10)
      await peerWithThree(scene)
      const notices: string[] = []
      const broker = new Broker(
        {url: scene.url, stream: 'S', jetstream: true},
        {onNotice: (text) => notices.push(text)},
      )
      onTestFinished(() => broker.stop())
      await broker.start()
      const got: string[] = []
      await broker.subscribeDurable('s.>', 'c', (data) => void got.push(Buffer.from(data).toString()))
      await expect.poll(() => got.length).toBe(7)
      await sleep(600)
      expect(await floorOf(scene)).toBeLessThan(seqs[0] ?? 0)
      await broker.stop()
      expect(notices.join()).toContain('not acknowledged')
      const next = new Broker({url: scene.url, stream: 'S', jetstream: true})
      onTestFinished(() => next.stop())
      await next.start()
      await expect(next.next('s.>', 'c', 1000)).rejects.toMatchObject({kind: 'timeout'})
      expect(await floorOf(scene)).toBeLessThan(seqs[0] ?? 0)
    })

    test('is settled to the end by every sink, whatever the concurrency', async () => {
      for (const flags of [['--exec-lines'], ['--exec', '--concurrency', '4']]) {
        await using scene = await newScene()
        const seqs = await allConsumer(scene, 50)
        const script = flags[0] === '--exec' ? 'true' : 'while read -r line; do echo ack; done'
        const {code, stderr} = await bus([
          'consumer',
          'replay',
          'S',
          'c',
          '-b',
          scene.url,
          ...flags,
          '--',
          'sh',
          '-c',
          script,
        ])
        expect(code, stderr).toBe(0)
        expect(await scene.transport.streams.consumers.info('S', 'c')).toMatchObject({
          ackFloor: seqs.at(-1),
          ackPending: 0,
        })
      }
    })
  })

  describe('a consumer from which a client takes', () => {
    const users: readonly (readonly [string, readonly string[], readonly string[]])[] = [
      ['sub --durable', ['sub', 's.>', '--durable', 'c', '--raw'], []],
      ['consumer replay --follow', ['consumer', 'replay', 'S', 'c', '--follow', '--raw'], []],
      ['consumer next', ['consumer', 'next', 'S', 'c', '-n', '5', '-t', '60s', '--raw'], []],
    ]
    const moves: readonly (readonly string[])[] = [
      ['consumer', 'reset', 'S', 'c', '--to', 'first', '--yes'],
      ['consumer', 'replay', 'S', 'c', '--reset', 'end', '--raw', '--yes'],
    ]
    test.each(users)('is not moved: %s', async (_, args) => {
      await using scene = await newScene()
      const [first = 0] = await filled(scene.transport, 1)
      await scene.transport.streams.consumers.add('S', {name: 'c', filters: ['s.>']})
      await using user = scene.start(args)
      await user.stdoutLine('1')
      await expect.poll(() => floorOf(scene)).toBe(first)
      for (const move of moves) {
        const {code, stderr} = await scene.run(move)
        expect([code, stderr]).toEqual([4, expect.stringContaining('in use')])
      }
      expect(await floorOf(scene)).toBe(first)
      user.interrupt()
      expect(linesOf((await user.ended).stdout)).toEqual(['1'])
    })

    test('is not moved while the library takes from it, and is moved afterwards', async () => {
      await using scene = await newScene()
      await filled(scene.transport, 3)
      const {consumers} = scene.transport.streams
      await consumers.add('S', {name: 'c'})
      const member = await consumers.consume('S', 'c')
      await member.take(3)
      const taking = member.take(1, 20_000)
      await using other = await open(scene.url)
      await expect(other.streams.consumers.reset('S', 'c', {seq: 1})).rejects.toMatchObject({kind: 'denied'})
      await member.close()
      await taking
      await other.streams.consumers.reset('S', 'c', {seq: 1})
      expect(await consumers.info('S', 'c')).toMatchObject({pending: 3, ackPending: 0})
    })

    test('is moved after that client was killed', async () => {
      await using scene = await newScene()
      await filled(scene.transport, 3)
      await scene.transport.streams.consumers.add('S', {name: 'c'})
      const user = scene.start(['sub', 's.>', '--durable', 'c', '--raw'])
      await user.stdoutLine('3')
      user.kill('SIGKILL')
      await user.ended
      await expect.poll(async () => (await scene.run(moves[0] as string[])).code, {timeout: 10_000}).toBe(0)
    })

    test('needs confirmation to be moved while messages are in flight', async () => {
      await using scene = await newScene()
      await filled(scene.transport, 3)
      const {consumers} = scene.transport.streams
      await consumers.add('S', {name: 'c'})
      const member = await consumers.consume('S', 'c', {prefetch: 0, max: 1})
      await member.take(1)
      await member.close()
      const replay = ['consumer', 'replay', 'S', 'c', '--reset', 'first', '--raw']
      const {code, stderr} = await scene.run(replay)
      expect([code, stderr]).toEqual([2, expect.stringContaining('1 message is in flight')])
      expect(await consumers.info('S', 'c')).toMatchObject({ackPending: 1})
      expect(await scene.run([...replay, '--yes'])).toMatchObject({code: 0, stdout: '1\n2\n3\n'})
    })
  })

  describe('messages that reached their limit of deliveries', () => {
    /** Another client takes the first messages and acknowledges none. */
    async function takenInVain(scene: StoredScene, count: number): Promise<void> {
      await using other = await open(scene.url)
      const member = await other.streams.consumers.consume('S', 'c', {prefetch: 0, max: count})
      for (let got = 0; got < count; ) got += (await member.take(count - got)).length
    }

    test('before a replay are counted until the consumer is moved', async () => {
      await using scene = await newScene()
      await filled(scene.transport, 5)
      const {consumers} = scene.transport.streams
      await consumers.add('S', {name: 'c', maxDeliver: 1, ackWaitMs: 200})
      await takenInVain(scene, 5)
      await sleep(400)
      const replay = ['consumer', 'replay', 'S', 'c', '--raw']
      const {code, stdout, stderr} = await scene.run(replay)
      expect([code, stdout, stderr]).toEqual([8, '', expect.stringMatching(/5 messages were given up/)])
      expect((await scene.run(['consumer', 'info', 'S', 'c'])).stdout).toMatch(/^given up +5/m)
      await scene.run(['consumer', 'reset', 'S', 'c', '--to', 'first', '--yes'])
      expect((await consumers.info('S', 'c')).givenUp).toBeUndefined()
      expect(await scene.run(replay)).toMatchObject({code: 0, stdout: '1\n2\n3\n4\n5\n'})
    })

    test('during a replay are counted, although later ones are acknowledged', async () => {
      await using scene = await newScene()
      await filled(scene.transport, 10)
      await scene.transport.streams.consumers.add('S', {name: 'c', maxDeliver: 1, ackWaitMs: 1000})
      await takenInVain(scene, 3)
      const exec = ['--exec', '--', 'sh', '-c', 'cat; echo; sleep 0.3']
      const {code, stdout, stderr} = await bus(['consumer', 'replay', 'S', 'c', '-b', scene.url, ...exec])
      expect(linesOf(stdout), stderr).toEqual(numbers(4, 10))
      expect([code, stderr]).toEqual([8, expect.stringMatching(/ 3 messages were given up/)])
    })
  })

  describe('ack policy "none"', () => {
    async function noneConsumer(scene: StoredScene): Promise<void> {
      await filled(scene.transport, 5)
      await scene.transport.streams.consumers.add('S', {name: 'c', ack: 'none'})
    }

    test.each([['--nak'], ['--term']])('refuses consumer next %s and delivers nothing', async (flag) => {
      await using scene = await newScene()
      await noneConsumer(scene)
      const {code, stdout, stderr} = await scene.run(['consumer', 'next', 'S', 'c', flag])
      expect([code, stdout, stderr]).toEqual([2, '', expect.stringContaining(flag)])
      expect(await scene.transport.streams.consumers.info('S', 'c')).toMatchObject({pending: 5})
    })

    test('is consumed without acknowledgements', async () => {
      await using scene = await newScene()
      await noneConsumer(scene)
      expect(await scene.run(['consumer', 'next', 'S', 'c', '--raw'])).toMatchObject({
        code: 0,
        stdout: '1',
        stderr: '1 taken · 4 pending\n',
      })
    })

    test('refuses --on-error, and reports that a message will not be redelivered', async () => {
      await using scene = await newScene()
      await noneConsumer(scene)
      const replay = (...flags: string[]) =>
        bus([
          'consumer',
          'replay',
          'S',
          'c',
          '-b',
          scene.url,
          ...flags,
          '--exec',
          '--',
          'sh',
          '-c',
          'read n; [ $n != 3 ]',
        ])
      for (const policy of ['skip', 'term', 'retry', 'stop']) {
        const {code, stderr} = await replay('--on-error', policy)
        expect([code, stderr]).toEqual([2, expect.stringContaining('--on-error')])
      }
      expect(await scene.transport.streams.consumers.info('S', 'c')).toMatchObject({pending: 5})
      const {code, stderr} = await replay('--max-deliver', '1')
      expect(code).toBe(8)
      expect(stderr).not.toContain('not acknowledged')
      expect(stderr).toContain('will not be redelivered')
    })
  })
})
