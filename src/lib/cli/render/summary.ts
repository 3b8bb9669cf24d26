/** The summary line on stderr: `12 received · 3 kept · 0 dropped · 4.1 s · 2.9/s`. */
import {BusError} from '../../core/errors.ts'
import {roundedMs} from '../../core/record.ts'
import type {Watched} from '../../messaging/pubsub/watch.ts'
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

/** Flags that bound what is shown; `from` is set if it is a range that may end. */
export interface BoundFlags {
  readonly count?: number | undefined
  readonly for?: number | undefined
  readonly idle?: number | undefined
  readonly from?: unknown
}

/** Fails with `timeout` if a bound was reached before `--count` messages were shown. */
export function checkEnough({kept, endedBy}: Pick<Watched, 'kept' | 'endedBy'>, flags: BoundFlags): void {
  const {count, for: forMs = 0, idle = 0} = flags
  if (count === undefined || kept >= count) return
  const data = {received: kept, wanted: count}
  const got = `got ${kept} of ${count} messages`
  if (endedBy === 'closed' && flags.from !== undefined)
    throw new BusError('timeout', `${got}: the range has no more messages`, {data, try: ['an earlier --from']})
  if (endedBy !== 'for' && endedBy !== 'idle') return
  const bound = endedBy === 'for' ? `within ${formatDuration(forMs)}` : `and then nothing for ${formatDuration(idle)}`
  throw new BusError('timeout', `${got} ${bound}`, {data, try: [`a longer --${endedBy}`]})
}

/** Least, median and greatest of these milliseconds, rounded to microseconds. */
export function spread(values: readonly number[]): {min: number; median: number; max: number} {
  const sorted = [...values].sort((a, b) => a - b).map(roundedMs)
  return {min: sorted[0] ?? 0, median: sorted[Math.floor(sorted.length / 2)] ?? 0, max: sorted.at(-1) ?? 0}
}
