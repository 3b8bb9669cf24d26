/** Push durables of other clients: everything that they send is handled once, and inspecting them costs no deliveries. */
import {setTimeout as sleep} from 'node:timers/promises'
import {afterAll, beforeAll, describe, expect, onTestFinished, test} from 'vitest'
import {takeNext} from '../../../src/lib/messaging/stored/next.ts'
import {Broker} from '../../../src/lib/protocols/broker/broker.ts'
import type {Transport} from '../../../src/lib/transport/contract.ts'
import {open} from '../../../src/lib/transport/open.ts'
import {bus, type Ended, start} from '../../bus.ts'
import {addConsumer, store} from '../../lib/transport/nats/streams.ts'
import {NatsServer} from '../../nats-server.ts'

let server: NatsServer
let transport: Transport
beforeAll(async () => {
  server = await NatsServer.start((home) => `jetstream {store_dir: "${home}"}`)
  transport = await open(server.url())
})
afterAll(async () => {
  await transport.close()
  await server[Symbol.asyncDispose]()
})

let streams = 0

/** A stream of its own with messages `1`, `2`, … and a push durable `c` on it. */
async function pushDurable(count: number, config: object = {}): Promise<string> {
  const stream = `P${++streams}`
  await transport.streams.add({name: stream, subjects: [`${stream}.>`]})
  await store(transport, `${stream}.x`, numbers(count))
  await addConsumer(transport, stream, {
    name: 'c',
    ack_policy: 'explicit',
    deliver_policy: 'all',
    deliver_subject: `_INBOX.dead.${stream}`,
    ...config,
  })
  return stream
}

function run(...args: string[]): Promise<Ended> {
  return bus(onServer(args))
}

/** Flags end where the command of `--exec` begins. */
function onServer(args: readonly string[]): string[] {
  return [...args.slice(0, 2), '-b', server.url(), ...args.slice(2)]
}

function numbers(count: number): string[] {
  return Array.from({length: count}, (_, i) => String(i + 1))
}

function linesOf(text: string): string[] {
  return text.split('\n').filter(Boolean)
}

const ackWait = {ack_wait: 1e9}
/** In total slower than the ack wait of one second. */
const slowly = ['--exec', '--', 'sh', '-c', 'cat; echo; sleep 0.05']

describe('a push durable whose messages wait longer than its ack wait', () => {
  test('is replayed to its end, each message once', async () => {
    const stream = await pushDurable(60, ackWait)
    const {code, stdout, stderr} = await run('consumer', 'replay', stream, 'c', ...slowly)
    expect([code, linesOf(stdout)], stderr).toEqual([0, numbers(60)])
    expect(stderr).toContain('60 read · 60 handled · 0 redelivered · ack floor #0 → #60')
    expect(await transport.streams.consumers.info(stream, 'c')).toMatchObject({pending: 0, ackPending: 0, ackFloor: 60})
  })

  test('is followed without handling a message twice', async () => {
    const stream = await pushDurable(60, ackWait)
    await using following = start(onServer(['consumer', 'replay', stream, 'c', '--follow', ...slowly]))
    await following.stdoutLine('60')
    await sleep(1500)
    following.interrupt()
    expect(linesOf((await following.ended).stdout)).toEqual(numbers(60))
  })

  test('is replayed to its end with few deliveries allowed', async () => {
    const stream = await pushDurable(60, {...ackWait, max_deliver: 2})
    const {code, stdout, stderr} = await run('consumer', 'replay', stream, 'c', ...slowly)
    expect([code, linesOf(stdout)], stderr).toEqual([0, numbers(60)])
  })

  test('is replayed to its end although the replay is stopped for longer than the ack wait', async () => {
    const stream = await pushDurable(2000, {...ackWait, max_ack_pending: 500})
    await using replaying = start(['consumer', 'replay', stream, 'c', '--raw', '--rate', '1000/s', '-b', server.url()])
    await replaying.stdoutLine('100')
    replaying.kill('SIGSTOP')
    await sleep(2500)
    replaying.kill('SIGCONT')
    const {code, stdout, stderr} = await replaying.ended
    expect([code, new Set(linesOf(stdout)).size], stderr).toEqual([0, 2000])
    expect(await transport.streams.consumers.info(stream, 'c')).toMatchObject({ackPending: 0, ackFloor: 2000})
  })

  test('is handled once by a durable subscription of the library', async () => {
    const stream = await pushDurable(60, {...ackWait, filter_subject: undefined})
    const broker = new Broker({url: server.url(), stream, jetstream: true})
    onTestFinished(() => broker.stop())
    await broker.start()
    const handled: string[] = []
    await broker.subscribeDurable(`${stream}.>`, 'c', async (data) => {
      handled.push(Buffer.from(data).toString())
      await sleep(50)
    })
    await expect.poll(() => handled.length, {timeout: 20_000}).toBeGreaterThanOrEqual(60)
    await sleep(1500)
    expect(handled).toEqual(numbers(60))
  })
})

