/** A member of a durable consumer: what pulling and being pushed to have in common. */
import {setTimeout as sleep} from 'node:timers/promises'
import {BusError} from '../../../core/errors.ts'
import type {ConsumeOptions, Consuming, Delivery} from '../../streams-contract.ts'
import type {Sink} from '../protocol.ts'
import {Acks} from './acks.ts'
import {ask, isPassing} from './api.ts'
import {deliveryReader, NatsDelivery} from './delivery.ts'
import type {ConsumerConfigJson, ConsumerJson} from './json.ts'
import {isSince, type Line} from './session.ts'

interface Waiting {
  readonly max: number
  readonly timer: NodeJS.Timeout | undefined
  resolve(taken: readonly Delivery[]): void
  reject(error: unknown): void
}

/** Between two looks at a consumer that has trouble. */
const lookMs = 100
/** A consumer that is made anew is away for a moment. */
const awayMs = 500

export abstract class Member implements Consuming {
  protected readonly line: Line
  protected readonly stream: string
  protected readonly consumer: string
  protected readonly config: ConsumerConfigJson
  readonly #most: number
  readonly #signal: AbortSignal | undefined
  readonly #acks: Acks
  readonly #leave: () => void
  readonly #read: ReturnType<typeof deliveryReader>
  #held: NatsDelivery[] = []
  #first = 0
  #taken = 0
  #waiting: Waiting | undefined
  #failure: unknown
  #isWaking = false
  #isLooking = false
  #closing: Promise<void> | undefined

