import {describe, expect, test} from 'vitest'
import {BusError} from '../../../../src/lib/core/errors.ts'
import type {Outgoing} from '../../../../src/lib/core/message.ts'
import {steadyPace} from '../../../../src/lib/core/time/pace.ts'
import {acknowledged} from '../../../../src/lib/messaging/pubsub/acknowledged.ts'
import {publishAll} from '../../../../src/lib/messaging/pubsub/publish.ts'
import {repeated} from '../../../../src/lib/messaging/pubsub/sources.ts'
import type {StreamPublisher} from '../../../../src/lib/transport/streams-contract.ts'

/** A publisher whose stream acknowledges when the event loop turns, and refuses one message. */
class Slow implements StreamPublisher {
  readonly duplicates = 0
  readonly last = undefined
  readonly #window: number
  readonly #refused: number
  #pushed = 0
  #failure: BusError | undefined
  acknowledged = 0
  most = 0
  flushes = 0

  constructor(window: number, refused = -1) {
    this.#window = window
    this.#refused = refused
  }

  push(_: Outgoing): Promise<void> | undefined {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    const index = this.#pushed++
    setImmediate(() => this.#settle(index))
    const waiting = this.#pushed - this.acknowledged
    this.most = Math.max(this.most, waiting)
    return waiting < this.#window ? undefined : this.#settled()
  }

  async flush(): Promise<void> {
    this.flushes++
    await this.#settled()
    if (this.#failure !== undefined) throw this.#failure
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #settle(index: number): void {
    if (index !== this.#refused) this.acknowledged++
    else this.#failure = new BusError('remote', 'the stream is full', {data: {index, code: 10077}})
  }

  #settled(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve))
  }
}

const numbered = (count: number, line = (n: number) => n) => [
  Array.from({length: count}, (_, at) => ({subject: 'a', line: line(at + 1)})),
]

describe('publishing with acknowledgements', () => {
  test('keeps no more under way than the window, and is not flushed before the end', async () => {
    const publisher = new Slow(10)
    const source = repeated(() => ({subject: 'a'}), 10_000)
    expect(await publishAll(acknowledged(publisher, 10), source)).toMatchObject({published: 10_000, complete: true})
    expect(publisher.acknowledged).toBe(10_000)
    expect([publisher.most, publisher.flushes]).toEqual([10, 1])
  })

  test('of large payloads is bounded by their bytes', async () => {
    const publisher = new Slow(1000)
    const source = repeated(() => ({subject: 'a', data: 'x'.repeat(1024 * 1024)}), 64)
    await publishAll(acknowledged(publisher, 1000), source)
    expect(publisher.most).toBeLessThan(40)
  })

  test('names the line of a message that a stream refuses, blank lines counted', async () => {
    const publishing = publishAll(
      acknowledged(new Slow(4, 6), 4),
      numbered(100, (n) => 2 * n),
    )
    await expect(publishing).rejects.toMatchObject({
      kind: 'remote',
      message: 'line 14: the stream is full; 7 messages were acknowledged',
      data: {index: 6, line: 14, acknowledged: 7, code: 10077},
    })
  })

  test('names the message when it came from no line, and nothing when there was only one', async () => {
    const many = publishAll(
      acknowledged(new Slow(10, 2), 10),
      repeated(() => ({subject: 'a'}), 3),
    )
    await expect(many).rejects.toThrow(/^message 3: the stream is full; 2 messages were acknowledged$/)
    const one = publishAll(
      acknowledged(new Slow(10, 0), 10),
      repeated(() => ({subject: 'a'}), 1),
    )
    await expect(one).rejects.toThrow(/^the stream is full$/)
  })

  test('hears of a refusal while it waits for its pace', async () => {
    const publishing = publishAll(
      acknowledged(new Slow(10, 0), 10),
      repeated(() => ({subject: 'a'}), 2),
      {pace: steadyPace(1e9)},
    )
    await expect(publishing).rejects.toThrow('the stream is full')
  })
})
