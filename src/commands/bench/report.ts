/** The report of a measurement: as text, JSON and CSV. */
import type {Role} from '../../lib/bench/job.ts'
import {type ClientResult, slotMs} from '../../lib/bench/meter.ts'
import {type Latencies, type LatencySummary, latencyLine, makeLatencies} from '../../lib/cli/render/histogram.ts'
import {formatBytes, formatCount, formatDuration, formatRate, rounded} from '../../lib/cli/render/units.ts'

/** What `--json` prints; see docs/json-output.md. */
export interface BenchReport {
  readonly bench: Role
  readonly bus: string
  readonly subject?: string | undefined
  readonly size: number
  readonly subjects: number
  readonly batch: number
  readonly window: number
  readonly ack: boolean
  /** The requested rate of all clients together, per second; absent if unlimited. */
  readonly asked?: number | undefined
  /** The measured side first, then the other one. */
  readonly sides: readonly BenchSide[]
}

export interface BenchSide {
  readonly role: Role
  readonly clients: number
  readonly messages: number
  readonly bytes: number
  /** Milliseconds from the first to the last message of all clients. */
  readonly ms: number
  /** Per second, all clients together. */
  readonly rate: number
  readonly bytesPerSecond: number
  /** Messages sent but not received. */
  readonly lost: number
  readonly errors: Readonly<Record<string, number>>
  /** Absent if nothing was timed. */
  readonly latencyMs?: LatencySummary | undefined
  /** Messages in each step, beginning with the first message. */
  readonly timeline: {readonly stepMs: number; readonly counts: readonly number[]}
}

/** A side with its latencies, for drawing. */
export interface MeasuredSide {
  readonly side: BenchSide
  readonly latencies: Latencies
}

/** Longer timelines get longer steps. */
const mostSteps = 600

/** Merges the clients of one side. `sent` is how many messages each of them should have received. */
export async function sideOf(role: Role, results: readonly ClientResult[], sent?: number): Promise<MeasuredSide> {
  const latencies = await makeLatencies()
  for (const {latencies: counts} of results) latencies.add(counts)
  const begun = results.filter(({fromMs}) => fromMs > 0)
  const ms = begun.length === 0 ? 0 : Math.max(...begun.map(({toMs}) => toMs)) - Math.min(...begun.map((t) => t.fromMs))
  const [messages, bytes] = [sum(results.map((result) => result.messages)), sum(results.map((result) => result.bytes))]
  const errors: Record<string, number> = {}
  for (const [kind, count] of results.flatMap((result) => Object.entries(result.errors)))
    errors[kind] = (errors[kind] ?? 0) + count
  const dropped = sum(results.map((result) => result.dropped))
  const side: BenchSide = {
    ...{role, clients: results.length, messages, bytes, ms: rounded(ms, 3)},
    ...{rate: rounded(perSecond(messages, ms), 1), bytesPerSecond: Math.round(perSecond(bytes, ms))},
    ...{lost: sent === undefined ? dropped : Math.max(dropped, sent * results.length - messages), errors},
    latencyMs: latencies.summary(),
    timeline: timelineOf(results),
  }
  return {side, latencies}
}

/** Two lines per side; with `columns`, the width of a terminal, also a histogram and a timeline. */
export function benchLines(sides: readonly MeasuredSide[], columns: number | undefined): string[] {
  return sides.flatMap(({side, latencies}) => {
    const {role, clients, messages, bytes, bytesPerSecond, ms, rate, lost, errors, latencyMs, timeline} = side
    const failed = Object.entries(errors).map(([kind, count]) => `${formatCount(count)} ${kind}`)
    const facts = [
      `${role}: ${formatCount(messages)} ${thingsOf[role]}`,
      ...(clients === 1 ? [] : [`${clients} clients`]),
      ...(lost === 0 ? [] : [`${formatCount(lost)} lost`]),
      ...failed,
      ...[formatBytes(bytes), formatDuration(ms), formatRate(rate), `${formatBytes(bytesPerSecond)}/s`],
    ]
    const lines = [facts.join(' · ')]
    if (latencyMs !== undefined) lines.push(latencyLine(latencyMs))
    if (columns === undefined) return lines
    return [...lines, ...latencies.draw(columns), ...drawTimeline(timeline, columns)]
  })
}

/** A header line and one line per side. */
export function benchCsv({bench, size, sides}: BenchReport): string {
  const names = ['min', 'mean', 'p50', 'p90', 'p99', 'p999', 'p9999', 'max'] as const
  const own = ['role', 'clients', 'messages', 'bytes', 'ms', 'rate', 'bytesPerSecond', 'lost'] as const
  const rows = sides.map((side) => [
    ...[bench, size, ...own.map((name) => side[name])],
    ...[sum(Object.values(side.errors)), ...names.map((name) => side.latencyMs?.[name] ?? '')],
  ])
  const header = ['bench', 'size', ...own, 'errors', ...names.map((name) => `${name}Ms`)]
  return [header, ...rows].map((row) => `${row.join(',')}\n`).join('')
}

/** A bar per interval, its length, and the rate of the highest bar. */
export function drawTimeline({stepMs, counts}: BenchSide['timeline'], columns: number): string[] {
  if (counts.length < 2) return []
  const width = Math.max(1, Math.min(60, columns - 32))
  const factor = Math.ceil(counts.length / width)
  const merged = merge(counts, factor)
  const most = Math.max(...merged)
  const marks = merged.map((count) => heights[Math.ceil((count / most) * (heights.length - 1))]).join('')
  const step = formatDuration(stepMs * factor)
  return [`${marks} per ${step}, ▇ = ${formatRate((most * 1000) / (stepMs * factor))}`]
}

const heights = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇']

const thingsOf: Readonly<Record<Role, string>> = {
  pub: 'published',
  sub: 'received',
  req: 'answered',
  serve: 'served',
  replay: 'replayed',
  open: 'response streams read',
  rpc: 'calls answered',
}

function timelineOf(results: readonly ClientResult[]): BenchSide['timeline'] {
  const slots = results.flatMap((result) => result.slots)
  if (slots.length === 0) return {stepMs: slotMs, counts: []}
  const numbers = slots.map(([slot]) => slot)
  const first = numbers.reduce((a, b) => Math.min(a, b))
  const last = numbers.reduce((a, b) => Math.max(a, b))
  const counts: number[] = new Array(last - first + 1).fill(0)
  for (const [slot, count] of slots) counts[slot - first] = (counts[slot - first] ?? 0) + count
  const factor = Math.ceil(counts.length / mostSteps)
  return {stepMs: slotMs * factor, counts: merge(counts, factor)}
}

function merge(counts: readonly number[], factor: number): number[] {
  const groups = Math.ceil(counts.length / factor)
  return Array.from({length: groups}, (_, i) => sum(counts.slice(i * factor, (i + 1) * factor)))
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0)
}

function perSecond(count: number, ms: number): number {
  return ms > 0 ? (count * 1000) / ms : 0
}
