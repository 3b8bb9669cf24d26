/**
 * The events of a check run, from which reports are made. Their strings and messages contain no secrets. Durations are
 * milliseconds, lines count from 1.
 */
import type {FailureKind} from '../core/errors.ts'
import type {Message} from '../core/message.ts'

/** `error`: it could not be judged, for example because the bus was lost or a variable has no value. Both it and `failed` are exit code 9. */
export type Status = 'passed' | 'failed' | 'skipped' | 'error'

/** The kinds of checks, named as their keys in a check file. */
export const checkKinds = [
  ...(['req', 'rpc', 'open', 'pub', 'publish', 'subscribe', 'messages'] as const),
  ...(['stream', 'consumer', 'kv', 'interest', 'latency'] as const),
] as const

export type CheckKind = (typeof checkKinds)[number]

/** `always` runs after the checks of its file, whatever their results. */
export type Part = 'checks' | 'always'

/** A check as its file describes it. */
export interface CheckPlan {
  readonly name: string
  readonly kind: CheckKind
  /** The path of the file, as given or found. */
  readonly file: string
  readonly line: number
  readonly part: Part
  /** Its own tags and those of its file. */
  readonly tags: readonly string[]
}

/** A file with the checks that are to run. */
export interface FilePlan {
  readonly file: string
  /** The name in the file, or its path. */
  readonly name: string
  readonly checks: readonly CheckPlan[]
}

/** One expectation that did not hold. */
export interface Failure {
  /** Without the name of the check: `expected json.total = 42, but json.total is 41`. */
  readonly sentence: string
  /** The line of the expression, or of the check. */
  readonly line: number
  /** The JSONata expression that did not hold. */
  readonly expression?: string | undefined
  /** The parts of the expression and their values; a part without a value is undefined. */
  readonly seen?: Readonly<Record<string, unknown>> | undefined
  /** The exact value that was expected, as by `expect: {json: …}`. The actual one is `seen[expression]`. */
  readonly expected?: unknown
  /** How the bus failed, if it did. With any failure of kind `connect` the run exits with 3. */
  readonly kind?: FailureKind | undefined
  /** The bus itself gave no answer. Then the run exits with 6. */
  readonly unanswered?: true | undefined
  /** The message that was judged. */
  readonly message?: Message | undefined
  /** What to try next. */
  readonly try?: readonly string[] | undefined
}

export interface CheckResult extends CheckPlan {
  readonly status: Status
  readonly ms: number
  /** More than one with `eventually`. */
  readonly attempts: number
  /** Empty when it passed or was skipped. */
  readonly failures: readonly Failure[]
  /** Why it was skipped. */
  readonly reason?: string | undefined
  /** Messages received in the last attempt, at most the last 1,000; for --record. */
  readonly messages: readonly Message[]
}

/** Numbers of checks; those of `always` count only when they fail. */
export interface Totals {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  readonly errors: number
  readonly ms: number
}

export interface FileResult extends Totals {
  readonly file: string
  readonly name: string
  readonly results: readonly CheckResult[]
}

/**
 * In order of occurrence. Events of files that run in parallel are interleaved; each names its file. Each round of
 * --repeat and --watch is a `start` … `end`.
 */
export type CheckEvent =
  | {readonly kind: 'start'; readonly files: readonly FilePlan[]; readonly round: number; readonly jobs: number}
  | {readonly kind: 'fileStart'; readonly file: FilePlan; readonly bus: string}
  | {readonly kind: 'checkStart'; readonly check: CheckPlan}
  /** An attempt of an `eventually` failed; another one follows. */
  | {
      readonly kind: 'retry'
      readonly check: CheckPlan
      readonly attempt: number
      readonly failures: readonly Failure[]
    }
  | {readonly kind: 'checkEnd'; readonly result: CheckResult}
  | {readonly kind: 'fileEnd'; readonly file: FileResult}
  | {
      readonly kind: 'end'
      readonly totals: Totals
      readonly files: readonly FileResult[]
      readonly round: number
      /** What ended the run before all checks had run. */
      readonly stoppedBy?: 'interrupt' | 'bail' | undefined
    }

/** Receives all events. `tell` must not block; files are written in `close`, which is called once, after the last event. */
export interface Reporter {
  tell(event: CheckEvent): void
  /** Resolves when everything received so far is shown. */
  settled?(): Promise<void>
  close?(): Promise<void>
}
