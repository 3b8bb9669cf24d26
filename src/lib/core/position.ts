/**
 * Positions in a stream as text, the same on every command: `first` `last` `new` `end`, a sequence `1042`, the last N `-100`, a
 * time `@2026-11-20T10:00Z` or `@1763632800`, a time relative to now `@-15m`; and ranges `FROM..TO`, where either side may be
 * empty.
 */

import {BusError} from './errors.ts'
import {durationMs} from './time/duration.ts'
import {farthestMs, localTime, parseTime} from './time/timestamp.ts'

/** A start; `first` and `end` are resolved when the stream is read. Times are Unix milliseconds. */
export type Position = 'first' | 'end' | {readonly seq: number} | {readonly timeMs: number} | {readonly last: number}

/** Both ends are inclusive. Without `to` it ends at the end of the stream. */
export interface Range {
  readonly from: Position
  readonly to?: {readonly seq: number} | {readonly timeMs: number} | undefined
}

const words: Readonly<Record<string, Position>> = {first: 'first', last: {last: 1}, new: 'end', end: 'end'}

/** Parses a position; `now` is Unix milliseconds. Throws `usage`. */
export function parsePosition(text: string, now: number = Date.now()): Position {
  const word = Object.hasOwn(words, text) ? words[text] : undefined
  if (word !== undefined) return word
  const seq = parseSeq(text)
  if (seq !== undefined) return {seq}
  const last = text.startsWith('-') ? parseSeq(text.slice(1)) : undefined
  if (last !== undefined) return {last}
  if (text.startsWith('@')) return {timeMs: parseMoment(text, now)}
  throw new BusError('usage', `${JSON.stringify(text)} is not a position in a stream`, {try: hints})
}

/** A whole number from 1 to 2^53 - 1; undefined for any other text. */
export function parseSeq(text: string): number | undefined {
  const seq = /^\d+$/.test(text) ? Number(text) : 0
  return seq > 0 && Number.isSafeInteger(seq) ? seq : undefined
}

/** Parses `FROM..TO`; either side may be empty. Throws `usage`. */
export function parseRange(text: string, now: number = Date.now()): Range {
  const dots = text.indexOf('..')
  if (dots < 0) throw new BusError('usage', `${JSON.stringify(text)} is not a range`, {try: ['500..', '@-1h..@-30m']})
  const from = text.slice(0, dots)
  const to = text.slice(dots + 2)
  return {from: from === '' ? 'first' : parsePosition(from, now), to: to === '' ? undefined : parseEnd(to, now)}
}

/** Parses the end of a range: a position that is not relative to the end. Throws `usage`. */
export function parseEnd(text: string, now: number = Date.now()): Range['to'] {
  const position = parsePosition(text, now)
  if (position === 'end') return undefined
  if (typeof position === 'object' && !('last' in position)) return position
  throw new BusError('usage', `${JSON.stringify(text)} is not a position to end at`, {
    try: ['a sequence, a time, or end'],
  })
}

/** A position in text form. */
export function formatPosition(position: Position): string {
  if (typeof position === 'string') return position
  if ('seq' in position) return String(position.seq)
  if ('last' in position) return position.last === 1 ? 'last' : `-${position.last}`
  return `@${localTime(position.timeMs)}`
}

const hints = ['first, last, end', 'a sequence: 1042', 'the last 100: -100', 'a time: @2026-11-20T10:00Z or @-15m']

function parseMoment(text: string, now: number): number {
  const timeMs = momentMs(text.slice(1), now)
  if (Math.abs(timeMs) <= farthestMs) return timeMs
  throw new BusError('usage', `${JSON.stringify(text)} is not a time`, {
    try: ['@2026-11-20T10:00Z', '@1763632800', '@-15m'],
  })
}

/** NaN for an invalid time. */
function momentMs(moment: string, now: number): number {
  if (/^\d{1,12}(\.\d+)?$/.test(moment)) return Number(moment) * 1000
  const ago = moment.startsWith('-') ? durationMs(moment.slice(1)) : undefined
  if (ago !== undefined) return now - ago
  // JavaScript takes a day without a time as one of UTC.
  if (/^(\d{4}|[+-]\d{6})-\d\d-\d\d$/.test(moment)) return parseTime(`${moment}T00:00`)
  return /^(\d{4}|[+-]\d{6})-\d\d(-\d\d|$)/.test(moment) ? parseTime(moment) : Number.NaN
}
