import type {Db} from '../db.ts'
import type {State} from './catalogue.ts'

/** Finds the first sequence of the log at or after a time in microseconds. Times never decrease with the sequence. */
export function findByTime(db: Db): (state: State, ts: number) => number {
  const next = db.prepare('SELECT seq, ts FROM msg WHERE seq >= +? ORDER BY seq LIMIT 1').raw()
  return (state, ts) => {
    let low = state.first
    let high = state.last + 1
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      const [seq, time] = (next.get(middle) as [number, number] | undefined) ?? [high, ts]
      if (time >= ts) high = middle
      else low = seq + 1
    }
    return low
  }
}