describe('inspecting a push durable with few deliveries', () => {
  const looks: readonly (readonly [string, (stream: string) => string[]])[] = [
    ['consumer next', (stream) => ['consumer', 'next', stream, 'c', '-t', '1s']],
    ['consumer replay --count', (stream) => ['consumer', 'replay', stream, 'c', '--raw', '-n', '1']],
    ['sub --durable --count', (stream) => ['sub', `${stream}.>`, '--stream', stream, '--durable', 'c', '-n', '1']],
  ]

  test.each(looks)('with %s is refused before anything is delivered, unless --yes is given', async (_, args) => {
    const stream = await pushDurable(10, {max_deliver: 3})
    const refused = await run(...args(stream))
    expect([refused.code, refused.stdout]).toEqual([2, ''])
    expect(refused.stderr).toContain('--peek')
    expect(refused.stderr).toContain('--yes')
    expect(await transport.streams.consumers.info(stream, 'c')).toMatchObject({deliveredSeq: 0, pending: 10})
    const forced = await run(...args(stream), '--yes')
    expect([forced.code, forced.stdout], forced.stderr).toEqual([0, expect.stringMatching(/1\n?$/)])
  })

  test.each(looks)('with %s is refused if nothing is acknowledged', async (_, args) => {
    const stream = await pushDurable(10, {ack_policy: 'none'})
    expect((await run(...args(stream))).code).toBe(2)
    expect(await transport.streams.consumers.info(stream, 'c')).toMatchObject({deliveredSeq: 0, pending: 10})
  })

  test('is allowed if everything that it would send is requested', async () => {
    const stream = await pushDurable(10, {max_deliver: 1})
    const {code, stdout} = await run('consumer', 'next', stream, 'c', '-n', '10', '--raw')
    expect([code, linesOf(stdout)]).toEqual([0, numbers(10)])
  })

  test('with --peek takes nothing', async () => {
    const stream = await pushDurable(10, {max_deliver: 1})
    for (let look = 0; look < 3; look++) {
      expect((await run('consumer', 'next', stream, 'c', '--peek', '--raw')).stdout).toBe('1')
    }
    expect((await run('consumer', 'replay', stream, 'c', '--peek', '--raw')).stdout).toBe(`${numbers(10).join('\n')}\n`)
    expect(await transport.streams.consumers.info(stream, 'c')).toMatchObject({deliveredSeq: 0, pending: 10})
  })

  test('is refused in the library', async () => {
    const stream = await pushDurable(10, {max_deliver: 3})
    const broker = new Broker({url: server.url(), stream, jetstream: true})
    onTestFinished(() => broker.stop())
    await broker.start()
    await expect(broker.next(`${stream}.>`, 'c', 1000)).rejects.toMatchObject({kind: 'usage'})
    expect(await transport.streams.consumers.info(stream, 'c')).toMatchObject({deliveredSeq: 0})
  })

  test('with sub --durable shows the messages that it was sent before Ctrl-C ends it', async () => {
    const stream = await pushDurable(500, {max_deliver: 1})
    await using sub = start(['sub', `${stream}.>`, '--durable', 'c', '--raw', '-b', server.url()])
    await sub.stdoutLine('1')
    sub.interrupt()
    const {code, stdout} = await sub.ended
    const {deliveredSeq} = await transport.streams.consumers.info(stream, 'c')
    expect([code, linesOf(stdout).length]).toEqual([0, deliveredSeq])
  })
})

