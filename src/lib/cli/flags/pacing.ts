/** How many, for how long, and how fast. */
import {BusError} from '../../core/errors.ts'
import {count, duration, rate, value} from './kinds.ts'

export const pacingFlags = {
  count: count('end after this many messages', {char: 'n'}),
  for: duration('end after this long'),
  idle: duration('end after this long without output'),
  concurrency: count('how many to handle at the same time', {char: 'c'}),
  every: duration('publish a message at this interval'),
  rate: rate('messages per second, minute or hour, such as 200/s'),
  speed: value('replay at the recorded pace (1), a multiple of it (2.5), or max', '<factor>', parseSpeed),
  window: count('maximum number of unacknowledged messages (default: 1000)'),
}

/** A multiple of the recorded speed; `max` is Infinity. Throws `usage`. */
function parseSpeed(input: string): number {
  if (input === 'max') return Number.POSITIVE_INFINITY
  const value = /^\d+(\.\d+)?$/.test(input) ? Number(input) : 0
  if (value > 0) return value
  throw new BusError('usage', `${JSON.stringify(input)} is not a speed`, {try: ['write 1, 2.5 or max']})
}
