/** `stream grep`: its flags, which messages match, and the range to search. */
import {filterFlags} from '../../lib/cli/flags/filter.ts'
import type {FlagValues} from '../../lib/cli/flags/kinds.ts'
import {countOrZero, toggle, variant} from '../../lib/cli/flags/kinds.ts'
import {pacingFlags} from '../../lib/cli/flags/pacing.ts'
import {streamFlags} from '../../lib/cli/flags/stream.ts'
import {viewFlags} from '../../lib/cli/flags/view.ts'
import {BusError} from '../../lib/core/errors.ts'
import type {Message} from '../../lib/core/message.ts'
import {RegexError} from '../../lib/core/text/regex.ts'
import {compileFilter, compileRegex} from '../../lib/messaging/pubsub/filter.ts'
import {firstFrom} from '../../lib/messaging/stored/places.ts'
import type {Neighbours} from '../../lib/messaging/stored/search.ts'
import type {StreamInfo, Streams} from '../../lib/transport/streams-contract.ts'

const neighbours = ['after', 'before', 'around'] as const

export const grepFlags = {
  where: filterFlags.where,
  filter: filterFlags.filter,
  'ignore-case': toggle('ignore upper and lower case'),
  count: variant(pacingFlags.count, {description: 'end after this many matches'}),
  after: countOrZero('also show this many messages stored after each match', {char: 'A'}),
  before: countOrZero('also show this many messages stored before each match', {char: 'B'}),
  around: countOrZero('both --before and --after', {char: 'C', exclusive: ['after', 'before']}),
  total: toggle('only count the matches', {exclusive: [...neighbours, 'count']}),
  'oldest-first': toggle('begin with the oldest messages'),
  from: streamFlags.from,
  to: streamFlags.to,
  ...viewFlags,
}

export type GrepFlags = FlagValues<typeof grepFlags> & {readonly json?: boolean | undefined}

/** Returns the matching messages of a batch. */
export type MessageMatcher = (batch: readonly Message[]) => ReadonlySet<Message> | Promise<ReadonlySet<Message>>

/** Throws `usage`. `onFailure` is called the first time that a message cannot be tested. */
export async function matcherOf(
  pattern: string | undefined,
  {where, 'ignore-case': ignoreCase}: GrepFlags,
  onFailure: (sentence: string) => void,
): Promise<MessageMatcher> {
  if (pattern === undefined && where === undefined)
    throw new BusError('usage', 'a pattern or --where is missing', {
      try: ['bus stream grep ORDERS refund', `bus stream grep ORDERS --where 'json.total > 100'`],
    })
  const test = pattern === undefined ? () => true : await textTest(ignoreCase ? `(?i)${pattern}` : pattern)
  const keep = await compileFilter({where, onFailure})
  let isTold = false
  const isMatch = (message: Message) => {
    try {
      return test(message.text) || test(message.subject) || message.headers.some((line) => test(line.join(': ')))
    } catch (error) {
      if (!(error instanceof RegexError)) throw error
      if (!isTold) onFailure(error.message)
      isTold = true
      return false
    }
  }
  return async (batch) => {
    const matching = batch.filter(isMatch)
    return new Set(keep === undefined ? matching : await keep(matching))
  }
}

/** Text without special characters is found faster without the engine. */
async function textTest(pattern: string): Promise<(text: string) => boolean> {
  if (/^[\w\s"':;,=@#%&/<>~-]+$/.test(pattern)) return (text) => text.includes(pattern)
  const regex = await compileRegex(pattern, 'PATTERN')
  return (text) => regex.test(text)
}

/** The neighbours to show before and after a match in the order of the search. */
export function neighboursOf({before, after, around = 0, 'oldest-first': forwards}: GrepFlags): Neighbours {
  const stored = {before: before ?? around, after: after ?? around}
  return forwards ? stored : {before: stored.after, after: stored.before}
}

/** The first and the last sequence to search; undefined if there is nothing. */
export async function searchRange(
  streams: Streams,
  {config, state}: StreamInfo,
  {from = 'first', to = 'end', filter}: GrepFlags,
): Promise<{readonly from: number; readonly to: number} | undefined> {
  const {name} = config
  if (from === 'end' || state.messages === 0) return undefined
  const first = from === 'first' ? state.firstSeq : await firstFrom(streams, name, from, filter)
  if (first === undefined) return undefined
  if (to === 'end') return {from: first, to: state.lastSeq}
  if ('seq' in to) return {from: first, to: Math.min(to.seq, state.lastSeq)}
  const later = await firstFrom(streams, name, to, undefined)
  return {from: first, to: later === undefined ? state.lastSeq : later - 1}
}
