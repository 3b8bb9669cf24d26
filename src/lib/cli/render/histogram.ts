/** Latencies of a load run: percentiles, and a histogram for a terminal. */
import type {LatencyCounts, LatencySink} from '../../bench/meter.ts'
import {formatCount, formatDuration} from './units.ts'

/** In milliseconds, each value accurate to three digits. */
export interface LatencySummary {
  readonly min: number
  readonly mean: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  /** Absent for fewer than 1,000 values. */
  readonly p999?: number | undefined
  /** Absent for fewer than 10,000 values. */
  readonly p9999?: number | undefined
  readonly max: number
}

export interface Latencies extends LatencySink {
  /** Adds the counts of another histogram. */
  add(counts: LatencyCounts): void
  /** Undefined if nothing was recorded. */
  summary(): LatencySummary | undefined
  /** Lines of a histogram for a terminal of this width. */
  draw(columns: number): string[]
}

/** Steps of the histogram per millisecond. */
const stepsPerMs = 10_000
const mostRows = 14
const fineEdges = [1, 1.5, 2, 3, 5, 7]
const coarseEdges = [1, 2, 5]
const decadeEdges = [1]

export async function makeLatencies(): Promise<Latencies> {
  const {Int32Histogram} = (await import('hdr-histogram-js')).default
  const histogram = new Int32Histogram(1, 2, 3)
  histogram.autoResize = true
  const toMs = (steps: number): number => Math.round((steps / stepsPerMs) * 10_000) / 10_000
  // The library returns the upper end of a value's range, which may exceed the greatest value.
  const at = (percentile: number): number =>
    toMs(Math.min(histogram.getValueAtPercentile(percentile), histogram.maxValue))

  /** How many values are below each edge and not below the previous one. */
  function countsBelow(edges: readonly number[]): number[] {
    const counts = edges.map(() => 0)
    const values = histogram.recordedValuesIterator
    values.reset()
    let row = 0
    while (values.hasNext()) {
      const {valueIteratedTo, countAddedInThisIterationStep} = values.next()
      while (row < edges.length - 1 && valueIteratedTo / stepsPerMs >= (edges[row] ?? 0)) row++
      counts[row] = (counts[row] ?? 0) + countAddedInThisIterationStep
    }
    return counts
  }

  return {
    record: (ms, count = 1) => histogram.recordValueWithCount(Math.max(1, Math.round(ms * stepsPerMs)), count),
    counts() {
      const counts: [number, number][] = []
      const values = histogram.recordedValuesIterator
      values.reset()
      while (values.hasNext()) {
        const {valueIteratedTo, countAddedInThisIterationStep} = values.next()
        counts.push([Math.min(valueIteratedTo, histogram.maxValue), countAddedInThisIterationStep])
      }
      return counts
    },
    add(counts) {
      for (const [steps, count] of counts) histogram.recordValueWithCount(steps, count)
    },
    summary() {
      if (histogram.totalCount === 0) return undefined
      const {mean, minNonZeroValue, maxValue, totalCount} = histogram
      return {
        ...{min: toMs(minNonZeroValue), mean: toMs(mean), p50: at(50), p90: at(90), p99: at(99)},
        ...(totalCount >= 1000 && {p999: at(99.9)}),
        ...(totalCount >= 10_000 && {p9999: at(99.99)}),
        max: toMs(maxValue),
      }
    },
    draw(columns) {
      if (histogram.totalCount === 0) return []
      const edges = edgesFor(histogram.minNonZeroValue / stepsPerMs, histogram.maxValue / stepsPerMs)
      return bars(edges, countsBelow(edges), histogram.totalCount, columns)
    },
  }
}

/** `p50 210 µs · p90 …`, as one line. */
export function latencyLine(summary: LatencySummary): string {
  const {p50, p90, p99, p999, p9999, max} = summary
  const parts = Object.entries({p50, p90, p99, 'p99.9': p999, 'p99.99': p9999, max})
  return parts.flatMap(([name, ms]) => (ms === undefined ? [] : `${name} ${formatDuration(ms)}`)).join(' · ')
}

/** Round numbers from above the least to above the greatest value, as fine as the number of rows allows. */
function edgesFor(leastMs: number, greatestMs: number): number[] {
  const [first, last] = [Math.floor(Math.log10(leastMs)), Math.floor(Math.log10(greatestMs)) + 1]
  let edges: number[] = []
  for (const steps of [fineEdges, coarseEdges, decadeEdges]) {
    edges = []
    for (let power = first; power <= last; power++) {
      for (const step of steps) edges.push(Number((step * 10 ** power).toPrecision(2)))
    }
    const from = edges.findIndex((edge) => edge > leastMs)
    const to = edges.findIndex((edge) => edge > greatestMs)
    edges = edges.slice(from, to < 0 ? edges.length : to + 1)
    if (edges.length <= mostRows) break
  }
  return edges
}

function bars(edges: readonly number[], counts: readonly number[], total: number, columns: number): string[] {
  const labels = edges.map((edge) => `< ${formatDuration(edge)}`)
  const numbers = counts.map((count) => `${((100 * count) / total).toFixed(1)} %  ${formatCount(count)}`)
  const labelWidth = Math.max(...labels.map(({length}) => length))
  const room = Math.max(10, Math.min(60, columns - labelWidth - Math.max(...numbers.map(({length}) => length)) - 5))
  const most = Math.max(...counts)
  return labels.flatMap((label, row) => {
    const bar = barOf((counts[row] ?? 0) / most, room)
    return bar === '' ? [] : `${label.padStart(labelWidth)} ${bar} ${numbers[row]}`
  })
}

/** A bar in eighths of a character; any non-zero share is visible. */
function barOf(share: number, room: number): string {
  const eighths = share === 0 ? 0 : Math.max(1, Math.round(share * room * 8))
  return '█'.repeat(Math.floor(eighths / 8)) + ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8]
}
