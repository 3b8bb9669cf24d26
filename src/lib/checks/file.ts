/** A check file as it is run. */

import type {Expectation} from '../core/expectation.ts'
import type {Expression} from '../core/text/jsonata.ts'
import {durationMs} from '../core/time/duration.ts'
import type {CheckKind, CheckPlan} from './events.ts'
import type {CheckShape, FileShape, Shapes} from './shape.ts'

export interface CheckFile {
  readonly path: string
  readonly name: string
  readonly shape: FileShape
  readonly checks: readonly Check[]
  readonly always: readonly Check[]
}

/** One check, with what of it is compiled. */
export interface Check {
  readonly plan: CheckPlan
  readonly spec: Spec
  readonly shape: CheckShape
  readonly expectations: readonly Expected[]
  readonly captures: readonly {readonly name: string; readonly line: number; readonly read: Expression}[]
  readonly skipIf: Expression | undefined
  /** Of `messages`: its filter, its order, and the steps of `do`. */
  readonly where: Expression | undefined
  readonly order: readonly {readonly source: string; readonly read: Expression}[]
  readonly steps: readonly Check[]
}

/** What is done, in its long form. */
export type Spec = {[Kind in CheckKind]: {readonly kind: Kind} & Shapes[Kind]}[CheckKind]

/** JSONata that must be true, or have exactly the value that is wanted. */
export type Expected = {readonly source: string; readonly line: number} & (
  | Pick<Expectation, 'missOf'>
  | {readonly read: Expression; readonly wanted: unknown}
)

/** Milliseconds of a duration that its shape has checked. */
export function msOf(duration: string): number {
  return durationMs(duration) ?? 0
}
