import {describe, expect, it, onTestFinished} from 'vitest'
import {BusError} from '../../../../src/lib/core/errors.ts'
import type {Headers, Message} from '../../../../src/lib/core/message.ts'
import {laterSignal, sleep} from '../../../../src/lib/core/time/timer.ts'
import {type IntoOptions, intoSink} from '../../../../src/lib/messaging/replay/copies.ts'
import {CopyPosition} from '../../../../src/lib/messaging/replay/copy-position.ts'
import {type Replayed, replay} from '../../../../src/lib/messaging/replay/replay.ts'
import {republishSink} from '../../../../src/lib/messaging/replay/republish.ts'
import {durableSource, rangeSource} from '../../../../src/lib/messaging/replay/source.ts'
import type {Transport} from '../../../../src/lib/transport/contract.ts'
import {open} from '../../../../src/lib/transport/open.ts'
import {PublishWindow} from '../../../../src/lib/transport/shared/publish-window.ts'
import type {PublisherOptions} from '../../../../src/lib/transport/streams-contract.ts'
import {temporaryFolder} from '../../transport/sqlite/processes.ts'

let count = 0

const buses: Record<string, () => Promise<Transport>> = {
  memory: () => open(`memory:copies-${++count}`),
  file: () => open(`sqlite:${temporaryFolder()}/copies.db`),
}

async function opened(kind: string): Promise<Transport> {
  const bus = await (buses[kind] as () => Promise<Transport>)()
  onTestFinished(() => bus[Symbol.asyncDispose]())
  return bus
}

async function filled(bus: Transport, messages: number, headers?: (n: number) => Headers): Promise<Transport> {
  await bus.streams.add({name: 'S', subjects: ['s.>']})
  await publish(bus, 1, messages, headers)
  return bus
}

async function publish(bus: Transport, from: number, to: number, headers?: (n: number) => Headers): Promise<void> {
  for (let n = from; n <= to; n++) {
    await bus.streams.publish({subject: `s.${n % 3}`, data: String(n), ...(headers && {headers: headers(n)})})
  }
}

const plain: IntoOptions = {obeyHeaders: false, create: true, filters: [], confirm: async () => {}}
const policy = {onError: 'skip', maxAttempts: 1} as const

async function copy(from: Transport, to: Transport, options: Partial<IntoOptions> = {}): Promise<Replayed> {
  const info = await from.streams.info('S')
  await using sink = await intoSink({bus: from, info}, to, {...plain, ...options})
  return await replay(await rangeSource(from, 'S', {from: {seq: 1}}), sink, {policy})
}

async function contents(bus: Transport, stream = 'S'): Promise<string[]> {
  const all: string[] = []
  await using reading = await bus.streams.read(stream, {from: {seq: 1}})
  for (let taken = await reading.take(512); taken.length > 0; taken = await reading.take(512)) {
    all.push(...taken.map(({text}) => text))
  }
  return all
}

async function rangeMessages(bus: Transport): Promise<readonly Message[]> {
  await using reading = await bus.streams.read('S')
  return await reading.take(512)
}

/** The same bus; records how many messages each read of its streams returned. */
function counted(bus: Transport, reads: number[]): Transport {
  const read: Transport['streams']['read'] = async (stream, range) => {
    const reading = await bus.streams.read(stream, range)
    const place = reads.push(0) - 1
    const take = reading.take.bind(reading)
    reading.take = async (max) => {
      const taken = await take(max)
      reads[place] = (reads[place] ?? 0) + taken.length
      return taken
    }
    return reading
  }
  return instead(bus, 'streams', instead(bus.streams, 'read', read))
}

/** The same object with another member. */
function instead<T extends object, N extends keyof T>(object: T, name: N, member: T[N]): T {
  return new Proxy(object, {
    get(object, wanted) {
      const value = wanted === name ? member : Reflect.get(object, wanted, object)
      return typeof value === 'function' ? value.bind(object) : value
    },
  })
}

const numbers = (last: number) => Array.from({length: last}, (_, i) => String(i + 1))

