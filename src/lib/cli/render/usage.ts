/** What an account uses of JetStream, and what it may use. */
import type {Usage} from '../../transport/contract.ts'
import {counted, formatBytes, formatCount} from './units.ts'

/** `3 of 10 streams`; without a limit `3 streams`. */
export function usedCount({used, limit}: Usage, thing: string): string {
  return limit === undefined ? counted(used, thing) : `${formatCount(used)} of ${counted(limit, thing)}`
}

/** `3 GiB of 10 GiB`; without a limit `3 GiB`. */
export function usedBytes({used, limit}: Usage): string {
  return limit === undefined ? formatBytes(used) : `${formatBytes(used)} of ${formatBytes(limit)}`
}
