import {describe, expect, test} from 'vitest'
import {BusError} from '../../../../src/lib/core/errors.ts'
import type {Outgoing} from '../../../../src/lib/core/message.ts'
import {steadyPace} from '../../../../src/lib/core/time/pace.ts'
import {publishAll} from '../../../../src/lib/messaging/pubsub/publish.ts'
import {type MessageSource, repeated} from '../../../../src/lib/messaging/pubsub/sources.ts'
import type {Transport} from '../../../../src/lib/transport/contract.ts'
import {openMemory} from '../../../../src/lib/transport/memory/driver.ts'

/** A bus that counts flushes and delays them by a turn of the event loop, like a real one. */
function countingBus(
  failAt = Number.POSITIVE_INFINITY,
): Transport & {published: Outgoing[]; flushes: number; waiting: number} {
  const bus = {
    ...openMemory(`memory:${crypto.randomUUID()}`),
    published: [] as Outgoing[],
    flushes: 0,
    waiting: 0,
    publish: (message: Outgoing) => void bus.published.push(message),
    async flush() {
      const fails = ++bus.flushes === failAt
      bus.waiting++
      await new Promise((resolve) => setImmediate(resolve))
      bus.waiting--
      if (fails) throw new BusError('denied', 'the disk is full')
    },
  }
  return bus
}

async function* failing(
  messages: readonly Outgoing[],
  error: unknown,
): MessageSource & AsyncGenerator<readonly Outgoing[]> {
  yield messages
  throw error
}

describe('publishing', () => {
  test('publishes all messages, counts payload bytes, and is flushed when it resolves', async () => {
    await using bus = openMemory('memory:publish-all')
    const subscription = await bus.subscribe('a.*')
    const source = [[{subject: 'a.1', data: 'é'}], [{subject: 'a.2', data: Uint8Array.of(0xff)}, {subject: 'a.3'}]]
    const {ms, ...done} = await publishAll(bus, source)
    expect(done).toEqual({published: 3, bytes: 3, complete: true})
    expect(ms).toBeGreaterThanOrEqual(0)
    expect((await subscription.take(10)).map(({subject}) => subject)).toEqual(['a.1', 'a.2', 'a.3'])
  })

  test('of very many messages bounds those in flight and reports progress', async () => {
    const bus = countingBus()
    const seen: number[] = []
    let mostWaiting = 0
    const source = repeated(() => ({subject: 'a'}), 20_000)
    const onProgress = ({published}: {published: number}) => {
      seen.push(published)
      mostWaiting = Math.max(mostWaiting, bus.waiting)
    }
    await publishAll(bus, source, {onProgress})
    expect(bus.published).toHaveLength(20_000)
    expect(seen).toEqual([4096, 8192, 12_288, 16_384])
    expect(bus.flushes).toBe(5)
    expect(mostWaiting).toBeLessThanOrEqual(1)
  })

  test('of large payloads is bounded by their bytes', async () => {
    const bus = countingBus()
    await publishAll(
      bus,
      repeated(() => ({subject: 'a', data: 'x'.repeat(600_000)}), 10),
    )
    expect(bus.flushes).toBe(6)
  })

  test('keeps the pace', async () => {
    const bus = countingBus()
    const {ms} = await publishAll(
      bus,
      repeated(() => ({subject: 'a'}), 4),
      {pace: steadyPace(10)},
    )
    expect(ms).toBeGreaterThanOrEqual(30)
    expect(bus.published).toHaveLength(4)
  })

  test('ends between two messages when its signal aborts, with earlier messages flushed', async () => {
    const bus = countingBus()
    const stop = new AbortController()
    const make = () => {
      if (bus.published.length === 2) stop.abort()
      return {subject: 'a'}
    }
    const done = await publishAll(bus, repeated(make, Number.POSITIVE_INFINITY), {signal: stop.signal})
    expect(done).toMatchObject({published: 2, complete: false})
    expect(bus.waiting).toBe(0)
  })

  test('ends immediately when its signal aborts while it waits for its pace', async () => {
    const stop = new AbortController()
    const options = {pace: steadyPace(1e9), signal: stop.signal, onProgress: () => stop.abort()}
    expect(
      await publishAll(
        countingBus(),
        repeated(() => ({subject: 'a'}), 2),
        options,
      ),
    ).toMatchObject({published: 1})
  })

  test('keeps messages published before the source fails, and reports their number', async () => {
    const bus = countingBus()
    const source = failing(
      [{subject: 'a'}, {subject: 'b'}],
      new BusError('usage', 'line 3 is not JSON', {data: {line: 3}}),
    )
    await expect(publishAll(bus, source)).rejects.toMatchObject({
      kind: 'usage',
      message: 'line 3 is not JSON; the 2 messages before it were published',
      data: {line: 3, published: 2},
    })
    expect(bus.published).toHaveLength(2)
    expect(bus.flushes).toBe(1)
  })

  test('reports no earlier messages if there were none', async () => {
    const source = failing([], new BusError('usage', 'line 1 is not JSON'))
    await expect(publishAll(countingBus(), source)).rejects.toThrow(/^line 1 is not JSON$/)
  })

  test('names the line of a message that the bus refuses', async () => {
    await using bus = openMemory('memory:publish-refused')
    const source = [
      [
        {subject: 'a', line: 1},
        {subject: 'a..b', line: 2},
      ],
    ]
    await expect(publishAll(bus, source)).rejects.toThrow(
      'line 2: subject "a..b" has an empty token at position 3; the message before it was published',
    )
  })

  test('fails as the bus does, at any flush', async () => {
    for (const failAt of [1, 2, 3]) {
      const source = repeated(() => ({subject: 'a'}), 10_000)
      await expect(publishAll(countingBus(failAt), source)).rejects.toThrow(/^the disk is full$/)
    }
  })

  test('passes on a bug unchanged', async () => {
    const bug = new TypeError('x is undefined')
    await expect(publishAll(countingBus(), failing([{subject: 'a'}], bug))).rejects.toBe(bug)
  })
})
