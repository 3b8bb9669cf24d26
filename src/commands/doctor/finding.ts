/** The findings of `bus doctor`: their lines and the failure they add up to. */
import type {ChalkInstance} from 'chalk'
import {onGivenBus} from '../../lib/cli/base/error-report.ts'
import {printable} from '../../lib/cli/render/printable.ts'
import {counted} from '../../lib/cli/render/units.ts'
import {BusError} from '../../lib/core/errors.ts'

export interface Finding {
  /** What was examined: `round trip`. */
  readonly about: string
  readonly verdict: 'ok' | 'warning' | 'failure'
  readonly text: string
  /** Hints for what to do. */
  readonly try?: readonly string[]
}

/** Receives each finding as it is made. */
export type ReportFinding = (finding: Finding) => void

export function good(about: string, text: string): Finding {
  return {about, verdict: 'ok', text}
}

export function warning(about: string, text: string, ...hints: readonly string[]): Finding {
  return {about, verdict: 'warning', text, try: onGivenBus(hints)}
}

export function failure(about: string, text: string, ...hints: readonly string[]): Finding {
  return {about, verdict: 'failure', text, try: onGivenBus(hints)}
}

/** A finding as text, with a newline at the end. */
export function findingLines({about, verdict, text, try: hints = []}: Finding, paint?: ChalkInstance): string {
  const colour = {ok: paint?.green, warning: paint?.yellow, failure: paint?.red}[verdict]
  const word = verdict.padEnd('failure'.length)
  const lines = [`${colour?.(word) ?? word}  ${about.padEnd(nameWidth)}  ${printable(text)}`]
  const indent = ' '.repeat('failure'.length + nameWidth + 4)
  return [...lines, ...hints.map((hint) => `${indent}try: ${printable(hint)}`), ''].join('\n')
}

const nameWidth = 'slow consumer'.length

/** `connect` if the bus could not be opened, `expectation` for any other failure. Warnings are not failures. */
export function doctorFailure(findings: readonly Finding[], unopened: BusError | undefined): BusError | undefined {
  if (unopened !== undefined) return new BusError('connect', unopened.message, {try: unopened.try, cause: unopened})
  const failed = findings.filter(({verdict}) => verdict === 'failure')
  if (failed.length === 0) return undefined
  const names = [...new Set(failed.map(({about}) => about))].join(', ')
  return new BusError('expectation', `${counted(failed.length, 'failure')}: ${names}`)
}
