/**
 * Places in a stream as people write them, the same on every command: `first` `last` `new` `end`, a sequence `1042`,
 * the last N `-100`, a time `@2026-11-20T10:00Z` or `@1763632800`, a while ago `@-15m`; a range `FROM..TO`, either
 * side empty.
 */

import {BusError} from './errors.ts'
import {durationMs} from './time/duration.ts'
import {farthestMs, isoTime} from './time/timestamp.ts'

/** Where something begins; `first` and `end` are those of the stream when it is asked. Times are Unix milliseconds. */
export type Position = 'first' | 'end' | {readonly seq: number} | {readonly timeMs: number} | {readonly last: number}

/** Both ends are of it. Without `to` it ends where the stream does. */
export interface Range {
  readonly from: Position
  readonly to?: {readonly seq: number} | {readonly timeMs: number} | undefined
}

const words: Readonly<Record<string, Position>> = {first: 'first', last: {last: 1}, new: 'end', end: 'end'}

/** A position as it stands on a command line; `now` is Unix milliseconds. Throws `usage`. */
export function parsePosition(text: string, now: number = Date.now()): Position {
  const word = Object.hasOwn(words, text) ? words[text] : undefined
  if (word !== undefined) return word
  if (/^\d{1,15}$/.test(text) && Number(text) > 0) return {seq: Number(text)}
  if (/^-\d{1,15}$/.test(text) && Number(text) < 0) return {last: -Number(text)}
  if (text.startsWith('@')) return {timeMs: parseMoment(text, now)}
  throw new BusError('usage', `${JSON.stringify(text)} is not a position in a stream`, {try: hints})
}

/** `FROM..TO`, either side empty. Throws `usage`. */
export function parseRange(text: string, now: number = Date.now()): Range {
  const dots = text.indexOf('..')
  if (dots < 0) throw new BusError('usage', `${JSON.stringify(text)} is not a range`, {try: ['500..', '@-1h..@-30m']})
  const from = text.slice(0, dots)
  const to = text.slice(dots + 2)
  return {from: from === '' ? 'first' : parsePosition(from, now), to: to === '' ? undefined : parseEnd(to, now)}
}

/** Where something ends: a position that does not depend on the end. Throws `usage`. */
export function parseEnd(text: string, now: number = Date.now()): Range['to'] {
  const position = parsePosition(text, now)
  if (position === 'end') return undefined
  if (typeof position === 'object' && !('last' in position)) return position
  throw new BusError('usage', `${JSON.stringify(text)} is not a position to end at`, {
    try: ['a sequence, a time, or end'],
  })
}

/** A position as it is written. */
export function formatPosition(position: Position): string {
  if (typeof position === 'string') return position
  if ('seq' in position) return String(position.seq)
  if ('last' in position) return position.last === 1 ? 'last' : `-${position.last}`
  return `@${isoTime(position.timeMs)}`
}

const hints = ['first, last, end', 'a sequence: 1042', 'the last 100: -100', 'a time: @2026-11-20T10:00Z or @-15m']

function parseMoment(text: string, now: number): number {
  const timeMs = momentMs(text.slice(1), now)
  if (Math.abs(timeMs) <= farthestMs) return timeMs
  throw new BusError('usage', `${JSON.stringify(text)} is not a time`, {
    try: ['@2026-11-20T10:00Z', '@1763632800', '@-15m'],
  })
}

/** NaN for what is no time. */
function momentMs(moment: string, now: number): number {
  if (/^\d{1,12}(\.\d+)?$/.test(moment)) return Number(moment) * 1000
  const ago = moment.startsWith('-') ? durationMs(moment.slice(1)) : undefined
  if (ago !== undefined) return now - ago
  return /^(\d{4}|[+-]\d{6})-\d\d(-\d\d|$)/.test(moment) ? Date.parse(moment) : Number.NaN
}
