/** Units as text (`5s`, `1.5KiB`, `1000/s`) and as numbers (milliseconds, bytes, per second). */

import {BusError} from '../../core/errors.ts'
import {counted, formatCount} from '../../core/text/count.ts'
import {durationMs} from '../../core/time/duration.ts'
import {localTime} from '../../core/time/timestamp.ts'

export {counted, formatCount}

const sizeUnits: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
}
const perUnits: Readonly<Record<string, number>> = {s: 1, m: 60, h: 3600}
const multiples: Readonly<Record<string, number>> = {k: 1000, M: 1_000_000}
/** The longest wait of a timer of the platform. */
const longestMs = 2 ** 31 - 1

export interface DurationRange {
  readonly fromMs: number
  readonly toMs: number
}

/** `100ms`, `5s`, `1.5m`, `2h`, `1h30m` in milliseconds. Throws `usage`. */
export function parseDuration(text: string): number {
  const ms = parseAge(text)
  if (ms > longestMs) throw new BusError('usage', `the duration ${JSON.stringify(text)} is over the limit of 24d`)
  return ms
}

/** Like `parseDuration`, without an upper limit: for durations that no timer waits for. */
export function parseAge(text: string): number {
  const ms = durationMs(text)
  if (ms === undefined) throw bad(text, `a duration${reason(text)}`, '100ms, 5s, 1.5m or 1h30m')
  return ms
}

/** `50ms..200ms`, or one duration for both ends. Throws `usage`. */
export function parseDurationRange(text: string): DurationRange {
  const [from = '', to = from, ...rest] = text.split('..')
  if (rest.length > 0) throw bad(text, 'a range of durations', '50ms..200ms')
  const range = {fromMs: parseDuration(from), toMs: parseDuration(to)}
  if (range.fromMs > range.toMs) throw new BusError('usage', `the range ${JSON.stringify(text)} starts after its end`)
  return range
}

/** `128`, `64kB`, `1KiB`, `1.5MiB` in bytes. Throws `usage`. */
export function parseSize(text: string): number {
  const [, amount, unit = ''] = /^(\d+(?:\.\d+)?)([a-z]*)$/i.exec(text) ?? []
  const factor = sizeUnits[unit.toLowerCase()]
  const bytes = Math.round(Number(amount) * (factor ?? Number.NaN))
  if (!Number.isSafeInteger(bytes)) throw bad(text, 'a size', '128, 64kB, 1KiB or 1.5MiB')
  return bytes
}

/** `1000/s`, `40k/s`, `5/m`, `10/h` as a number per second. Throws `usage`. */
export function parseRate(text: string): number {
  const [, amount, thousands = '', unit = ''] = /^(\d+(?:\.\d+)?)([kM]?)\/([smh])$/.exec(text) ?? []
  const rate = (Number(amount) * (multiples[thousands] ?? 1)) / (perUnits[unit] ?? 1)
  if (!(rate > 0 && Number.isFinite(rate))) throw bad(text, 'a rate above zero', '1000/s, 40k/s or 5/m')
  return rate
}

/** `5%`, `0.1%` as a fraction from 0 to 1. Throws `usage`. */
export function parsePercent(text: string): number {
  const [, amount] = /^(\d+(?:\.\d+)?)%$/.exec(text) ?? []
  if (amount === undefined || Number(amount) > 100) throw bad(text, 'a percentage from 0% to 100%', '5% or 0.1%')
  return Number(amount) / 100
}

/** `4.1 s`, `250 µs`, `2 min 5 s`, `3 d 4 h`. */
export function formatDuration(ms: number): string {
  if (ms < 0.9995) return `${Math.round(ms * 1000)} µs`
  if (ms < 9.95) return `${ms.toFixed(1)} ms`
  if (ms < 999.5) return `${Math.round(ms)} ms`
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`
}

/** `3 s ago`, `just now`, or `in 2 min 5 s` if the other clock is ahead. */
export function formatAgo(timeMs: number, now: number = Date.now()): string {
  const ms = now - timeMs
  if (Math.abs(ms) < 1000) return 'just now'
  return ms > 0 ? `${formatDuration(ms)} ago` : `in ${formatDuration(-ms)}`
}

/** `2026-11-20T10:24:31.482+09:00 (3.2 s ago)` */
export function formatMoment(timeMs: number): string {
  return `${localTime(timeMs)} (${formatAgo(timeMs)})`
}

/** `512 B`, `1.5 KiB`. */
export function formatBytes(bytes: number): string {
  let [amount, unit] = [bytes, 'B']
  for (const next of ['KiB', 'MiB', 'GiB', 'TiB']) {
    if (amount < 1024) break
    amount /= 1024
    unit = next
  }
  return `${unit === 'B' ? amount : amount.toFixed(1).replace(/\.0$/, '')} ${unit}`
}

/** `2.9/s`, `412,345/s`. */
export function formatRate(perSecond: number): string {
  if (!Number.isFinite(perSecond)) return '0/s'
  return `${perSecond < 10 ? perSecond.toFixed(1).replace(/\.0$/, '') : formatCount(Math.round(perSecond))}/s`
}

/** A change per second with its sign: `+12/s`, `-3.4/s`, `0/s`. */
export function formatGrowth(perSecond: number): string {
  const text = formatRate(Math.abs(perSecond))
  if (text === '0/s' || text === '0.0/s') return '0/s'
  return `${perSecond < 0 ? '-' : '+'}${text}`
}

/** For figures in JSON. */
export function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}

function reason(text: string): string {
  if (text.startsWith('-')) return ': it cannot be negative'
  return /^\d+(\.\d+)?$/.test(text) ? ': it has no unit' : ''
}

function bad(text: string, what: string, examples: string): BusError {
  return new BusError('usage', `${JSON.stringify(text)} is not ${what}`, {try: [`write ${examples}`]})
}
