/** What checks need of the folders beside this one; `cli/checking.ts` hands it in. */
import type {Message, Outgoing} from '../core/message.ts'
import type {Transport} from '../transport/contract.ts'

export interface Tools {
  /** The replies to one request, as they come. Fails with `timeout` after those that came, with `noResponders`. */
  ask(bus: Transport, question: Question): AsyncIterable<Answer>
  /** Calls a method; of a service without an instance any one that is there. */
  call(bus: Transport, call: Call): Promise<Called>
  /** Opens a response stream and reads it. */
  open(bus: Transport, opening: Opening): Promise<Opened>
  /** Many requests, and how long they took. */
  measure(bus: Transport, load: Measuring): Promise<Measured>
  /** The two steps of a broker on this bus. */
  publish(bus: Transport, params: {readonly topic: string; readonly payload: unknown} & BrokerChoice): Promise<object>
  subscribe(
    bus: Transport,
    params: {readonly topic: string; readonly consumer_name: string; readonly timeoutMs: number} & BrokerChoice,
  ): Promise<{readonly payload: unknown}>
}

interface Bounded {
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

export interface Question extends Bounded {
  readonly message: Outgoing
  readonly replies?: number | undefined
  readonly idleMs?: number | undefined
  readonly untilEmpty?: boolean | undefined
}

export interface Answer {
  readonly message: Message
  readonly ms: number
}

export interface Call extends Bounded {
  readonly subject?: string | undefined
  readonly service?: string | undefined
  readonly method?: string | undefined
  readonly instance?: string | undefined
  readonly payload: unknown
  readonly caller?: string | undefined
  readonly traceId?: string | undefined
  readonly prefix?: string | undefined
}

export interface Called {
  /** Decoded; undefined when the answer has none. */
  readonly payload?: unknown
  readonly reply?: Message | undefined
  readonly failure?: unknown
}

export interface Opening extends Bounded {
  readonly subject: string
  readonly body: Uint8Array | string
  readonly dialect?: 'first' | 'later' | undefined
  readonly frames?: number | undefined
  readonly idleMs?: number | undefined
}

export interface Opened {
  readonly frames: readonly Message[]
  readonly close?: {readonly code: number; readonly name?: string | undefined; readonly text: string} | undefined
  /** What became of it where that is a failure. */
  readonly failure?: unknown
}

export interface Measuring extends Bounded {
  readonly message: Outgoing
  readonly count: number
  readonly concurrency: number
}

/** Milliseconds; percentiles are absent when nothing was answered. */
export interface Measured {
  readonly requests: number
  readonly ok: number
  readonly errors: Readonly<Record<string, number>>
  readonly failure?: unknown
  readonly min?: number | undefined
  readonly mean?: number | undefined
  readonly p50?: number | undefined
  readonly p90?: number | undefined
  readonly p99?: number | undefined
  readonly p999?: number | undefined
  readonly p9999?: number | undefined
  readonly max?: number | undefined
}

export interface BrokerChoice {
  readonly stream: string
  readonly jetstream: boolean
}
