/**
 * Messages that a consumer no longer delivers although nobody acknowledged them: from the list of the bus, or on a server, which
 * has none, from the advisories that a stream keeps. A message that was handled later leaves the list, or its advisories are
 * deleted from that stream. The list is read a page at a time.
 */
import {BusError} from '../../core/errors.ts'
import {shellWord} from '../../core/text/shell-word.ts'
import type {Subscription, Transport} from '../../transport/contract.ts'
import {failureSubjects, readFailure} from '../../transport/shared/advisories.ts'
import {
  type ConsumerInfo,
  type FailedMessage,
  type StreamInfo,
  unlessMissing,
} from '../../transport/streams-contract.ts'

/** The stream of advisories that `recordFailures` creates. */
const failedStream = 'BUS_FAILED'
/** How many advisories of each consumer and kind it keeps. */
const mostRecorded = 100_000
/** Messages to read at the same time. */
const pageSize = 64

export interface FailedList extends AsyncDisposable {
  /** The stream with the advisories; undefined if the bus itself has the list. */
  readonly recorder: StreamInfo | undefined
  /** Up to 64 more; none at the end. */
  next(): Promise<readonly FailedMessage[]>
  /** Takes a message that was handled off the list. Fails with `denied` if the advisories are in a stream of somebody else. */
  forget(seqs: readonly number[]): Promise<void>
}

/** Creates the stream of the advisories, unless there is one. Returns undefined if the bus has lists of its own. */
export async function recordFailures(bus: Transport): Promise<StreamInfo | undefined> {
  if (bus.features.failures) return undefined
  const keeper = await keeperOf(bus, failureSubjects())
  if (keeper !== undefined) return await bus.streams.info(keeper)
  return await bus.streams.add({
    name: failedStream,
    subjects: failureSubjects(),
    description: 'messages that consumers failed to handle, for bus consumer failed',
    maxMsgsPerSubject: mostRecorded,
  })
}

/** The failed messages of a consumer. Fails with `notFound` if nothing on the bus has recorded them. */
export async function failedList(bus: Transport, {stream, config: {name}}: ConsumerInfo): Promise<FailedList> {
  if (!bus.features.failures) return recordedList(bus, stream, name)
  const {consumers} = bus.streams
  let after = 0
  return {
    recorder: undefined,
    async next() {
      const page = await consumers.failures(stream, name, after)
      after = page.at(-1)?.seq ?? after
      return page
    },
    forget: (seqs) => consumers.forget(stream, name, seqs),
    async [Symbol.asyncDispose]() {},
  }
}

async function recordedList(bus: Transport, stream: string, consumer: string): Promise<FailedList> {
  const subjects = failureSubjects(stream, consumer)
  const keeper = await keeperOf(bus, subjects)
  if (keeper === undefined)
    throw new BusError(
      'notFound',
      `cannot tell what failed before: no stream of ${bus.url} records the failed messages of consumers`,
      {try: ['bus consumer failed --record']},
    )
  const [recorder, {created}] = await Promise.all([bus.streams.info(keeper), bus.streams.info(stream)])
  const reading = await bus.streams.read(keeper, {filters: subjects})
  return new RecordedList(bus, {recorder, stream, created}, reading)
}

/** The stream that stores all of these subjects. */
async function keeperOf(bus: Transport, subjects: readonly string[]): Promise<string | undefined> {
  const [names = [], ...others] = await Promise.all(subjects.map((subject) => bus.streams.keeping(subject)))
  const all = names.filter((name) => others.every((each) => each.includes(name)))
  return all.find((name) => name === failedStream) ?? all[0]
}

/** A failed message, and the sequences of its advisories. */
interface Recorded {
  readonly advisories: number[]
  isHandled: boolean
}

class RecordedList implements FailedList {
  readonly recorder: StreamInfo
  readonly #bus: Transport
  readonly #stream: string
  /** Advisories before the stream was created belong to an earlier one with its name. */
  readonly #created: number
  readonly #reading: Subscription
  /** The last messages, because the new leader of a consumer may publish an advisory again. */
  readonly #seen = new Map<number, Recorded>()

  constructor(
    bus: Transport,
    {recorder, stream, created}: {recorder: StreamInfo; stream: string; created: number},
    reading: Subscription,
  ) {
    this.#bus = bus
    this.recorder = recorder
    this.#stream = stream
    this.#created = created
    this.#reading = reading
  }

  async next(): Promise<readonly FailedMessage[]> {
    for (;;) {
      const advisories = await this.#reading.take(pageSize)
      if (advisories.length === 0) return []
      const again: number[] = []
      const fresh = advisories.flatMap((advisory) => {
        const failure = advisory.time < this.#created ? undefined : readFailure(advisory)
        return failure !== undefined && this.#isFirst(failure.seq, advisory.seq ?? 0, again) ? [failure] : []
      })
      await this.#erase(again)
      if (fresh.length === 0) continue
      return await Promise.all(
        fresh.map(async ({seq, deliveries, reason}) => {
          const message = await this.#bus.streams.get(this.#stream, seq).catch(unlessMissing)
          return {seq, deliveries, reason, message, isThere: message !== undefined}
        }),
      )
    }
  }

  async forget(seqs: readonly number[]): Promise<void> {
    const found = seqs.flatMap((seq) => this.#seen.get(seq) ?? [])
    for (const each of found) each.isHandled = true
    await this.#erase(found.flatMap(({advisories}) => advisories.splice(0)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reading.close()
  }

  /** Adds to `again` the advisory of a message that was handled in the meantime. */
  #isFirst(seq: number, advisory: number, again: number[]): boolean {
    const known = this.#seen.get(seq)
    if (known !== undefined) (known.isHandled ? again : known.advisories).push(advisory)
    else this.#seen.set(seq, {advisories: [advisory], isHandled: false})
    const oldest = this.#seen.size > 2 * mostRecorded ? this.#seen.keys().next().value : undefined
    if (oldest !== undefined) this.#seen.delete(oldest)
    return known === undefined
  }

  async #erase(advisories: readonly number[]): Promise<void> {
    const {name} = this.recorder.config
    for (let at = 0; at < advisories.length; at += pageSize)
      await Promise.all(
        advisories.slice(at, at + pageSize).map((seq) => this.#bus.streams.erase(name, seq).catch(unlessMissing)),
      )
  }
}

/** Refuses to delete advisories from a stream that somebody else created. */
export function checkForgettable({recorder}: FailedList): void {
  const name = recorder?.config.name
  if (name === undefined || name === failedStream) return
  throw new BusError(
    'denied',
    `the stream ${name}, which keeps the advisories, is not of busline: it would lose those of messages that were handled`,
    {try: ['--dead FILE without --retry', `bus stream info ${shellWord(name)}`]},
  )
}