describe('Ctrl-C while a consumer with limited deliveries is read', () => {
  test.each(['push', 'pull'])('lets sub --durable show the messages that a %s consumer has delivered', async (kind) => {
    const stream = await pushDurable(3000, {max_deliver: 1, max_ack_pending: 2000})
    await transport.streams.consumers.add(stream, {name: 'pull', maxDeliver: 1, filters: [`${stream}.>`]})
    const name = kind === 'push' ? 'c' : 'pull'
    await using sub = start(onServer(['sub', `${stream}.>`, '--durable', name, '--raw', '--stream', stream]))
    await sub.stdoutLine('1')
    sub.interrupt()
    const {code, stdout} = await sub.ended
    const {deliveredSeq, ackFloor} = await transport.streams.consumers.info(stream, name)
    expect([code, linesOf(stdout)]).toEqual([0, numbers(deliveredSeq)])
    expect(ackFloor).toBe(deliveredSeq)
  })

  test.each(['an abort', 'the deadline'])('lets consumer next show delivered messages after %s', async (end) => {
    const stream = await pushDurable(0)
    await transport.streams.consumers.add(stream, {name: 'pull', maxDeliver: 3})
    await store(transport, `${stream}.x`, numbers(1000))
    const stopped = new AbortController()
    const timeoutMs = end === 'an abort' ? 60_000 : 1000
    const show = async () => {
      if (end === 'an abort') stopped.abort()
      await sleep(1500)
      return true
    }
    const options = {count: 1000, timeoutMs, settle: 'ack', show, signal: stopped.signal} as const
    const {taken} = await takeNext(transport.streams, stream, 'pull', options)
    const {deliveredSeq, ackFloor} = await transport.streams.consumers.info(stream, 'pull')
    expect([taken, ackFloor]).toEqual([deliveredSeq, deliveredSeq])
    expect(taken).toBeLessThan(1000)
  })

  test('lets a replay handle delivered messages first', async () => {
    const stream = await pushDurable(100, {max_deliver: 1})
    await using replaying = start(
      onServer(['consumer', 'replay', stream, 'c', '--rate', '20/s', '--exec', '--', 'sh', '-c', 'cat; echo']),
    )
    await replaying.stdoutLine('2')
    replaying.interrupt()
    const {stdout, stderr} = await replaying.ended
    const {deliveredSeq, ackFloor} = await transport.streams.consumers.info(stream, 'c')
    expect(linesOf(stdout), stderr).toEqual(numbers(deliveredSeq))
    expect(ackFloor).toBe(deliveredSeq)
    expect(stderr).toContain('handling delivered messages first')
  })

  test('ends a replay of a consumer without such a limit at once', async () => {
    const stream = await pushDurable(100)
    await using replaying = start(
      onServer(['consumer', 'replay', stream, 'c', '--rate', '20/s', '--exec', '--', 'sh', '-c', 'cat; echo']),
    )
    await replaying.stdoutLine('2')
    replaying.interrupt()
    const {stdout} = await replaying.ended
    expect(linesOf(stdout).length).toBeLessThan(50)
    const {code, stdout: rest} = await run('consumer', 'replay', stream, 'c', '--raw')
    expect(code).toBe(0)
    expect(new Set([...linesOf(stdout), ...linesOf(rest)]).size).toBe(100)
  })
})

