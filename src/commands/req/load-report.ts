/** The report of a load run, as text and as JSON. */

import {type Latencies, type LatencySummary, latencyLine} from '../../lib/cli/render/histogram.ts'
import {formatCount, formatDuration, formatRate, rounded} from '../../lib/cli/render/units.ts'
import type {LoadResult} from '../../lib/messaging/load.ts'

/** What `--json` prints; see docs/json-output.md. */
export interface LoadReport {
  readonly subject: string
  readonly requests: number
  readonly ok: number
  /** Number of failures of each kind: `timeout`, `noResponders`, `remote`, `expectation`. */
  readonly errors: Readonly<Record<string, number>>
  /** Milliseconds. */
  readonly ms: number
  /** Requests per second. */
  readonly rate: number
  readonly concurrency: number
  /** Of the requests that were answered; absent if none was. */
  readonly latencyMs?: LatencySummary
}

export function loadReport(
  result: LoadResult,
  latencies: Latencies,
  {subject, concurrency}: {readonly subject: string; readonly concurrency: number},
): LoadReport {
  const {requests, ok, errors, ms} = result
  const latencyMs = latencies.summary()
  const rate = rounded((1000 * requests) / ms, 1)
  return {subject, requests, ok, errors, ms: rounded(ms, 3), rate, concurrency, ...(latencyMs && {latencyMs})}
}

/** Two lines, followed on a terminal by a histogram of this width. */
export function loadLines(report: LoadReport, latencies: Latencies, columns: number | undefined): string[] {
  const {requests, ok, errors, ms, rate, latencyMs} = report
  const kinds = Object.entries(errors).map(([kind, count]) => `${formatCount(count)} ${words[kind] ?? kind}`)
  const failed = `${formatCount(requests - ok)} failed${kinds.length === 0 ? '' : ` (${kinds.join(', ')})`}`
  const counts = [`${formatCount(requests)} requests`, `${formatCount(ok)} ok`, failed]
  const lines = [[...counts, formatDuration(ms), formatRate(rate)].join(' · ')]
  if (latencyMs !== undefined) lines.push(latencyLine(latencyMs))
  if (columns !== undefined) lines.push(...latencies.draw(columns))
  return lines
}

const words: Readonly<Record<string, string>> = {
  timeout: 'without a reply in time',
  noResponders: 'without a responder',
  remote: 'service errors',
  expectation: 'not as expected',
}
