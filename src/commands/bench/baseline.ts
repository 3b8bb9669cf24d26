/** Compares a measurement with an earlier one. */

import {formatDuration, formatRate} from '../../lib/cli/render/units.ts'
import {BusError} from '../../lib/core/errors.ts'
import {shellWord} from '../../lib/core/text/shell-word.ts'
import {readTrusted} from '../../lib/core/trusted-file.ts'
import type {BenchReport, BenchSide} from './report.ts'

/** Reads the `--json` output of an earlier run. Fails with `notFound` or `usage`. */
export function readBaseline(path: string): BenchReport {
  let text: string
  try {
    text = readTrusted(path, `the baseline ${path}`).toString()
  } catch (cause) {
    if (cause instanceof BusError) throw cause
    const hint = `create it: the same command with --json > ${shellWord(path)}`
    throw new BusError('notFound', `cannot read the baseline ${path}: ${(cause as Error).message}`, {
      cause,
      try: [hint],
    })
  }
  try {
    const report = JSON.parse(text) as BenchReport
    const isComplete = report.sides.length > 0 && report.sides.every(({rate}) => typeof rate === 'number')
    if (isComplete && typeof report.bench === 'string') return report
  } catch {
    // Reported below.
  }
  throw new BusError('usage', `${path} is not the output of bus bench --json`)
}

/** Throws `usage` unless both measured the same thing. */
export function checkComparable(report: Omit<BenchReport, 'sides'>, baseline: BenchReport): void {
  for (const name of ['bench', 'size', 'subjects', 'batch', 'window', 'ack', 'asked'] as const) {
    if (report[name] === baseline[name]) continue
    const sentence = `the baseline was measured with ${name} ${baseline[name]}, but this run uses ${report[name]}`
    throw new BusError('usage', sentence, {try: ['the same flags as for the baseline', 'a new baseline']})
  }
}

/** Fails with `usage` if one of them has a side that the other lacks, and with `expectation` if a rate is lower, or p50 or p99 higher, by more than `tolerance`, a share of the baseline. */
export function checkRegression(report: BenchReport, baseline: BenchReport, tolerance: number): void {
  const roles = ({sides}: BenchReport) => sides.map(({role}) => role).join(' and ')
  if (roles(report) !== roles(baseline))
    throw new BusError('usage', `the baseline measured ${roles(baseline)}, but this run ${roles(report)}`)
  const worse = report.sides.flatMap((side, i) =>
    regressions(side, baseline.sides[i] ?? side).filter(({by}) => by > tolerance),
  )
  if (worse.length === 0) return
  const all = worse.map(({sentence}) => sentence).join('; ')
  const sentence = `slower than the baseline by more than ${percent(tolerance)}: ${all}`
  throw new BusError('expectation', sentence, {data: {regressions: worse.map(({sentence: _, ...rest}) => rest)}})
}

interface Regression {
  readonly role: string
  readonly what: string
  readonly before: number
  readonly now: number
  /** The change as a share of the baseline. */
  readonly by: number
  readonly sentence: string
}

function regressions(now: BenchSide, before: BenchSide): Regression[] {
  const {role} = now
  const regression = (
    what: string,
    [was, is]: readonly [number, number],
    by: number,
    show: (value: number) => string,
  ): Regression => {
    const sentence = `${role} ${what} ${show(is)} instead of ${show(was)} (${percent(by)} worse)`
    return {role, what, before: was, now: is, by: Math.round(by * 1000) / 1000, sentence}
  }
  const [is, was] = [now.latencyMs, before.latencyMs]
  return [
    regression('rate', [before.rate, now.rate], 1 - now.rate / before.rate, formatRate),
    ...(is && was
      ? (['p50', 'p99'] as const).map((name) =>
          regression(name, [was[name], is[name]], is[name] / was[name] - 1, formatDuration),
        )
      : []),
  ]
}

function percent(share: number): string {
  return `${Math.round(share * 100)}%`
}
