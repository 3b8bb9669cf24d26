/** What a measurement came to, for people, for programs and for spreadsheets. */
import type {Role} from '../../lib/bench/job.ts'
import {slotMs, type Tally} from '../../lib/bench/meter.ts'
import {type Latencies, type LatencySummary, latencyLine, makeLatencies} from '../../lib/cli/render/histogram.ts'
import {formatBytes, formatCount, formatDuration, formatRate} from '../../lib/cli/render/units.ts'

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
  /** A second, all clients together; absent for as fast as it goes. */
  readonly asked?: number | undefined
  /** The side that was asked for first. */
  readonly sides: readonly BenchSide[]
}

export interface BenchSide {
  readonly role: Role
  readonly clients: number
  readonly messages: number
  readonly bytes: number
  /** Milliseconds from the first to the last of all clients. */
  readonly ms: number
  /** A second, all clients together. */
  readonly rate: number
  readonly bytesPerSecond: number
  /** What did not come, of what was sent. */
  readonly lost: number
  readonly errors: Readonly<Record<string, number>>
  /** Absent where nothing was timed. */
  readonly latencyMs?: LatencySummary | undefined
  /** How many there were in each step from the first one. */
  readonly timeline: {readonly stepMs: number; readonly counts: readonly number[]}
}

/** One side with its latencies, for drawing. */
export interface Measured {
  readonly side: BenchSide
  readonly latencies: Latencies
}

/** Longer time lines have longer steps. */
const mostSteps = 600

/** Puts the clients of one side together. `sent` is what each of them should have got. */
export async function sideOf(role: Role, tallies: readonly Tally[], sent?: number): Promise<Measured> {
  const latencies = await makeLatencies()
  for (const {latencies: counts} of tallies) latencies.add(counts)
  const begun = tallies.filter(({fromMs}) => fromMs > 0)
  const ms = begun.length === 0 ? 0 : Math.max(...begun.map(({toMs}) => toMs)) - Math.min(...begun.map((t) => t.fromMs))
  const [messages, bytes] = [sum(tallies.map((tally) => tally.messages)), sum(tallies.map((tally) => tally.bytes))]
  const errors: Record<string, number> = {}
  for (const [kind, count] of tallies.flatMap((tally) => Object.entries(tally.errors)))
    errors[kind] = (errors[kind] ?? 0) + count
  const dropped = sum(tallies.map((tally) => tally.dropped))
  const side: BenchSide = {
    ...{role, clients: tallies.length, messages, bytes, ms: round(ms, 3)},
    ...{rate: round(perSecond(messages, ms), 1), bytesPerSecond: Math.round(perSecond(bytes, ms))},
    ...{lost: sent === undefined ? dropped : Math.max(dropped, sent * tallies.length - messages), errors},
    latencyMs: latencies.summary(),
    timeline: timelineOf(tallies),
  }
  return {side, latencies}
}

/** Two lines a side; on a terminal so many columns wide also the histogram and the time line. */
export function benchLines(sides: readonly Measured[], columns: number | undefined): string[] {
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

/** A line with the names of the columns, and one for each side. */
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

/** One character for each stretch of time, as high as there was much in it, and what the highest one stands for. */
export function drawTimeline({stepMs, counts}: BenchSide['timeline'], columns: number): string[] {
  if (counts.length < 2) return []
  const width = Math.max(1, Math.min(60, columns - 24))
  const factor = Math.ceil(counts.length / width)
  const merged = merge(counts, factor)
  const most = Math.max(...merged)
  const marks = merged.map((count) => heights[Math.ceil((count / most) * (heights.length - 1))]).join('')
  return [`${marks} ▇ = ${formatRate((most * 1000) / (stepMs * factor))}`]
}

const heights = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇']

const thingsOf: Readonly<Record<Role, string>> = {
  pub: 'published',
  sub: 'received',
  req: 'answered',
  serve: 'served',
  replay: 'replayed',
  open: 'streams read',
  rpc: 'calls answered',
}

function timelineOf(tallies: readonly Tally[]): BenchSide['timeline'] {
  const slots = tallies.flatMap((tally) => tally.slots)
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

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}
