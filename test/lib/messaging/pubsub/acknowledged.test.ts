import {describe, expect, test} from 'vitest'
import {BusError} from '../../../../src/lib/core/errors.ts'
import type {Outgoing} from '../../../../src/lib/core/message.ts'
import {steadyPace} from '../../../../src/lib/core/time/pace.ts'
import {AcknowledgedSink} from '../../../../src/lib/messaging/pubsub/acknowledged.ts'
import {publishAll} from '../../../../src/lib/messaging/pubsub/publish.ts'
import {repeated} from '../../../../src/lib/messaging/pubsub/sources.ts'
import type {PublisherOptions, StreamPublisher} from '../../../../src/lib/transport/streams-contract.ts'

/** A publisher whose stream acknowledges when the event loop turns, and refuses one message. */
class Slow implements StreamPublisher {
  readonly duplicates = 0
  readonly last = undefined
  readonly #window: number
  readonly #refused: number
  readonly #options: PublisherOptions
  #pushed = 0
  acknowledged = 0
  most = 0
  flushes = 0

  constructor(options: PublisherOptions, refused = -1) {
    this.#options = options
    this.#window = options.window ?? 1
    this.#refused = refused
  }

  push(_: Outgoing): Promise<void> | undefined {
    const index = this.#pushed++
    setImmediate(() => this.#settle(index))
    const waiting = this.#pushed - this.acknowledged
    this.most = Math.max(this.most, waiting)
    return waiting < this.#window ? undefined : this.#settled()
  }

  async flush(): Promise<void> {
    this.flushes++
    await this.#settled()
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #settle(index: number): void {
    if (index === this.#refused) {
      this.#options.onRefused?.(index, new BusError('remote', 'the stream is full', {data: {code: 10077}}))
      return
    }
    this.acknowledged++
    this.#options.onStored?.(index, {stream: 'S', seq: index + 1, duplicate: false})
  }

  #settled(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve))
  }
}

const through = (window: number, refused?: number) =>
  new AcknowledgedSink((options) => new Slow(options, refused), window)

const numbered = (count: number, line = (n: number) => n) => [
  Array.from({length: count}, (_, at) => ({subject: 'a', line: line(at + 1)})),
]

describe('publishing with acknowledgements', () => {
  test('has no more messages in flight than the window, and is not flushed before the end', async () => {
    const sink = through(10)
    const publisher = sink.publisher as Slow
    const source = repeated(() => ({subject: 'a'}), 10_000)
    expect(await publishAll(sink, source)).toMatchObject({published: 10_000, complete: true})
    expect(publisher.acknowledged).toBe(10_000)
    expect([publisher.most, publisher.flushes]).toEqual([10, 1])
  })

  test('of large payloads is bounded by their bytes', async () => {
    const sink = through(1000)
    const source = repeated(() => ({subject: 'a', data: 'x'.repeat(1024 * 1024)}), 64)
    await publishAll(sink, source)
    expect((sink.publisher as Slow).most).toBeLessThan(40)
  })

  test('names the line of a message that a stream refuses, blank lines counted', async () => {
    const publishing = publishAll(
      through(4, 6),
      numbered(100, (n) => 2 * n),
    )
    await expect(publishing).rejects.toMatchObject({
      kind: 'remote',
      message: 'line 14: the stream is full; stored: lines 2-12, 16',
      data: {
        index: 6,
        line: 14,
        acknowledged: 7,
        code: 10077,
        stored: [
          [2, 12],
          [16, 16],
        ],
        unknown: [],
      },
    })
  })

  test('names the index of a message that does not come from a line, and nothing if there was only one message', async () => {
    const many = publishAll(
      through(10, 2),
      repeated(() => ({subject: 'a'}), 3),
    )
    await expect(many).rejects.toThrow(/^message 3: the stream is full; stored: messages 1-2$/)
    const one = publishAll(
      through(10, 0),
      repeated(() => ({subject: 'a'}), 1),
    )
    await expect(one).rejects.toThrow(/^the stream is full$/)
  })

  test('reports a refusal while it waits for its pace', async () => {
    const publishing = publishAll(
      through(10, 0),
      repeated(() => ({subject: 'a'}), 2),
      {pace: steadyPace(1e9)},
    )
    await expect(publishing).rejects.toThrow('the stream is full')
  })
})
