/**
 * `node --import shifted-clock.ts`: a process whose wall clock is wrong by the milliseconds in the file CLOCK_SHIFT, which may
 * change at any time. The monotonic clock (`performance.now`, timers) is unaffected, as on a real machine.
 */
import {readFileSync} from 'node:fs'

const path = process.env['CLOCK_SHIFT']
const RealDate = Date

function shift(): number {
  return path === undefined ? 0 : Number(readFileSync(path, 'utf8'))
}

globalThis.Date = class extends RealDate {
  constructor(...args: unknown[]) {
    super(...((args.length === 0 ? [RealDate.now() + shift()] : args) as [number]))
  }

  static override now(): number {
    return RealDate.now() + shift()
  }
} as DateConstructor
