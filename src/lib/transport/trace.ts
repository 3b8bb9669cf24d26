/** The way of one message through a bus, in the order in which it was handled. Properties that are not known are absent. */

/** How to trace. */
export interface TraceOptions {
  /** Deliver the message as well. */
  readonly deliver?: boolean | undefined
  /** Milliseconds to wait for the servers; default 2,000. */
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** What one server did with the message. */
export interface TracedServer {
  readonly server?: string | undefined
  readonly cluster?: string | undefined
  readonly account?: string | undefined
  /** Why it did not accept the message. */
  readonly error?: string | undefined
  readonly steps: readonly TraceStep[]
}

/** A step; `error` is why the message goes no further. */
export type TraceStep =
  | SubscriberStep
  | StreamStep
  | GroupStep
  | ServerStep
  | {readonly kind: 'mapping'; readonly to: string}
  | {readonly kind: 'import' | 'export'; readonly account?: string | undefined; readonly to?: string | undefined}

/** A client gets the message. */
export interface SubscriberStep {
  readonly kind: 'subscriber'
  readonly name?: string | undefined
  readonly connection?: number | undefined
  readonly pid?: number | undefined
  readonly account?: string | undefined
  readonly pattern?: string | undefined
  readonly queue?: string | undefined
  readonly error?: string | undefined
}

/** One of the members of a queue group gets it. */
export interface GroupStep {
  readonly kind: 'group'
  readonly queue: string
  readonly members: readonly Omit<SubscriberStep, 'kind' | 'queue'>[]
}

/** A stream stores it. */
export interface StreamStep {
  readonly kind: 'stream'
  readonly stream: string
  /** The subject under which it is stored. */
  readonly subject?: string | undefined
  readonly error?: string | undefined
}

/** It is passed on to another server. */
export interface ServerStep extends Partial<TracedServer> {
  readonly kind: 'route' | 'gateway' | 'leaf node'
  readonly name?: string | undefined
  /** That server did not tell what it did. */
  readonly isSilent?: boolean | undefined
  readonly steps: readonly TraceStep[]
}