describe.each([
  ['memory', 'file'],
  ['file', 'memory'],
  ['file', 'file'],
])('a copy of a stream from %s into %s', (here, there) => {
  it('has every message once, and a second run adds only what is new', async () => {
    const from = await filled(await opened(here), 1200)
    const to = await opened(there)
    expect(await copy(from, to)).toMatchObject({read: 1200, handled: 1200, alreadyThere: 0})
    await publish(from, 1201, 1300)
    expect(await copy(from, to)).toMatchObject({read: 1300, handled: 100, alreadyThere: 1200})
    expect(await contents(to)).toEqual(numbers(1300))
  })

  it('is completed by two runs at once that each copy a part', async () => {
    const from = await filled(await opened(here), 700)
    const to = await opened(there)
    await to.streams.add({name: 'S', subjects: ['s.>']})
    await Promise.all([copy(from, to), copy(from, to)])
    expect((await contents(to)).sort()).toEqual(numbers(700).sort())
    expect(await copy(from, to)).toMatchObject({handled: 0, alreadyThere: 700})
  })

  it('keeps headers that a store would act on as data, unless they are to be obeyed', async () => {
    const from = await filled(await opened(here), 2, (n) => [
      ['Bus-Rollup', 'all'],
      ['Nats-Msg-Id', `id-${n}`],
      ['a', 'b'],
    ])
    const to = await opened(there)
    await copy(from, to)
    const {headers} = await to.streams.get('S', 2)
    expect(headers).toEqual(
      expect.arrayContaining([
        ['Bus-Rollup', 'all'],
        ['Bus-Msg-Id', 'id-2'],
        ['a', 'b'],
      ]),
    )
    const other = await opened(there)
    expect(await copy(from, other, {obeyHeaders: true})).toMatchObject({handled: 0, failed: 2, skipped: 2})
  })

  it('does not return to the stream of its origin', async () => {
    const from = await filled(await opened(here), 20)
    const to = await opened(there)
    await copy(from, to)
    expect(await copy(to, from)).toMatchObject({read: 20, handled: 0, alreadyThere: 20})
    expect(await contents(from)).toEqual(numbers(20))
  })

  it('does not return through other streams, and each of them contains every message once', async () => {
    const first = await filled(await opened(here), 20)
    const second = await opened(there)
    const third = await opened(here)
    const ring = [first, second, third]
    for (let round = 0; round < 3; round++) {
      for (const [i, bus] of ring.entries()) await copy(bus, ring[(i + 1) % 3] as Transport)
    }
    for (const bus of ring) expect(await contents(bus)).toEqual(numbers(20))
    await publish(second, 21, 22)
    for (let round = 0; round < 2; round++) {
      for (const [i, bus] of ring.entries()) await copy(bus, ring[(i + 1) % 3] as Transport)
    }
    for (const bus of ring) expect(await contents(bus)).toEqual(numbers(22))
  })

  it('contains every message once after two runs at once that take longer than the duplicate window', async () => {
    const from = await filled(await opened(here), 30)
    const to = await opened(there)
    await to.streams.add({name: 'S', subjects: ['s.>'], dedupeMs: 200})
    const info = await from.streams.info('S')
    await using one = await intoSink({bus: from, info}, to, plain)
    await using other = await intoSink({bus: from, info}, to, plain)
    const messages = await rangeMessages(from)
    expect(await one.copy(messages.slice(0, 20))).toMatchObject({alreadyThere: 0})
    await sleep(300)
    expect(await other.copy(messages)).toMatchObject({alreadyThere: 20})
    await sleep(300)
    expect(await one.copy(messages)).toMatchObject({alreadyThere: 30})
    expect((await contents(to)).sort()).toEqual(numbers(30).sort())
  })

  it('that was removed from the target is stored once by two runs within the duplicate window', async () => {
    const from = await filled(await opened(here), 3)
    const to = await opened(there)
    await copy(from, to)
    await to.streams.purge('S')
    const info = await from.streams.info('S')
    await using one = await intoSink({bus: from, info}, to, plain)
    await using other = await intoSink({bus: from, info}, to, plain)
    const messages = await rangeMessages(from)
    expect(await Promise.all([one.copy(messages), other.copy(messages)])).toHaveLength(2)
    expect((await contents(to)).sort()).toEqual(numbers(3))
  })

  it('of some subjects reads back no more of the target than the window when it resumes', async () => {
    const from = await opened(here)
    await from.streams.add({name: 'S', subjects: ['s.>']})
    await using publisher = from.streams.publisher()
    for (let n = 1; n <= 10_000; n++) await publisher.push({subject: n % 5 === 0 ? 's.2' : 's.1', data: String(n)})
    await publisher.flush()
    const to = await opened(there)
    const info = await from.streams.info('S')
    const run = async (count: number, filters: string[]) => {
      const reads: number[] = []
      await using sink = await intoSink({bus: from, info}, counted(to, reads), {...plain, filters})
      const found = reads.reduce((sum, read) => sum + read, 0)
      const done = await replay(await rangeSource(from, 'S', {from: {seq: 1}, filters}, count), sink, {policy})
      return {handled: done.handled, found}
    }
    expect(await run(6000, ['s.1'])).toMatchObject({handled: 6000})
    const {handled, found} = await run(7000, ['s.1'])
    expect(handled).toBe(1000)
    // The messages searched for the last copy, and the copies that were in flight when it was sent.
    expect(found).toBeLessThan(1000 + 2048 + 1000)
    expect((await run(9000, ['s.2'])).handled).toBe(2000)
    expect((await run(9000, ['s.1'])).handled).toBe(1000)
    expect((await run(9000, ['s.1', 's.2'])).handled).toBe(0)
    expect(await copy(from, to)).toMatchObject({read: 10_000, handled: 0, alreadyThere: 10_000})
    expect((await contents(to)).length).toBe(10_000)
  })

  it('needs confirmation for a stream with messages from elsewhere', async () => {
    const from = await filled(await opened(here), 3)
    const to = await filled(await opened(there), 5)
    const questions: string[] = []
    const confirm = async (question: string) => void questions.push(question)
    await copy(from, to, {confirm})
    expect(questions).toEqual([expect.stringContaining('5 messages from elsewhere')])
  })

  it('is refused without a stream that stores the subjects, and into several streams', async () => {
    const from = await filled(await opened(here), 1)
    const to = await opened(there)
    await expect(copy(from, to, {create: false})).rejects.toMatchObject({kind: 'notFound'})
    await to.streams.add({name: 'A', subjects: ['s.1']})
    await to.streams.add({name: 'B', subjects: ['s.2']})
    await expect(copy(from, to)).rejects.toMatchObject({kind: 'usage'})
  })

  it('with a consumer as its source starts at the ack floor, and leaves nothing unacknowledged', async () => {
    const from = await filled(await opened(here), 300)
    const to = await opened(there)
    const consumer = await from.streams.consumers.add('S', {name: 'c'})
    const info = await from.streams.info('S')
    const floor = async () => (await from.streams.consumers.info('S', 'c')).ackFloor
    const run = async (limit?: number) => {
      await using sink = await intoSink({bus: from, info}, to, {...plain, filters: undefined, floor})
      await using source = await durableSource(from, consumer, {prefetch: 10, count: limit})
      return await replay(source, sink, {policy})
    }
    expect(await run(100)).toMatchObject({handled: 100})
    expect(await run()).toMatchObject({handled: 200, complete: true})
    expect(await floor()).toBe(300)
    expect(await contents(to)).toEqual(numbers(300))
  })
})

