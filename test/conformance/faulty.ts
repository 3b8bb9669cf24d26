/**
 * Drivers with one known fault each: the memory driver with one change. They prove that the suite detects faults: each fault
 * names the cases that must fail for it (`faulty.test.ts`).
 */
import type {Message} from '../../src/lib/core/message.ts'
import type {Features, OpenOptions, Subscription, Transport} from '../../src/lib/transport/contract.ts'
import {openMemory} from '../../src/lib/transport/memory/driver.ts'
import {withSnapshots} from './memory-snapshots.ts'
import type {Harness} from './scene.ts'

export interface Fault {
  readonly name: string
  /** The cases that it must fail, by name. */
  readonly fails: readonly string[]
  /** Features that the driver declares wrongly. */
  readonly claims?: Partial<Features>
  /** The single bus to which all its URLs lead. */
  readonly url?: string
  /** How a connection differs from a correct one. */
  bend(sound: Transport, world: World, options: OpenOptions | undefined): Partial<Transport>
}

/** What the connections of one faulty bus share. */
export interface World {
  readonly url: string
  readonly connections: Transport[]
  readonly memory: Map<string, unknown>
}

const soundFeatures: Features = {
  wildcards: true,
  headers: true,
  queues: true,
  keepsForSlow: false,
  noResponders: true,
  requestsAreMessages: true,
  streams: true,
  failures: true,
}

let count = 0

/** The memory driver with `fault`, or without. */
export function memoryWith(fault?: Fault): Harness {
  const features = {...soundFeatures, ...fault?.claims}
  return {
    features,
    async fresh() {
      const world: World = {url: fault?.url ?? `memory:faulty-${++count}`, connections: [], memory: new Map()}
      const open = async (options?: OpenOptions): Promise<Transport> => {
        const sound = openMemory(world.url, options)
        world.connections.push(sound)
        const changes = fault?.bend(sound, world, options)
        return {
          ...sound,
          ...withSnapshots(sound, world.memory),
          features,
          [Symbol.asyncDispose]: changes?.close ?? sound.close,
          ...changes,
        }
      }
      return {open, async [Symbol.asyncDispose]() {}}
    },
  }
}

/** A subscription that behaves differently in some respect. */
export function bent(sound: Subscription, changes: Partial<Subscription>): Subscription {
  const take = changes.take ?? ((max) => sound.take(max))
  const close = changes.close ?? (() => sound.close())
  async function* loop(): AsyncGenerator<Message> {
    try {
      for (;;) {
        const taken = await take(256)
        if (taken.length === 0) return
        yield* taken
      }
    } finally {
      await close()
    }
  }
  return {
    get dropped() {
      return changes.dropped ?? sound.dropped
    },
    take,
    close,
    drain: changes.drain ?? (() => sound.drain()),
    [Symbol.asyncDispose]: changes[Symbol.asyncDispose] ?? close,
    [Symbol.asyncIterator]: changes[Symbol.asyncIterator] ?? loop,
  }
}

/** A connection whose subscriptions do some things otherwise. */
export function bentSubscriptions(
  sound: Transport,
  change: (subscription: Subscription, ...given: Parameters<Transport['subscribe']>) => Partial<Subscription>,
): Partial<Transport> {
  return {
    async subscribe(patterns, options) {
      const subscription = await sound.subscribe(patterns, options)
      return bent(subscription, change(subscription, patterns, options))
    },
  }
}

/** A connection whose subscriptions return changed messages, at least one. */
export function bentMessages(
  sound: Transport,
  change: (messages: readonly Message[]) => Message[],
): Partial<Transport> {
  return bentSubscriptions(sound, (subscription) => ({
    take: async (max) => change(await subscription.take(max)),
  }))
}

export function never<T>(): Promise<T> {
  return new Promise(() => {})
}

/** Does something after a delay, if it is still possible. */
export function later(delayMs: number, act: () => unknown): void {
  setTimeout(async () => {
    try {
      await act()
    } catch {
      // The case is over.
    }
  }, delayMs)
}