  constructor(line: Line, info: ConsumerJson, {max = Number.POSITIVE_INFINITY, signal}: ConsumeOptions) {
    this.line = line
    this.stream = info.stream_name
    this.consumer = info.name
    this.config = info.config
    this.#most = max
    this.#signal = signal
    this.#read = deliveryReader(this, info.stream_name, info.name)
    this.#acks = new Acks(line)
    this.#leave = line.attend({
      lost: () => this.lost(),
      returned: () => this.#returned(),
      ended: (failure) => this.fail(failure),
      refused: (subject, failure) => this.#refused(subject, failure),
      close: () => this.close(),
    })
    signal?.addEventListener('abort', this.#abort)
  }

  /** There is room for more, or a taker. */
  protected abstract refill(): void
  /** Whatever was asked for will not come. */
  protected abstract lost(): void
  /** Takes nothing more; resolves when all that was on its way has come. */
  protected abstract stop(): Promise<void>
  /** Does this member publish there? */
  protected abstract isOwn(subject: string): boolean

  get ended(): boolean {
    return this.#closing !== undefined || this.#taken >= this.#most
  }

  /** How many may still be taken. */
  protected get left(): number {
    return this.#most - this.#taken
  }

  protected get held(): number {
    return this.#held.length - this.#first
  }

  /** How many somebody waits for. */
  protected get wanted(): number {
    return this.#waiting?.max ?? 0
  }

  protected get isActive(): boolean {
    return !this.ended && this.#failure === undefined && !this.#isLooking
  }

  take(max: number, waitMs?: number): Promise<readonly Delivery[]> {
    if (this.#waiting !== undefined) return Promise.reject(new Error('a consumer is taken from one at a time'))
    if (this.ended) return Promise.resolve([])
    if (this.held > 0) {
      const taken = this.#takeNow(max)
      this.refill()
      return Promise.resolve(taken)
    }
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      const timer = waitMs === undefined || waitMs > longestTimerMs ? undefined : setTimeout(() => this.#wake(), waitMs)
      this.#waiting = {max, timer, resolve, reject}
      this.refill()
    })
  }

  ack(delivery: Delivery): void {
    if (this.config.ack_policy !== 'none') this.#acks.settle(ackSubject(delivery), '')
  }

  nak(delivery: Delivery, delayMs?: number): void {
    if (this.config.ack_policy === 'none') return
    const word = delayMs === undefined ? '-NAK' : `-NAK {"delay": ${Math.round(delayMs * 1e6)}}`
    this.#acks.say(ackSubject(delivery), word)
  }

  term(delivery: Delivery, reason?: string): void {
    if (this.config.ack_policy === 'none') return
    const word = reason !== undefined && isSince(this.line, 2, 10, 4) ? `+TERM ${reason}` : '+TERM'
    this.#acks.settle(ackSubject(delivery), word)
  }

  working(delivery: Delivery): void {
    if (this.config.ack_policy !== 'none') this.#acks.say(ackSubject(delivery), '+WPI')
  }

  flush(): Promise<void> {
    return this.#acks.flush()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  protected readonly receive: Sink = (arg, data) => {
    const delivery = this.#read(arg, data)
    if (delivery === undefined) return
    this.#held.push(delivery)
    if (this.#waiting === undefined || this.#isWaking) return
    this.#isWaking = true
    queueMicrotask(this.#wakeReader)
  }

  protected fail(error: unknown): void {
    if (this.#failure !== undefined || this.#closing !== undefined) return
    this.#failure = error
    if (this.#waiting === undefined || this.held > 0) return
    const {reject, timer} = this.#waiting
    clearTimeout(timer)
    this.#waiting = undefined
    reject(error)
  }

  /** Something is wrong: is the consumer still there? Then it goes on. */
  protected async look(): Promise<void> {
    if (this.#isLooking || this.#closing !== undefined) return
    this.#isLooking = true
    const since = performance.now()
    while (this.#closing === undefined && this.#failure === undefined) {
      await sleep(lookMs)
      try {
        await this.line.ready()
        await this.#info()
        break
      } catch (error) {
        const forMs = performance.now() - since
        const isAway = error instanceof BusError && error.kind === 'notFound' && forMs < awayMs
        if (!isAway && !isPassing(error, forMs)) this.fail(error)
      }
    }
    this.#isLooking = false
    if (this.isActive) this.refill()
  }

  #info(): Promise<ConsumerJson> {
    const {stream, consumer} = this
    return ask(this.line, `CONSUMER.INFO.${stream}.${consumer}`, undefined, {stream, consumer})
  }

  readonly #abort = (): void => void this.close()

  readonly #wakeReader = (): void => {
    this.#isWaking = false
    if (this.held > 0) this.#wake()
  }

  /** Gives what there is to who waits. */
  #wake(): void {
    const waiting = this.#waiting
    if (waiting === undefined) return
    clearTimeout(waiting.timer)
    this.#waiting = undefined
    waiting.resolve(this.#takeNow(waiting.max))
    this.refill()
  }

  #takeNow(max: number): readonly Delivery[] {
    const count = Math.min(max, this.left, this.held)
    const taken = this.#held.slice(this.#first, this.#first + count)
    this.#first += count
    this.#taken += count
    if (this.#first * 2 >= this.#held.length) {
      this.#held = this.#held.slice(this.#first)
      this.#first = 0
    }
    return taken
  }

  #returned(): void {
    this.#acks.returned()
    this.lost()
    if (this.isActive) this.refill()
  }

  #refused(subject: string, failure: unknown): boolean {
    const isMine = this.isOwn(subject) || subject.startsWith(`$JS.ACK.${this.stream}.${this.consumer}.`)
    if (isMine) this.fail(failure)
    return isMine
  }

  async #close(): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#abort)
    queueMicrotask(() => this.#wake())
    await this.stop()
    const rest = this.#held.slice(this.#first)
    this.#held = []
    this.#first = 0
    for (const delivery of rest) this.nak(delivery)
    if (rest.length > 0 && this.config.ack_policy === 'none') this.#notGivenBack(rest.length)
    const unsaid = await this.#acks.close()
    this.#leave()
    if (unsaid > 0) this.#tellUnsaid(unsaid)
  }

  #notGivenBack(count: number): void {
    const what = `the consumer ${this.consumer} of ${this.stream} takes no acknowledgements`
    this.line.notify('gap', `${what}: ${count} messages were delivered and not taken, and will not come again`)
  }

  #tellUnsaid(count: number): void {
    const what = count === 1 ? 'an acknowledgement' : `${count} acknowledgements`
    this.line.notify('error', `${what} to ${this.line.url} may not have arrived: the messages may come again`)
  }
}

const longestTimerMs = 2 ** 31 - 1

function ackSubject(delivery: Delivery): Uint8Array {
  if (delivery instanceof NatsDelivery) return delivery.ackSubject
  throw new Error('the delivery comes from another bus')
}