describe('a copy', () => {
  it('of a stream into itself is refused', async () => {
    const bus = await filled(await opened('file'), 1)
    await expect(copy(bus, bus)).rejects.toMatchObject({kind: 'usage'})
  })

  it('of a source that was restored to an earlier state is refused', async () => {
    const from = await filled(await opened('memory'), 5)
    const to = await opened('memory')
    await copy(from, to)
    await from.streams.purge('S')
    await expect(copy(from, to)).resolves.toMatchObject({read: 0})
  })
})

describe.each(Object.keys(buses))('republishing on a bus of kind %s', (kind) => {
  it('stores the copies if a stream stores their subjects, and publishes the others', async () => {
    const bus = await filled(await opened(kind), 30)
    await bus.streams.add({name: 'C', subjects: ['kept.s.1']})
    await using others = await bus.subscribe('kept.s.0')
    await using sink = republishSink(bus, 'kept.{subject}', {obeyHeaders: false, wouldReturn: () => false})
    const done = await replay(await rangeSource(bus, 'S', {from: {seq: 1}}), sink, {policy})
    expect(done).toMatchObject({read: 30, handled: 30})
    expect((await bus.streams.info('C')).state.messages).toBe(10)
    expect(await others.take(20)).not.toHaveLength(0)
  })

  it('fails for a subject that would be replayed again, an unknown placeholder and an invalid subject', async () => {
    const bus = await filled(await opened(kind), 1)
    const options = {obeyHeaders: false, wouldReturn: () => true}
    await using sink = republishSink(bus, 'copy.{subject}', options)
    const source = await rangeSource(bus, 'S', {from: {seq: 1}})
    await expect(replay(source, sink, {policy})).rejects.toMatchObject({kind: 'usage'})
    expect(() => republishSink(bus, 'copy.{what}', options)).toThrow(BusError)
    expect(() => republishSink(bus, 'copy..{subject}', options)).toThrow(BusError)
  })
})

