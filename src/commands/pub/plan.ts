/** From the flags of `pub` to the messages to publish, and when. */

import {accessSync, constants, type Stats, statSync} from 'node:fs'
import {bodyFlags} from '../../lib/cli/flags/body.ts'
import {age, choice, countOrZero, type FlagValues, text, toggle, variant} from '../../lib/cli/flags/kinds.ts'
import {pacingFlags} from '../../lib/cli/flags/pacing.ts'
import {checkOneBody, inputName, readBody, readChunks} from '../../lib/cli/io/input.ts'
import {isTerminal} from '../../lib/cli/io/terminal.ts'
import {unescapeText} from '../../lib/cli/render/template.ts'
import {BusError} from '../../lib/core/errors.ts'
import {fileError} from '../../lib/core/file-error.ts'
import {checkHeader, type Headers, headerOf, type Outgoing} from '../../lib/core/message.ts'
import {checkSubject} from '../../lib/core/subject.ts'
import {shellWord} from '../../lib/core/text/shell-word.ts'
import {type Pace, recordedPace, steadyPace} from '../../lib/core/time/pace.ts'
import {ttlText} from '../../lib/core/time/ttl.ts'
import {splitLines} from '../../lib/messaging/pubsub/lines.ts'
import type {Done} from '../../lib/messaging/pubsub/publish.ts'
import {fromLines, fromRecords, type MessageSource, repeated} from '../../lib/messaging/pubsub/sources.ts'
import {compileTemplate, type Maker, randomPayloads} from '../../lib/messaging/pubsub/template.ts'
import type {Transport} from '../../lib/transport/contract.ts'
import {storeHeaders} from '../../lib/transport/streams-contract.ts'

const scheduled = {helpGroup: 'SERVER ONLY', dependsOn: ['ack']}
const unscheduled = ['lines', 'records', 'template']

export const pubFlags = {
  header: bodyFlags.header,
  reply: bodyFlags.reply,
  count: pacingFlags.count,
  every: variant(pacingFlags.every, {exclusive: ['rate', 'speed']}),
  rate: variant(pacingFlags.rate, {exclusive: ['speed']}),
  file: bodyFlags.file,
  encoding: bodyFlags.encoding,
  size: bodyFlags.size,
  template: bodyFlags.template,
  lines: toggle('each line of stdin or --file is a message', {exclusive: ['size', 'count']}),
  delimiter: text('what ends each line of the input instead of a newline, such as \\t \\0 \\r\\n', '<text>', {
    dependsOn: ['lines'],
  }),
  records: text('publish the records (NDJSON) in this file; - for stdin', '<path>', {
    exclusive: ['lines', 'file', 'size', 'count', 'encoding', 'template', 'reply', 'msg-id'],
  }),
  'obey-headers': variant(bodyFlags['obey-headers'], {dependsOn: ['records']}),
  speed: variant(pacingFlags.speed, {dependsOn: ['records']}),
  ack: toggle('wait until a stream has stored each message', {exclusive: ['reply']}),
  batch: toggle('store all messages in one stream, or none; it has to allow it (--allow-atomic)', {
    exclusive: ['reply', 'every', 'rate', 'speed', 'window', 'at', 'after', 'cron'],
  }),
  'msg-id': text('message id, which a stream uses to store a message only once', '<id>', {dependsOn: ['ack']}),
  'expect-last-seq': countOrZero('store the message only if this is the last sequence of the stream', {
    dependsOn: ['ack'],
    exclusive: ['lines', 'records', 'count', 'every', 'rate'],
  }),
  'expect-last-for-subject': countOrZero('store the message only if this is the last sequence of its subject', {
    dependsOn: ['ack'],
    exclusive: ['lines', 'records', 'count', 'every', 'rate'],
  }),
  'expect-stream': text('store the message only if its stream has this name', '<stream>', {dependsOn: ['ack']}),
  rollup: choice(
    'the message replaces earlier ones of its subject, or of the stream, which has to allow it',
    [...(['subject', 'all'] as const)],
    {dependsOn: ['ack']},
  ),
  ttl: age(
    'remove the message from its stream after this time (at least 1s); the stream has to allow it (--allow-ttl)',
    {dependsOn: ['ack']},
  ),
  at: text('publish the message to --target at this time, such as 2030-01-01T06:00Z', '<time>', {
    ...scheduled,
    exclusive: ['after', 'cron', ...unscheduled],
  }),
  after: age('publish the message to --target after this time', {...scheduled, exclusive: ['cron', ...unscheduled]}),
  cron: text(
    'publish the message to --target again and again: @every 5m, @hourly, or six fields from seconds on',
    '<schedule>',
    {
      ...scheduled,
      exclusive: unscheduled,
    },
  ),
  target: text('the subject for --at, --after and --cron, in the same stream', '<subject>', {
    helpGroup: 'SERVER ONLY',
    relationships: [{type: 'some', flags: ['at', 'after', 'cron']}],
  }),
  window: variant(pacingFlags.window, {
    description:
      'maximum number of unacknowledged messages (default: 1000, on a slow network up to 8000); 1 keeps the order even if a leader changes',
    dependsOn: ['ack'],
  }),
}

