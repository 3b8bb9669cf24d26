/** The summary line on stderr: `12 received · 3 kept · 0 dropped · 4.1 s · 2.9/s`. */
import {roundedMs} from '../../core/record.ts'
import {formatCount, formatDuration, formatRate} from './units.ts'

/** The counts in the given order, then `facts`, the time, and the rate of the first count. */
export function summaryLine(
  counts: Readonly<Record<string, number>>,
  ms: number,
  facts: readonly string[] = [],
): string {
  const [first = 0] = Object.values(counts)
  const all = Object.entries(counts).map(([name, count]) => {
    return `${formatCount(count)} ${count === 1 ? name.replace(/s$/, '') : name}`
  })
  return [...all, ...facts, formatDuration(ms), formatRate((first * 1000) / ms)].join(' · ')
}

/** Least, median and greatest of these milliseconds, rounded to microseconds. */
export function spread(values: readonly number[]): {min: number; median: number; max: number} {
  const sorted = [...values].sort((a, b) => a - b).map(roundedMs)
  return {min: sorted[0] ?? 0, median: sorted[Math.floor(sorted.length / 2)] ?? 0, max: sorted.at(-1) ?? 0}
}
