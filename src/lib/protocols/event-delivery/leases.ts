/**
 * Decides which of several gateways on a bus delivers a subscription. The bucket contains the holder's name; a gateway that
 * wants the lease sends the holder a request, which the bus fails immediately if the holder is dead. So nothing is written
 * while the holder is alive, and another gateway takes over within half a second.
 */
import {isFailure} from '../../core/errors.ts'
import {isSystemSubject} from '../../core/subject.ts'
import {sleep} from '../../core/time/timer.ts'
import type {Bucket} from '../../messaging/kv/bucket.ts'
import type {Subscription, Transport} from '../../transport/contract.ts'
import type {SubscriptionRef} from './event.ts'

/** The interval between two checks of the holder. */
const lookMs = 400
/** A holder that does not respond for this long is stopped or cut off. */
const patienceMs = 3000

/** What the leases use of their bucket. */
export type LeaseBucket = Pick<Bucket, 'get' | 'update' | 'remove'>

export class Leases implements AsyncDisposable {
  readonly #bus: Transport
  readonly #bucket: LeaseBucket
  readonly #self: string
  readonly #warn: (line: string) => void
  readonly #stop = new AbortController()
  readonly #held = new Set<string>()
  /** One request per check, however many subscriptions a gateway holds. */
  readonly #asked = new Map<string, Promise<boolean>>()

  private constructor(bus: Transport, bucket: LeaseBucket, self: string, warn: (line: string) => void) {
    this.#bus = bus
    this.#bucket = bucket
    this.#self = self
    this.#warn = warn
  }

  /** `warn` is called when it could not answer other gateways, which then take over its leases. */
  static async open(
    bus: Transport,
    bucket: LeaseBucket,
    {self, warn}: {readonly self: string; readonly warn: (line: string) => void},
  ): Promise<Leases> {
    const leases = new Leases(bus, bucket, self, warn)
    const questions = await leases.#questions()
    // It handles its own errors, and ends with the signal.
    void leases.#answer(questions, warn)
    return leases
  }

  #questions(): Promise<Subscription> {
    return this.#bus.subscribe(aliveSubject(this.#self), {signal: this.#stop.signal})
  }

  /** A gateway that does not answer counts as dead, so the subscription is renewed whenever it fails or ends early. */
  async #answer(first: Subscription, warn: (line: string) => void): Promise<void> {
    let questions: Subscription | undefined = first
    while (!this.#stop.signal.aborted) {
      try {
        questions ??= await this.#questions()
        for await (const {reply} of questions)
          if (reply !== undefined && !isSystemSubject(reply)) this.#sayAlive(reply, warn)
        if (!this.#stop.signal.aborted)
          warn('the subscription to requests from other gateways has ended; subscribing again')
      } catch (error) {
        if (this.#stop.signal.aborted) return
        warn(`requests from other gateways: ${(error as Error).message}`)
      }
      questions = undefined
      await sleep(lookMs, this.#stop.signal)
    }
  }

  #sayAlive(reply: string, warn: (line: string) => void): void {
    try {
      this.#bus.publish({subject: reply, data: 'alive'})
    } catch (error) {
      warn(`a request from another gateway could not be answered: ${(error as Error).message}`)
    }
  }

  /**
   * Resolves with true when this gateway may deliver the subscription, with false if the signal aborted first. A lease that
   * does not name a gateway is reported and taken over.
   */
  async acquire(subscription: SubscriptionRef, signal: AbortSignal, onWaiting: () => void): Promise<boolean> {
    const key = keyOf(subscription)
    for (let looks = 0; !signal.aborted; looks++) {
      const entry = await this.#bucket.get(key)
      const holder = entry?.value
      if (holder !== undefined && !isGateway(holder))
        this.#warn(`subscription ${subscription.name}: its lease ${key} does not name a gateway, and is taken over`)
      const mayTake =
        holder === undefined || holder === this.#self || !isGateway(holder) || !(await this.#isAlive(holder))
      if (mayTake && (await this.#bucket.update(key, this.#self, entry?.revision ?? 0)) !== undefined) {
        this.#held.add(key)
        return true
      }
      if (looks === 0 && !mayTake) onWaiting()
      if (!mayTake) await sleep(lookMs, signal)
    }
    return false
  }

  /**
   * Lets another gateway take the subscription immediately. If that fails, it is tried again until the gateway ends, because no
   * other gateway takes a lease while this one answers.
   */
  async release(subscription: SubscriptionRef): Promise<void> {
    const key = keyOf(subscription)
    if (!this.#held.delete(key)) return
    try {
      await this.#remove(key)
    } catch (error) {
      this.#warn(`subscription ${subscription.name}: its lease could not be released: ${(error as Error).message}`)
      void this.#removeLater(key)
    }
  }

  async #remove(key: string): Promise<void> {
    const entry = await this.#bucket.get(key)
    if (entry?.value === this.#self && !this.#held.has(key)) await this.#bucket.remove(key)
  }

  /** Does not fail. */
  async #removeLater(key: string): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await sleep(lookMs, this.#stop.signal)
      try {
        return await this.#remove(key)
      } catch {
        // Reported the first time.
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
  }

  #isAlive(gateway: string): Promise<boolean> {
    const asked = this.#asked.get(gateway)
    if (asked !== undefined) return asked
    const answer = this.#ask(gateway)
    this.#asked.set(gateway, answer)
    void answer.then(() => setTimeout(() => this.#asked.delete(gateway), lookMs / 2).unref())
    return answer
  }

  async #ask(gateway: string): Promise<boolean> {
    try {
      await this.#bus.request({subject: aliveSubject(gateway)}, {timeoutMs: patienceMs, signal: this.#stop.signal})
      return true
    } catch (error) {
      // Any other failure is local and says nothing about the holder.
      return !isFailure(error, 'noResponders', 'timeout')
    }
  }
}

function aliveSubject(gateway: string): string {
  return `bus-events.gateway.${gateway}`
}

/** A gateway has a UUID as its name: any other name was not written by a gateway, and cannot be asked. */
function isGateway(name: string): boolean {
  return /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(name)
}

function keyOf({id}: SubscriptionRef): string {
  return `lease.${id}`
}