export type PubFlags = FlagValues<typeof pubFlags> & {
  readonly subject?: string | undefined
  readonly body?: string | undefined
}

type Bus = Pick<Transport, 'url' | 'maxPayload'>

export interface Plan {
  /**
   * Created once the bus is known, because its payload limit matters. Fails with `usage` if the limit will certainly be
   * exceeded.
   */
  readonly source: (bus: Bus) => MessageSource
  readonly pace: Pace | undefined
  readonly progress: {
    readonly unit: 'messages' | 'bytes'
    /** Undefined if the end is unknown. */
    readonly total: number | undefined
    /** The progress so far. */
    readonly value: (done: Done) => number
  }
  /** The command runs for a while, so a lost connection is worth waiting for. */
  readonly isStream: boolean
  /** Runs until Ctrl-C, which then does not count as an interruption. */
  readonly endless: boolean
  /** Text to show before a user types lines. */
  readonly prompt?: string | undefined
}

/** Checks the flags and reads the body before a bus is opened. Fails with `usage` for flags that cannot be combined. */
export async function planPublish(given: PubFlags, signal: AbortSignal): Promise<Plan> {
  checkFlags(given)
  const isScheduled = (given.at ?? given.after ?? given.cron) !== undefined
  const later = isScheduled ? (await import('./schedule.ts')).scheduleHeaders(given) : []
  const flags = {...given, header: withHeaders(given.header ?? [], [...headersOf(given), ...later])}
  checkMessageId(flags)
  const pace = paceOf(flags)
  if (flags.records !== undefined) return planRecords(flags, flags.records, pace, signal)
  if (flags.lines) return planLines(flags, pace, signal)
  const count = flags.count ?? (pace === undefined ? 1 : Number.POSITIVE_INFINITY)
  const data = await readBody(flags, signal)
  const make = makerOf(flags, data)
  return {
    source: (bus) => repeated(flags.size === undefined ? make : sized(make, flags.size, bus), count),
    pace,
    progress: {...byCount, total: count === Number.POSITIVE_INFINITY ? undefined : count},
    isStream: count > 1,
    endless: count === Number.POSITIVE_INFINITY,
  }
}

function checkFlags(flags: PubFlags): void {
  const {subject, body, records, lines, template, reply} = flags
  if (records !== undefined && subject !== undefined) {
    throw new BusError('usage', 'records have their own subjects: SUBJECT and --records cannot be used together', {
      try: [`bus pub --records ${shellWord(records)}`],
    })
  }
  if (lines && body !== undefined && body !== '-') {
    throw new BusError('usage', 'with --lines the messages come from stdin or --file, not from the argument', {
      try: ['leave the body out', 'leave --lines out'],
    })
  }
  if (lines || records !== undefined) checkOneBody(flags)
  if (records !== undefined) return
  if (subject === undefined)
    throw new BusError('usage', 'SUBJECT is missing', {try: ['bus pub orders.created \'{"id":1}\'']})
  if (!template) checkSubject(subject)
  if (reply !== undefined) checkSubject(reply)
}