/** Sends nothing, so that nothing is acknowledged. */
class SilentPublisher extends PublishWindow {
  protected override send(): void {}
}

/** Copies three thousand messages. Once the copy has begun, requests for the state of the target wait for `answer`. */
async function copyWhile(answer: (stored: () => number) => Promise<void>): Promise<Replayed> {
  const from = await filled(await opened('memory'), 3000)
  const to = await opened('memory')
  await to.streams.add({name: 'S', subjects: ['s.>']})
  let hasBegun = false
  let stored = 0
  const streamInfo: Transport['streams']['info'] = async (stream) => {
    if (hasBegun) await answer(() => stored)
    return to.streams.info(stream)
  }
  const target = instead(to, 'streams', instead(to.streams, 'info', streamInfo))
  const onStored = () => {
    hasBegun = true
    stored++
  }
  return copy(from, target, {onStored})
}

it('a copy does not wait for the state of its target, which it requests from time to time', async () => {
  const result = await copyWhile(async (stored) => {
    while (stored() < 3000) await sleep(1)
  })
  expect(result).toMatchObject({handled: 3000, alreadyThere: 0})
})

it('a copy fails if the state of its target cannot be read', async () => {
  const failure = new BusError('denied', 'no permission to read the state')
  await expect(copyWhile(() => Promise.reject(failure))).rejects.toMatchObject({kind: 'denied'})
})

it('a copy that is interrupted ends although the target does not respond, and counts nothing as handled', async () => {
  const from = await filled(await opened('memory'), 10)
  const to = await opened('memory')
  const publisher = (options?: PublisherOptions) => new SilentPublisher(to.url, options)
  const silent = instead(to, 'streams', instead(to.streams, 'publisher', publisher))
  const stop = new AbortController()
  const info = await from.streams.info('S')
  const options = {...plain, signal: laterSignal(stop.signal, 50)}
  await using sink = await intoSink({bus: from, info}, silent, options)
  const done = replay(await rangeSource(from, 'S', {from: {seq: 1}}), sink, {policy, stop: stop.signal})
  await sleep(50)
  stop.abort()
  expect(await done).toMatchObject({read: 10, handled: 0, complete: false})
})

describe('the position of a copy', () => {
  it('claims only messages that were stored, in any order', () => {
    const position = new CopyPosition()
    for (const seq of [3, 1, 5]) position.sent(seq, seq + 10)
    expect([1, 2, 3, 4, 5].filter((seq) => position.has(seq))).toEqual([1, 3, 5])
    position.joined(0, 1)
    position.joined(2, 3)
    expect(position.claim()).toBe('1-1,3-3;since=1')
    position.sent(2, 20)
    position.joined(1, 2)
    expect(position.claim()).toBe('1-3;since=1')
    expect(position.last).toBe(5)
    expect(position.has(4)).toBe(false)
  })

  it('reads back what others may have stored between its own copies', () => {
    const position = new CopyPosition()
    position.knowTo(10)
    position.sent(1, 11)
    position.sent(2, 12)
    expect(position.unknown(12)).toBeUndefined()
    position.sent(3, 15)
    expect(position.unknown(15)).toEqual({from: 13, to: 15})
    position.knowTo(15)
    expect(position.claim()).toBe(';since=11')
  })

  it('forgets sequences below the floor of a consumer', () => {
    const position = new CopyPosition()
    position.sent(4, 1)
    position.raiseFloor(10)
    position.raiseFloor(5)
    position.found(7, 2)
    expect(position.has(4)).toBe(false)
    expect(position.claim()).toBe(';since=1;floor=10')
  })
})
