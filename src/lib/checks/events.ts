/**
 * What running checks tells whoever reports on it. Everything in an event may be shown: secrets are out of its texts
 * and of its messages before it is sent. Durations are milliseconds, lines count from 1.
 */
import type {FailureKind} from '../core/errors.ts'
import type {Message} from '../core/message.ts'

/** `error`: it could not be judged, as when the bus was lost or an earlier value is missing. Both it and `failed` are exit 9. */
export type Status = 'passed' | 'failed' | 'skipped' | 'error'

/** What a check does, by the key that says so in its file. */
export const checkKinds = [
  ...(['req', 'rpc', 'open', 'pub', 'publish', 'subscribe', 'messages'] as const),
  ...(['stream', 'consumer', 'interest', 'latency'] as const),
] as const

export type CheckKind = (typeof checkKinds)[number]

/** `always` runs after the checks of its file, whatever became of them. */
export type Part = 'checks' | 'always'

/** A check as it stands in its file. */
export interface CheckPlan {
  readonly name: string
  readonly kind: CheckKind
  /** The path of the file, as it was given or found. */
  readonly file: string
  readonly line: number
  readonly part: Part
  /** Its own and those of its file. */
  readonly tags: readonly string[]
}

/** A file with the checks that were chosen to run. */
export interface FilePlan {
  readonly file: string
  /** What it is called in itself, else its path. */
  readonly name: string
  readonly checks: readonly CheckPlan[]
}

/** One thing that did not hold. */
export interface Failure {
  /** Without the name of the check: `expected json.total = 42, but json.total is 41`. */
  readonly sentence: string
  /** The line of the expression, or of the check. */
  readonly line: number
  /** The JSONata that did not hold. */
  readonly expression?: string | undefined
  /** What was seen: the parts of the expression and their values; a part without a value is undefined. */
  readonly seen?: Readonly<Record<string, unknown>> | undefined
  /** Where an exact value was asked for, as by `expect: {json: …}`: that value. What came stands in `seen[expression]`. */
  readonly expected?: unknown
  /** Where it is the bus that failed: how. One of `connect` anywhere makes the run exit 3. */
  readonly kind?: FailureKind | undefined
  /** The message that it is about. */
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
  /** Messages that came in its last attempt, the last 1,000; for --record. */
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
 * In the order in which it happens; events of files that run side by side come mixed, each names its file. Each round
 * of --repeat and --watch is a `start` … `end`.
 */
export type CheckEvent =
  | {readonly kind: 'start'; readonly files: readonly FilePlan[]; readonly round: number; readonly jobs: number}
  | {readonly kind: 'fileStart'; readonly file: FilePlan; readonly bus: string}
  | {readonly kind: 'checkStart'; readonly check: CheckPlan}
  /** An attempt of an `eventually` did not hold; another follows. */
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
      /** Ctrl-C, or --bail, came before all had run. */
      readonly stoppedBy?: 'interrupt' | 'bail' | undefined
    }

/**
 * Is told of everything. `tell` must not block: what it writes to a file is written in `close`, which is called once,
 * after the last event.
 */
export interface Reporter {
  tell(event: CheckEvent): void
  /** Resolves when all that was told so far is shown. */
  settled?(): Promise<void>
  close?(): Promise<void>
}