/** With one id for several messages, a stream would store the first and drop the others as duplicates. */
function checkMessageId({header = [], lines, records, count, every, rate, template}: PubFlags): void {
  const id = headerOf(header, storeHeaders.msgId)
  const isRepeated = (count ?? 1) > 1 || (count === undefined && (every !== undefined || rate !== undefined))
  const isMany = lines || records !== undefined || isRepeated
  if (id === undefined || !isMany || (template && /[{]/.test(id))) return
  throw new BusError('usage', `all messages would have the id ${JSON.stringify(id)}: a stream stores only the first`, {
    try: ["--template --msg-id 'NAME-{n}'"],
  })
}

/** The given headers and those of flags. Throws `usage` for one that is in both, because a store would act on the first only. */
function withHeaders(given: Headers, ofFlags: Headers): Headers {
  const names = new Set(ofFlags.map(([name]) => name.toLowerCase()))
  const twice = given.find(([name]) => names.has(name.toLowerCase()))
  if (twice !== undefined)
    throw new BusError('usage', `the header ${twice[0]} is also given by a flag`, {try: ['only one of them']})
  return [...given, ...ofFlags]
}

/** The headers of flags: expectations for the stream, and what it should do with the message. */
function headersOf(flags: PubFlags): Headers {
  const {'msg-id': msgId, 'expect-last-seq': lastSeq, 'expect-last-for-subject': ofSubject} = flags
  const {'expect-stream': stream, rollup, ttl} = flags
  const headers: (readonly [string, string])[] = []
  if (stream !== undefined) headers.push(checkHeader(storeHeaders.expectedStream, stream))
  if (ofSubject !== undefined) headers.push([storeHeaders.expectedLastSubjectSeq, String(ofSubject)])
  if (rollup !== undefined) headers.push([storeHeaders.rollup, rollup === 'subject' ? 'sub' : 'all'])
  if (ttl !== undefined) headers.push([storeHeaders.ttl, ttlText(ttl)])
  if (msgId !== undefined) headers.push(checkHeader(storeHeaders.msgId, msgId))
  if (lastSeq !== undefined) headers.push([storeHeaders.expectedLastSeq, String(lastSeq)])
  return headers
}

function paceOf({every, rate, speed}: PubFlags): Pace | undefined {
  if (every !== undefined) return steadyPace(every)
  if (rate !== undefined) return steadyPace(1000 / rate)
  return speed === undefined || speed === Number.POSITIVE_INFINITY ? undefined : recordedPace(speed)
}

function makerOf(flags: PubFlags, data: Outgoing['data']): Maker {
  const pattern: Outgoing = {subject: flags.subject ?? '', data, headers: flags.header, reply: flags.reply}
  return flags.template ? compileTemplate(pattern) : () => pattern
}

function sized(make: Maker, size: number, {url, maxPayload}: Bus): Maker {
  if (size <= maxPayload) return randomPayloads(make, size)
  throw new BusError('usage', `--size is ${size} bytes, but ${url} accepts at most ${maxPayload}`, {
    data: {size, limit: maxPayload},
  })
}

function planLines(flags: PubFlags, pace: Pace | undefined, signal: AbortSignal): Plan {
  const path = flags.file ?? '-'
  const delimiter = unescapeText(flags.delimiter ?? '\n', '--delimiter')
  if (delimiter === '') throw new BusError('usage', '--delimiter is empty, so there would be no lines')
  const make = makerOf(flags, undefined)
  const input = measured(path, signal)
  const {encoding} = flags
  return {
    source({maxPayload}) {
      const lines = splitLines(input.chunks, {delimiter, longest: encoding ? 4 * maxPayload : maxPayload})
      return fromLines(lines, make, {encoding, name: inputName(path)})
    },
    pace,
    progress: pace === undefined ? input.progress : byCount,
    isStream: true,
    ...typed(path, flags),
  }
}

function planRecords(flags: PubFlags, path: string, pace: Pace | undefined, signal: AbortSignal): Plan {
  const input = measured(path, signal)
  return {
    source({maxPayload}) {
      const lines = splitLines(input.chunks, {delimiter: '\n', longest: longestRecord(maxPayload)})
      return fromRecords(lines, {
        name: inputName(path),
        headers: flags.header,
        obeyHeaders: flags['obey-headers'],
      })
    },
    pace,
    progress: pace === undefined ? input.progress : byCount,
    isStream: true,
    ...typed(path, flags),
  }
}

/** A record may contain a payload twice, with each byte as `\u00ff`, and it has headers. */
function longestRecord(maxPayload: number): number {
  return 12 * maxPayload + 16 * 1024 * 1024
}

function typed(path: string, {batch}: PubFlags): Pick<Plan, 'endless' | 'prompt'> {
  if (path !== '-' || !isTerminal(0)) return {endless: false}
  const what = batch ? 'the lines you type are stored together' : 'each line you type is published;'
  return {endless: true, prompt: batch ? `${what} when you press Ctrl-D` : `${what} press Ctrl-D to end`}
}

const byCount: Plan['progress'] = {unit: 'messages', total: undefined, value: ({published}) => published}

/** An input that reports how much of it was read, if its size is known. */
function measured(path: string, signal: AbortSignal): {chunks: AsyncIterable<Uint8Array>; progress: Plan['progress']} {
  const stat = path === '-' ? undefined : readable(path)
  let read = 0
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for await (const chunk of readChunks(path, signal)) {
      read += chunk.length
      yield chunk
    }
  }
  const progress = stat?.isFile() ? ({unit: 'bytes', total: stat.size, value: () => read} as const) : byCount
  return {chunks: chunks(), progress}
}

/** Reports an unreadable file before a bus is opened. */
function readable(path: string): Stats {
  try {
    accessSync(path, constants.R_OK)
    return statSync(path)
  } catch (error) {
    throw fileError(error, 'read', path)
  }
}
