/** Times as text, made for millions of messages: the part down to the second is cached. */

/** ISO 8601 with microseconds, from Unix milliseconds with fractions. Undefined for an invalid time. */
export function isoClock(): (timeMs: number) => string | undefined {
  return clock((second) => [new Date(second * 1000).toISOString().slice(0, -4), 'Z'], 6)
}

/** `2026-11-20T10:24:31.482Z`, of Unix milliseconds. */
export function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString()
}

/** Unix milliseconds of a time in ISO 8601; NaN for an invalid one, for example if the month does not have that day. */
export function parseTime(text: string): number {
  const [, year, month, day] = /^([+-]\d{6}|\d{4})-(\d\d)-(\d\d)/.exec(text) ?? []
  // JavaScript reads 31 February as 3 March.
  const isDay =
    day === undefined || new Date(Date.UTC(2000 + (Number(year) % 400), Number(month), 0)).getUTCDate() >= Number(day)
  return isDay ? Date.parse(text) : Number.NaN
}

/** The local time of day with its zone: `10:24:31.482+09:00`. */
export function localClock(): (timeMs: number) => string | undefined {
  return clock((second) => {
    const date = new Date(second * 1000)
    return [timeOfDay(date), zoneOf(date)]
  }, 3)
}

/** The local date and time with its zone: `2026-11-20T10:24:31.482+09:00`, which a position can contain. */
export function localCalendarClock(): (timeMs: number) => string | undefined {
  return clock((second) => {
    const date = new Date(second * 1000)
    return [`${localDate(date)}T${timeOfDay(date)}`, zoneOf(date)]
  }, 3)
}

/** Like `localCalendarClock`, for one time. */
export function localTime(timeMs: number): string {
  return localCalendarClock()(timeMs) ?? 'an invalid time'
}

/** Unix seconds with microseconds: `1763632800.123456`. */
export function unixSeconds(timeMs: number): string {
  const {second, part} = split(timeMs, 6)
  return `${second}.${pad(part, 6)}`
}

/** The latest instant that a JavaScript date can represent, counted from 1970 in either direction. */
export const farthestMs = 8.64e15

function clock(
  ends: (second: number) => [head: string, tail: string],
  digits: 3 | 6,
): (timeMs: number) => string | undefined {
  let lastSecond: number | undefined
  let [head, tail] = ['', '']
  return (timeMs) => {
    if (!(Math.abs(timeMs) < farthestMs)) return undefined
    const {second, part} = split(timeMs, digits)
    if (second !== lastSecond) {
      lastSecond = second
      ;[head, tail] = ends(second)
    }
    return head + pad(part, digits) + tail
  }
}

/** Whole seconds, and the remainder in milliseconds (truncated) or microseconds (rounded). */
function split(timeMs: number, digits: 3 | 6): {readonly second: number; readonly part: number} {
  const second = Math.floor(timeMs / 1000)
  const rest = timeMs - second * 1000
  const part = digits === 3 ? Math.floor(rest) : Math.round(rest * 1000)
  return part < 10 ** digits ? {second, part} : {second: second + 1, part: 0}
}

function localDate(date: Date): string {
  return [yearOf(date), pad(date.getMonth() + 1, 2), pad(date.getDate(), 2)].join('-')
}

function timeOfDay(date: Date): string {
  return `${[date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => pad(part, 2)).join(':')}.`
}

/** Four digits, or as in ISO 8601 six with a sign. */
function yearOf(date: Date): string {
  const year = date.getFullYear()
  if (year >= 0 && year <= 9999) return pad(year, 4)
  return `${year < 0 ? '-' : '+'}${pad(Math.abs(year), 6)}`
}

/** `+09:00`, or `Z` for UTC. */
function zoneOf(date: Date): string {
  const minutes = -Math.round(date.getTimezoneOffset())
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60]
  return minutes === 0 ? 'Z' : `${minutes < 0 ? '-' : '+'}${pad(hours, 2)}:${pad(rest, 2)}`
}

function pad(value: number, digits: number): string {
  return String(value).padStart(digits, '0')
}
