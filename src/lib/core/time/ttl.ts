import {BusError} from '../errors.ts'
import {durationText} from './duration.ts'

const leastMs = 1000
/** Servers count the end in nanoseconds up to the year 2262: what would end later, they remove at once. */
const mostMs = 73_000 * 86_400_000

/** The value of `Nats-TTL`, in whole seconds, as servers count it. Throws `usage`. */
export function ttlText(ms: number): string {
  if (ms < leastMs) throw new BusError('usage', `a TTL of ${durationText(ms)} is too short: it is at least 1s`)
  if (ms > mostMs)
    throw new BusError('usage', `a TTL of ${durationText(ms)} is too long: it is at most ${durationText(mostMs)}`)
  return `${Math.ceil(ms / 1000)}s`
}
