/** The kinds of expected failures and their exit codes, for scripts. Never renumbered. */
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

/** The kinds of expected failures: the names of `exitCodes` except `bug`. */
export type FailureKind = Exclude<keyof typeof exitCodes, 'bug'>

/** The kinds, and finer ones of `usage`: a subject or pattern that is not valid, a message that is too large for the bus. */
export type FailureCode = FailureKind | 'subject' | 'tooLarge'

/** Optional details of a `BusError`. */
export interface FailureDetails {
  /** Default the kind. */
  readonly code?: FailureCode | undefined
  /** What to try next, each a command or a short phrase. */
  readonly try?: readonly string[]
  /** The foreign error that caused this one. */
  readonly cause?: unknown
  /** Details for programs: the close code, the line number, the actual value. */
  readonly data?: Readonly<Record<string, unknown>>
}

/** An expected failure: one sentence, one kind, and what to try next. Anything else that is thrown is a bug. */
export class BusError extends Error {
  readonly kind: FailureKind
  readonly code: FailureCode
  readonly try: readonly string[]
  readonly data: Readonly<Record<string, unknown>> | undefined

  constructor(kind: FailureKind, sentence: string, details: FailureDetails = {}) {
    super(sentence, details.cause === undefined ? undefined : {cause: details.cause})
    this.name = 'BusError'
    this.kind = kind
    this.code = details.code ?? kind
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

/** What was thrown, as text. Anything may be thrown, even by callbacks of other programs; this never throws. */
export function thrownText(thrown: unknown): string {
  try {
    return String(thrown instanceof Error ? thrown.message : thrown)
  } catch {
    // An object without a string.
    return 'an unknown failure'
  }
}

/** The failure of a wait whose signal aborts. */
export function interruptedError(): BusError {
  return new BusError('interrupted', 'interrupted before it was done')
}

/** The failure of an operation on a bus after `close()`. */
export function closedError(url: string): BusError {
  return new BusError('usage', `the bus ${url} is closed`)
}

/** The first failure, if leaving a scope (`await using`) failed as well. */
export function firstFailure(error: unknown): unknown {
  let first = error
  while (first instanceof Error && first.name === 'SuppressedError' && 'suppressed' in first) first = first.suppressed
  return first
}

/** The exit code for anything thrown: a `BusError`'s own, 1 for a bug. */
export function exitCodeOf(error: unknown): number {
  return error instanceof BusError ? error.exitCode : exitCodes.bug
}
