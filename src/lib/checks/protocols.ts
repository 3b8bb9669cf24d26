/** What checks need of the protocols, which are folders beside this one; a caller above both provides it. */
import type {Message, Outgoing} from '../core/message.ts'
import type {Transport} from '../transport/contract.ts'

export interface CheckProtocols {
  /** Calls an RPC method; of a service without an instance, any that can be found. */
  call(bus: Transport, options: CheckCall): Promise<CheckCallResult>
  /** Opens a response stream and reads it. */
  open(bus: Transport, options: CheckOpen): Promise<CheckOpenResult>
  /** Sends many requests and measures their latency. */
  measure(bus: Transport, options: CheckLoad): Promise<CheckLoadResult>
  /** The two steps of a broker on this bus. */
  publish(bus: Transport, params: {readonly topic: string; readonly payload: unknown} & BrokerChoice): Promise<object>
  subscribe(
    bus: Transport,
    params: {readonly topic: string; readonly consumer_name: string; readonly timeoutMs: number} & BrokerChoice,
  ): Promise<{readonly payload: unknown}>
}

interface TimeBounds {
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

export interface CheckCall extends TimeBounds {
  readonly subject?: string | undefined
  readonly service?: string | undefined
  readonly method?: string | undefined
  readonly instance?: string | undefined
  readonly payload: unknown
  readonly caller?: string | undefined
  readonly traceId?: string | undefined
  readonly prefix?: string | undefined
}

export interface CheckCallResult {
  /** Decoded; undefined if the answer has none. */
  readonly payload?: unknown
  readonly reply?: Message | undefined
  readonly failure?: unknown
}

export interface CheckOpen extends TimeBounds {
  readonly subject: string
  readonly body: Uint8Array | string
  readonly dialect?: 'first' | 'later' | undefined
  readonly frames?: number | undefined
  readonly idleMs?: number | undefined
}

export interface CheckOpenResult {
  readonly frames: readonly Message[]
  readonly close?: {readonly code: number; readonly name?: string | undefined; readonly text: string} | undefined
  readonly failure?: unknown
}

export interface CheckLoad extends TimeBounds {
  readonly message: Outgoing
  readonly count: number
  readonly concurrency: number
}

/** Latencies are milliseconds, and absent if nothing was answered. */
export interface CheckLoadResult {
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
