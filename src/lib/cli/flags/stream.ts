/** Streams, and positions in them. */
import {BusError} from '../../core/errors.ts'
import {type Position, parseEnd, parsePosition, type Range} from '../../core/position.ts'
import {argument, choice, count, text, toggle, value} from './kinds.ts'

/** The end of a range; `end` is resolved when the stream is read. */
export type RangeEnd = NonNullable<Range['to']> | 'end'

export const streamFlags = {
  from: value(
    'where to start: first, last, new, 1042, -100 (the last 100), @2026-11-20T10:00Z or @-15m',
    '<position>',
    (text): Position => parsePosition(text),
  ),
  to: value(
    'stop after this sequence, at this time, or at the current end (end)',
    '<position>',
    (text): RangeEnd => parseEnd(text) ?? 'end',
  ),
  durable: text('take from this durable consumer of the stream, and acknowledge what is written', '<name>'),
  create: toggle('create the consumer, or with --into the stream, if it does not exist'),
  description: text('description', '<text>'),
  'if-missing': toggle('succeed if one with this name exists, whatever its configuration'),
  yes: toggle('do not ask'),
}

/** Where messages are stored. */
export const storageFlags = {
  storage: choice('where the server stores messages (default: file)', ['file', 'memory']),
  replicas: count('number of replicas in a cluster (default: 1)'),
}

export const streamArgs = {stream: argument({description: 'name of the stream', required: true})}

/** `team=billing` */
export function parsePair(input: string): readonly [string, string] {
  const at = input.indexOf('=')
  if (at > 0) return [input.slice(0, at), input.slice(at + 1)]
  throw new BusError('usage', `${JSON.stringify(input)} is not a name and a value`, {try: ['team=billing']})
}
