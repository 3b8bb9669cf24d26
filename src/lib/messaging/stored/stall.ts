/** Why a durable consumer delivers nothing, although it may have messages: the same reasons for every reader that reports them. */
import {BusError} from '../../core/errors.ts'
import {formatCount} from '../../core/text/count.ts'
import {shellWord} from '../../core/text/shell-word.ts'
import {isoTime} from '../../core/time/timestamp.ts'
import type {ConsumerInfo, Consumers, Consuming} from '../../transport/streams-contract.ts'

export type Stall =
  | {readonly reason: 'paused'; readonly until: number}
  /** Only the pinned client of a priority group gets its messages. */
  | {readonly reason: 'pinned'; readonly group: string; readonly client: string}
  /** Nobody is subscribed to the subject of a push consumer. */
  | {readonly reason: 'no-interest'; readonly subject: string}
  | {readonly reason: 'max-ack-pending'; readonly unacknowledged: number}
  | {readonly reason: 'max-waiting'; readonly waiting: number}

/** Called with a reason that was not reported before, and the state of the consumer. */
export type OnStall = (stall: Stall, info: ConsumerInfo) => void

/** What a reader has of the consumer itself. */
export interface ReaderShare extends Pick<Consuming, 'pin' | 'isUnheard'> {
  /** The number of unacknowledged messages that it holds. */
  readonly held: number
}

/** The reasons that concern every reader, or with `own` those that concern this one. */
export function stallsOf(info: ConsumerInfo, own?: ReaderShare): readonly Stall[] {
  const {config, ackPending, pending, pausedUntil, pinned = [], bound, waiting = 0} = info
  const found: Stall[] = []
  if (pausedUntil !== undefined) found.push({reason: 'paused', until: pausedUntil})
  for (const {group, client} of own === undefined ? [] : pinned)
    if (client !== own?.pin) found.push({reason: 'pinned', group, client})
  if (config.push !== undefined && bound === false && pending + ackPending > 0)
    found.push({reason: 'no-interest', subject: config.push.subject})
  const isFull = config.ack !== 'none' && ackPending >= (config.maxAckPending ?? Number.POSITIVE_INFINITY)
  const isOurs = own !== undefined && (own.held >= ackPending || pending === 0)
  if (isFull && !isOurs) found.push({reason: 'max-ack-pending', unacknowledged: ackPending})
  const isCrowded = config.maxWaiting !== undefined && waiting >= config.maxWaiting
  if (isCrowded && (own === undefined || own.isUnheard)) found.push({reason: 'max-waiting', waiting})
  return found
}

type Moment = (timeMs: number) => string

/** `paused until 2026-11-20T10:24:31.482Z` */
export function stallText(stall: Stall, moment: Moment = isoTime): string {
  switch (stall.reason) {
    case 'paused':
      return `paused until ${moment(stall.until)}`
    case 'pinned':
      return `pinned to another client (${stall.client} in the priority group ${stall.group})`
    case 'no-interest':
      return `no client is subscribed to "${stall.subject}", to which its messages are sent`
    case 'max-ack-pending':
      return `max ack pending is reached: ${formatCount(stall.unacknowledged)} unacknowledged`
    case 'max-waiting':
      return `max waiting is reached: ${formatCount(stall.waiting)} pull requests`
  }
}

/** `consumer billing of ORDERS delivers nothing: paused until …` */
export function stallLine(stall: Stall, {stream, config}: ConsumerInfo, moment?: Moment): string {
  return `consumer ${config.name} of ${stream} delivers nothing: ${stallText(stall, moment)}`
}

/** Reports each reason. Fails with `timeout` instead if the consumer is paused until after `deadlineMs()`. */
export function stallReport(deadlineMs: () => number, say: (line: string) => void, moment?: Moment): OnStall {
  return (stall, info) => {
    if (stall.reason !== 'paused' || stall.until <= deadlineMs()) return say(stallLine(stall, info, moment))
    const {stream, config} = info
    throw new BusError('timeout', `consumer ${config.name} of stream ${stream} is ${stallText(stall, moment)}`, {
      data: {stream, consumer: config.name, pausedUntil: isoTime(stall.until)},
      try: [`bus consumer next ${shellWord(stream)} ${shellWord(config.name)} --peek`],
    })
  }
}

/** `pinned to the client D475U3cX in the priority group A` */
export function pinnedTexts({pinned = []}: ConsumerInfo): readonly string[] {
  return pinned.map(({group, client}) => `pinned to the client ${client} in the priority group ${group}`)
}

/** How soon the reader looks again while an answer is awaited. */
const soonMs = 100
/** How long a consumer may deliver nothing before it is asked, and the longest interval after that. */
const firstMs = 500
const longestMs = 4000

/** Asks a silent consumer why it delivers nothing, and reports each reason once. */
export class StallWatch {
  readonly #consumers: Pick<Consumers, 'info'>
  readonly #stream: string
  readonly #consumer: string
  readonly #onStall: OnStall | undefined
  /** The consumer before the reader joined, until it has been reported. */
  #before: ConsumerInfo | undefined
  readonly #reported = new Set<string>()
  #intervalMs = firstMs
  #nextAt = performance.now() + firstMs
  #isAsking = false
  #failure: unknown

  /** `onStall` may throw: `waited` then fails with its error. */
  constructor(consumers: Pick<Consumers, 'info'>, before: ConsumerInfo, onStall: OnStall | undefined) {
    this.#consumers = consumers
    this.#before = before
    this.#stream = before.stream
    this.#consumer = before.config.name
    this.#onStall = onStall
  }

  /** To be called before each wait. Before the first one it reports what is known already. */
  waits(): void {
    const before = this.#before
    this.#before = undefined
    // The reader itself may be the only one to subscribe.
    if (before !== undefined) this.#report({...before, bound: undefined}, {held: 0})
  }

  /** How long the next wait may take. */
  get dueMs(): number {
    return this.#isAsking ? soonMs : Math.max(soonMs, this.#nextAt - performance.now())
  }

  /** To be called after each wait for deliveries. It does not wait for the answer of the consumer. */
  waited(deliveries: number, {pin, isUnheard}: Consuming, held: number): void {
    if (this.#failure !== undefined) throw this.#failure
    const now = performance.now()
    if (deliveries > 0) {
      this.#intervalMs = firstMs
      this.#nextAt = now + firstMs
    }
    if (now < this.#nextAt || this.#isAsking) return
    this.#isAsking = true
    this.#consumers
      .info(this.#stream, this.#consumer)
      .then(
        (info) => this.#report(info, {held, pin, isUnheard}),
        // The reader itself reports what is wrong with the bus.
        () => {},
      )
      .catch((error: unknown) => {
        this.#failure = error
      })
      .finally(() => {
        this.#isAsking = false
        this.#nextAt = performance.now() + this.#intervalMs
        this.#intervalMs = Math.min(longestMs, this.#intervalMs * 2)
      })
  }

  #report(info: ConsumerInfo, own: ReaderShare): void {
    for (const stall of stallsOf(info, own)) {
      const {reason} = stall
      const id = reason === 'paused' ? stall.until : reason === 'pinned' ? stall.client : ''
      const key = `${reason} ${id}`
      if (this.#reported.has(key)) continue
      this.#reported.add(key)
      this.#onStall?.(stall, info)
    }
  }
}
