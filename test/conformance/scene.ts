import {setTimeout as pause} from 'node:timers/promises'
import type {Message} from '../../src/lib/core/message.ts'
import type {Features, OpenOptions, Outgoing, Subscription, Transport} from '../../src/lib/transport/contract.ts'

/** One bus of the driver under test. */
export interface Bus extends AsyncDisposable {
  /** A new connection to it. */
  open(options?: OpenOptions): Promise<Transport>
}

/** What a driver provides for its tests. */
export interface Harness {
  /** Cases that the software behind the driver cannot pass, by name, each with the reason; they are skipped. */
  readonly lacking?: Readonly<Record<string, string>> | undefined
  /** The features that the driver should declare; a case that needs others is skipped. */
  readonly features: Features
  /** A bus that nobody has used yet. */
  fresh(): Promise<Bus>
}

/**
 * The environment of one case: its bus, the connections to it, and how long to wait for anything. Closes everything at the end.
 */
export class Scene {
  readonly features: Features
  readonly #harness: Harness
  readonly #patienceMs: number
  readonly #buses: Bus[] = []
  readonly #connections: Transport[] = []
  readonly #running: Promise<unknown>[] = []

  constructor(harness: Harness, patienceMs: number) {
    this.features = harness.features
    this.#harness = harness
    this.#patienceMs = patienceMs
  }

  /** A new connection to the bus of this case. */
  async connect(options?: OpenOptions): Promise<Transport> {
    const bus = this.#buses[0] ?? (await this.#freshBus())
    return this.#open(bus, options)
  }

  /** A connection to another bus of the same kind. */
  async elsewhere(): Promise<Transport> {
    if (this.#buses.length === 0) await this.#freshBus()
    return this.#open(await this.#freshBus())
  }

  /** Waits for `promise`, with a time limit. */
  async within<T>(promise: Promise<T>, what: string): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no ${what} within ${this.#patienceMs} ms`)), this.#patienceMs)
    })
    try {
      return await Promise.race([promise, late])
    } finally {
      clearTimeout(timer)
    }
  }

  /** Repeats `assertion` until it holds; at the time limit, fails with its last failure. */
  async eventually(assertion: () => Promise<void>): Promise<void> {
    const end = performance.now() + this.#patienceMs
    for (;;) {
      try {
        return await this.within(assertion(), 'answer')
      } catch (error) {
        if (performance.now() > end) throw error
      }
      await pause(5)
    }
  }

  /** The next `count` messages. */
  async take(subscription: Subscription, count: number): Promise<Message[]> {
    const taken: Message[] = []
    while (taken.length < count) {
      const missing = count - taken.length
      const more = await this.within(subscription.take(missing), `message ${taken.length + 1} of ${count}`)
      if (more.length === 0) throw new Error(`the subscription ended after ${taken.length} of ${count} messages`)
      if (more.length > missing) throw new Error(`${more.length} messages came where ${missing} were asked for`)
      taken.push(...more)
    }
    return taken
  }

  /** The messages that arrive until the subscription ends. */
  async untilEnd(subscription: Subscription): Promise<Message[]> {
    const taken: Message[] = []
    for (;;) {
      const more = await this.within(subscription.take(1000), `end after ${taken.length} messages`)
      if (more.length === 0) return taken
      taken.push(...more)
    }
  }

  /** The next `count` messages, and any messages that a drain delivers after them. */
  async all(subscription: Subscription, count: number): Promise<Message[]> {
    const taken = await this.take(subscription, count)
    await subscription.drain()
    return [...taken, ...(await this.untilEnd(subscription))]
  }

  /** A subscription that receives requests, on this bus. */
  responder(bus: Transport, subject: string): Promise<Subscription> {
    return bus.subscribe(subject, this.features.requestsAreMessages ? {} : {queue: 'responders'})
  }

  /** Answers messages until the subscription ends; several replies, or none, if `answer` returns a list. */
  serve(bus: Transport, subscription: Subscription, answer: (request: Message) => Answer | Answer[]): void {
    const loop = async () => {
      for await (const request of subscription) {
        if (request.reply === undefined) continue
        for (const each of [answer(request)].flat()) bus.publish({...each, subject: request.reply})
      }
    }
    this.background(loop())
  }

  /** Work in the background; the case fails if it does. */
  background(promise: Promise<unknown>): void {
    promise.catch(() => {})
    this.#running.push(promise)
  }

  /** Closes what is open and fails with the failure of background work, if any. */
  async end(): Promise<void> {
    const closing = Promise.all(this.#connections.map((connection) => connection.close()))
    await this.within(closing, 'end of the connections')
    await this.within(Promise.all(this.#running), 'end of what runs beside the case')
  }

  /** Releases everything, in any state. */
  async abandon(): Promise<void> {
    for (const connection of this.#connections) await connection.close().catch(() => {})
    for (const bus of this.#buses) await bus[Symbol.asyncDispose]()
  }

  async #freshBus(): Promise<Bus> {
    const bus = await this.#harness.fresh()
    this.#buses.push(bus)
    return bus
  }

  async #open(bus: Bus, options?: OpenOptions): Promise<Transport> {
    const connection = await this.within(bus.open(options), 'connection')
    this.#connections.push(connection)
    return connection
  }
}

export type Answer = Omit<Outgoing, 'subject'>

/** For a promise that is awaited later: its failure before that is not an unhandled one. */
export function awaitedLater<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  return promise
}

export function texts(messages: readonly Message[]): string[] {
  return messages.map((message) => message.text)
}

/** `1` to `count`, as text. */
export function numbers(count: number): string[] {
  return Array.from({length: count}, (_, i) => String(i + 1))
}

/** Publishes each text on `subject`, in order, and flushes. */
export async function publishAll(bus: Transport, subject: string, payloads: readonly string[]): Promise<void> {
  for (const data of payloads) bus.publish({subject, data})
  await bus.flush()
}
