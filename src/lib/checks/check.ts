/** A compiled check file, what a check runs with and what it results in. */

import type {BusError} from '../core/errors.ts'
import type {Expectation} from '../core/expectation.ts'
import type {Message} from '../core/message.ts'
import type {Expression} from '../core/text/jsonata.ts'
import {durationMs} from '../core/time/duration.ts'
import type {Transport} from '../transport/contract.ts'
import type {CheckKind, CheckPlan, Failure} from './events.ts'
import type {CheckProtocols} from './protocols.ts'
import type {CheckShape, FileShape, Shapes} from './shape.ts'
import type {Variables} from './variables.ts'

export interface CheckFile {
  readonly path: string
  readonly name: string
  readonly shape: FileShape
  readonly checks: readonly Check[]
  readonly always: readonly Check[]
}

/** One check, with its expressions compiled. */
export interface Check {
  readonly plan: CheckPlan
  readonly spec: Spec
  readonly shape: CheckShape
  readonly expectations: readonly Expected[]
  readonly captures: readonly {readonly name: string; readonly line: number; readonly read: Expression}[]
  readonly skipIf: Expression | undefined
  /** The filter, the order and the steps of a `messages` check. */
  readonly where: Expression | undefined
  readonly order: readonly {readonly source: string; readonly read: Expression}[]
  readonly steps: readonly Check[]
}

/** What a check does, in its long form. */
export type Spec = {[Kind in CheckKind]: {readonly kind: Kind} & Shapes[Kind]}[CheckKind]

/** JSONata that must be true, or must have exactly the `wanted` value. */
export type Expected = {readonly source: string; readonly line: number} & (
  | Pick<Expectation, 'missOf'>
  | {readonly read: Expression; readonly wanted: unknown}
)

/** What one attempt of a check runs with. */
export interface CheckEnvironment {
  readonly bus: Transport
  readonly protocols: CheckProtocols
  readonly variables: Variables
  /** The folder of the check file; paths in the file are relative to it. */
  readonly folder: string
  /** Aborted by Ctrl-C and when the time of the check is over. */
  readonly signal: AbortSignal
  /** How long to wait for the other side, in milliseconds: the given duration or a default, limited to the time left. */
  readonly waitMs: (duration: string | undefined, fallback?: string) => number
  /** Keeps a message for the report. */
  readonly saw: (message: Message) => void
  /** Runs the steps of `do` and returns their failures. */
  readonly runSteps: (steps: readonly Check[]) => Promise<readonly Failure[]>
}

export interface CheckOutcome {
  /** What expressions see besides `status`, `error`, `ms` and `vars`. */
  readonly result: object
  /** A failure that expressions can still judge, such as a service error or too few replies. */
  readonly error?: BusError | undefined
  /** Bounds of the check itself that do not hold, as sentences. */
  readonly misses?: readonly string[] | undefined
  /** Failures of its steps. */
  readonly failures?: readonly Failure[] | undefined
  /** The message that a report should show. */
  readonly message?: Message | undefined
}

/** Milliseconds of a duration that its shape has validated. */
export function msOf(duration: string): number {
  return durationMs(duration) ?? 0
}
