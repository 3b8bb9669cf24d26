/** What a script can branch on: each kind of expected failure and its exit code. Never renumbered. */
export const exitCodes = {
  bug: 1,
  usage: 2,
  connect: 3,
  denied: 4,
  notFound: 5,
  timeout: 6,
  noResponders: 7,
  remote: 8,
  expectation: 9,
  output: 10,
  interrupted: 130,
} as const

/** The kinds of expected failures: the names of `exitCodes` but `bug`. */
export type FailureKind = Exclude<keyof typeof exitCodes, 'bug'>

/** What goes with the sentence of a `BusError`. */
export interface FailureDetails {
  /** What to try next, each a command or a short phrase. */
  readonly try?: readonly string[]
  /** The foreign error this one was made from. */
  readonly cause?: unknown
  /** What a program may want beside the sentence: the close code, the line number, the value seen. */
  readonly data?: Readonly<Record<string, unknown>>
}

/** An expected failure: one sentence, one kind, and what to try next. Anything else that is thrown is a bug. */
export class BusError extends Error {
  readonly kind: FailureKind
  readonly try: readonly string[]
  readonly data: Readonly<Record<string, unknown>> | undefined

  constructor(kind: FailureKind, sentence: string, details: FailureDetails = {}) {
    super(sentence, details.cause === undefined ? undefined : {cause: details.cause})
    this.name = 'BusError'
    this.kind = kind
    this.try = details.try ?? []
    this.data = details.data
  }

  get exitCode(): number {
    return exitCodes[this.kind]
  }
}

/** Whether an error is an expected failure of one of these kinds. */
export function isFailure(error: unknown, ...kinds: readonly FailureKind[]): error is BusError {
  return error instanceof BusError && kinds.includes(error.kind)
}

/** The failure of whatever was asked of a bus after `close()`. */
export function closedError(url: string): BusError {
  return new BusError('usage', `the bus ${url} is closed`)
}

/** What failed first, where leaving (`await using`) failed as well. */
export function firstFailure(error: unknown): unknown {
  let first = error
  while (first instanceof Error && first.name === 'SuppressedError' && 'suppressed' in first) first = first.suppressed
  return first
}

/** The exit code for anything thrown: a `BusError`'s own, 1 for a bug. */
export function exitCodeOf(error: unknown): number {
  return error instanceof BusError ? error.exitCode : exitCodes.bug
}
