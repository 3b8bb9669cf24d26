/** The servers of a NATS cluster: what they report about themselves, and which of them leads a stream. */

import {BusError} from '../core/errors.ts'

/** How long to wait for the servers of a cluster; other buses know their subscriptions. */
export interface InterestOptions {
  /** Milliseconds until the first server answers; default 2,000. */
  readonly timeoutMs?: number | undefined
  /** Milliseconds to wait for each further server; default 300. */
  readonly idleMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** Absent on a bus without servers. */
export interface ServerRequests {
  /**
   * The replies of all servers to a request such as `$SYS.REQ.SERVER.PING.STATSZ` (docs.nats.io, "System Events"), sorted by name.
   * Fails with `denied` if the login may not ask, which most requests allow to the system account only.
   */
  ask(subject: string, request?: object, options?: InterestOptions): Promise<readonly ServerReply[]>
  /**
   * Lets another server lead a stream or one of its consumers. Fails with `usage` if no other one has a copy, and with `notFound` if
   * there is no such one.
   */
  stepDown(stream: string, consumer?: string): Promise<void>
  /** Removes the copy of a stream from a server; another one gets a copy. Fails with `notFound` if the server has none. */
  removePeer(stream: string, server: string): Promise<void>
}

/** What one server replied. */
export interface ServerReply {
  readonly id: string
  readonly name: string
  readonly host?: string | undefined
  readonly cluster?: string | undefined
  readonly version?: string | undefined
  /** Milliseconds until the reply. */
  readonly ms: number
  /** The document of the server, of which nothing is verified. */
  readonly data: Readonly<Record<string, unknown>>
}

/** Only one server, or the bus file, has it. */
export function noStepDown(stream: string, consumer?: string): BusError {
  const what = consumer === undefined ? `stream ${stream}` : `consumer ${consumer} of ${stream}`
  return new BusError('usage', `no other server has a copy of ${what} and could lead it`)
}
