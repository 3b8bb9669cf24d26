import {describe, expect, test} from 'vitest'
import {Message} from '../../../../src/lib/core/message.ts'
import {recordedPace} from '../../../../src/lib/core/time/pace.ts'
import {type Policy, type ReplayOptions, replay} from '../../../../src/lib/messaging/replay/replay.ts'
import type {ReplaySource} from '../../../../src/lib/messaging/replay/source.ts'
import type {Refusal, Sink} from '../../../../src/lib/messaging/sinks/sink.ts'

function messages(count: number): Message[] {
  return Array.from({length: count}, (_, i) => new Message('a', String(i + 1), [], undefined, i + 1, 1000 + i * 20))
}

/** A source that records the outcome of each message. */
class Remembering implements ReplaySource {
  readonly total: number
  readonly redelivered = 0
  readonly exhausted = 0
  readonly fates = new Map<number, string>()
  readonly #left: Message[]

  constructor(count: number) {
    this.#left = messages(count)
    this.total = count
  }

  async take(max: number): Promise<readonly Message[]> {
    return this.#left.splice(0, max)
  }

  end(): void {
    this.#left.length = 0
  }

  done(batch: readonly Message[]): void {
    for (const {seq = 0} of batch) this.fates.set(seq, 'done')
  }

  term({seq = 0}: Message): void {
    this.fates.set(seq, 'term')
  }

  leave({seq = 0}: Message): void {
    this.fates.set(seq, 'left')
  }

  drain(): boolean {
    this.end()
    return false
  }

  finish(): Promise<void> {
    return this.flush()
  }

  async flush(): Promise<void> {}
  async [Symbol.asyncDispose](): Promise<void> {}
}

/** A sink that refuses a message as often as `refusals` says. */
function refusing(
  refusals: Record<number, number>,
  refusal: Refusal = {reason: 'no'},
): Sink & {readonly seen: number[]} {
  const left = new Map(Object.entries(refusals).map(([seq, times]) => [Number(seq), times]))
  const seen: number[] = []
  return {
    seen,
    batch: 1,
    depth: 1,
    async take([message]) {
      const seq = message?.seq ?? 0
      seen.push(seq)
      const times = left.get(seq) ?? 0
      left.set(seq, times - 1)
      return times > 0 ? refusal : undefined
    },
    async [Symbol.asyncDispose]() {},
  }
}

function options(policy: Partial<Policy> = {}, rest: Partial<ReplayOptions> = {}): ReplayOptions {
  return {policy: {onError: 'retry', maxAttempts: 3, ...policy}, ...rest}
}

describe('a replay', () => {
  test('settles each message after the sink has taken it, in batches', async () => {
    const source = new Remembering(1000)
    const order: string[] = []
    const sink: Sink = {
      batch: 100,
      depth: 2,
      async take(batch) {
        order.push(`take ${batch[0]?.seq}`)
        expect(source.fates.has(batch[0]?.seq ?? 0)).toBe(false)
        return undefined
      },
      async [Symbol.asyncDispose]() {},
    }
    const done = await replay(source, sink, options())
    expect(done).toMatchObject({read: 1000, handled: 1000, failed: 0, skipped: 0, givenUp: 0, complete: true})
    expect(order).toEqual([1, 101, 201, 301, 401, 501, 601, 701, 801, 901].map((seq) => `take ${seq}`))
    expect([...source.fates.values()].every((fate) => fate === 'done')).toBe(true)
  })

  test('retries a refused message before the next one', async () => {
    const source = new Remembering(3)
    const sink = refusing({2: 2})
    const done = await replay(source, sink, options())
    expect(sink.seen).toEqual([1, 2, 2, 2, 3])
    expect(done).toMatchObject({handled: 3, failed: 1, unhandled: []})
  })

  test('stops before a message that stays refused, which it leaves, without a dead-letter file', async () => {
    const source = new Remembering(3)
    await expect(replay(source, refusing({2: 9}), options())).rejects.toMatchObject({kind: 'remote', data: {seq: 2}})
    expect([...source.fates]).toEqual([
      [1, 'done'],
      [2, 'left'],
    ])
  })

  test('gives up a message after it was written to a dead-letter file', async () => {
    const source = new Remembering(3)
    const put: unknown[] = []
    const done = await replay(
      source,
      refusing({2: 9}),
      options({}, {onGivenUp: ({seq}, reason) => void put.push([seq, reason, source.fates.get(seq ?? 0)])}),
    )
    expect(put).toEqual([[2, 'no', undefined]])
    expect(done).toMatchObject({read: 3, handled: 2, givenUp: 1, unhandled: [{seq: 2, reason: 'no', fate: 'given up'}]})
    expect(source.fates.get(2)).toBe('term')
  })

  test.each([
    ['skip', 'left', {skipped: 1}],
    ['term', 'term', {givenUp: 1}],
  ] as const)('with %s does not retry', async (onError, fate, counts) => {
    const source = new Remembering(3)
    const sink = refusing({2: 9})
    expect(await replay(source, sink, options({onError}))).toMatchObject({handled: 2, ...counts})
    expect(sink.seen).toEqual([1, 2, 3])
    expect(source.fates.get(2)).toBe(fate)
  })

  test('with stop ends at the first refusal', async () => {
    const source = new Remembering(3)
    await expect(replay(source, refusing({2: 1}), options({onError: 'stop'}))).rejects.toMatchObject({kind: 'remote'})
    expect(source.fates.get(2)).toBe('left')
  })

  test('lets the verdict of a sink override the policy', async () => {
    const source = new Remembering(3)
    const sink = refusing({1: 1, 3: 1}, {reason: 'by hand', verdict: 'leave'})
    expect(await replay(source, sink, options())).toMatchObject({handled: 1, skipped: 2})
  })

  test('leaves the messages in progress of a failing sink unsettled', async () => {
    const source = new Remembering(10)
    const sink: Sink = {
      batch: 2,
      depth: 1,
      async take([message]) {
        if (message?.seq === 5) throw new Error('broken')
        return undefined
      },
      async [Symbol.asyncDispose]() {},
    }
    await expect(replay(source, sink, options())).rejects.toThrow('broken')
    expect([...source.fates.keys()]).toEqual([1, 2, 3, 4])
  })

  test('keeps the recorded gaps, scaled, and stops between two messages', async () => {
    const source = new Remembering(1000)
    const sink = refusing({})
    const stop = new AbortController()
    setTimeout(() => stop.abort(), 150)
    const began = performance.now()
    const done = await replay(source, sink, options({}, {pace: recordedPace(2), stop: stop.signal}))
    expect(done.complete).toBe(false)
    expect(done.handled).toBeGreaterThan(1)
    // One every 10 ms; the first at once.
    expect(done.handled).toBeLessThanOrEqual(1 + (performance.now() - began) / 10)
    expect(source.fates.size).toBe(done.handled + 1)
    expect([...source.fates.values()].at(-1)).toBe('left')
  })

  test('settles excluded messages, and counts them separately', async () => {
    const source = new Remembering(4)
    const sink = refusing({})
    const keep: ReplayOptions['keep'] = (batch) => batch.filter(({seq = 0}) => seq % 2 === 0)
    expect(await replay(source, sink, options({}, {keep}))).toMatchObject({read: 4, handled: 2, unmatched: 2})
    expect(sink.seen).toEqual([2, 4])
    expect(source.fates.size).toBe(4)
  })
})