describe('a durable that another client uses', () => {
  /** Another client that is bound to the consumer. */
  async function peer(stream: string): Promise<string[]> {
    const other = await open(server.url())
    onTestFinished(() => other.close())
    const got: string[] = []
    const subscription = await other.subscribe(`_INBOX.dead.${stream}`)
    void (async () => {
      for await (const message of subscription) {
        got.push(message.text)
        other.publish({subject: message.reply ?? '', data: '+ACK'})
      }
    })()
    await expect.poll(() => got.length).toBe(10)
    return got
  }

  test.each([
    [
      'replay to the first message',
      (stream: string) => ['consumer', 'replay', stream, 'c', '--raw', '--reset', 'first'],
    ],
    ['replay to the end', (stream: string) => ['consumer', 'replay', stream, 'c', '--raw', '--reset', 'end']],
    ['reset', (stream: string) => ['consumer', 'reset', stream, 'c', '--to', 'first', '--yes']],
  ])('is not moved: %s', async (_, args) => {
    const stream = await pushDurable(10)
    const got = await peer(stream)
    await expect.poll(async () => (await transport.streams.consumers.info(stream, 'c')).ackFloor).toBe(10)
    const {code, stderr} = await run(...args(stream))
    expect([code, stderr]).toEqual([4, expect.stringContaining('in use')])
    await sleep(300)
    expect(got).toEqual(numbers(10))
    expect(await transport.streams.consumers.info(stream, 'c')).toMatchObject({ackFloor: 10, pending: 0})
  })

  test.each(['replay', 'reset'])('with pulls is not moved by consumer %s', async (verb) => {
    const stream = await pushDurable(1)
    await transport.streams.consumers.add(stream, {name: 'pull'})
    await using following = start(['sub', `${stream}.>`, '--durable', 'pull', '--raw', '-b', server.url()])
    await following.stdoutLine('1')
    const args = verb === 'reset' ? ['--to', 'first', '--yes'] : ['--reset', 'first', '--raw']
    const {code, stderr} = await run('consumer', verb, stream, 'pull', ...args)
    expect([code, stderr]).toEqual([4, expect.stringContaining('in use')])
    following.interrupt()
    expect((await following.ended).stdout).toBe('1\n')
  })
})

test('push durables that share a deliver subject are each replayed separately', async () => {
  for (let round = 0; round < 3; round++) {
    const shared = {deliver_subject: `_INBOX.shared${round}`}
    const [one, other] = [await pushDurable(100, shared), await pushDurable(100, shared)]
    const {code, stdout, stderr} = await run('consumer', 'replay', other, 'c', '-f', '{subject}\\n')
    expect([code, new Set(linesOf(stdout)), linesOf(stdout).length], stderr).toEqual([0, new Set([`${other}.x`]), 100])
    expect(await transport.streams.consumers.info(other, 'c')).toMatchObject({ackFloor: 100, pending: 0})
    expect(await transport.streams.consumers.info(one, 'c')).toMatchObject({ackFloor: 0})
    await transport.streams.remove(one)
    await transport.streams.remove(other)
  }
})

describe('messages that reached their limit of deliveries', () => {
  test.each(['push', 'pull'])(
    'are reported after a replay of a %s durable, which has not handled everything',
    async (kind) => {
      const limited = {ack_wait: 300e6, max_deliver: 2}
      const stream = await pushDurable(5, limited)
      if (kind === 'pull') await transport.streams.consumers.add(stream, {name: 'pull', ackWaitMs: 300, maxDeliver: 2})
      const name = kind === 'pull' ? 'pull' : 'c'
      for (let time = 0; time < 2; time++) {
        const member = await transport.streams.consumers.consume(stream, name)
        for (let got = 0; got < 5; ) got += (await member.take(5)).length
        await member.close()
        await sleep(500)
      }
      const {code, stderr} = await run('consumer', 'replay', stream, name, '--raw')
      expect([code, stderr]).toEqual([8, expect.stringMatching(/5 messages? .*given up/)])
      const info = await run('consumer', 'info', stream, name)
      expect(info.stdout).toMatch(/^given up +5/m)
      expect(JSON.parse((await run('consumer', 'info', stream, name, '--json')).stdout)).toMatchObject({givenUp: 5})
    },
  )
})
