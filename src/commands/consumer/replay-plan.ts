/** `consumer replay`: from flags to a range or consumer, a policy and a pace, and the texts about them. */
import type {ChalkInstance} from 'chalk'
import {checkProgram} from '../../lib/cli/base/program.ts'
import {answerFlags} from '../../lib/cli/flags/answer.ts'
import {bodyFlags} from '../../lib/cli/flags/body.ts'
import {consumerFlags} from '../../lib/cli/flags/consumer.ts'
import {filterFlags} from '../../lib/cli/flags/filter.ts'
import type {FlagValues} from '../../lib/cli/flags/kinds.ts'
import {choice, duration, text, toggle, value, variant} from '../../lib/cli/flags/kinds.ts'
import {pacingFlags} from '../../lib/cli/flags/pacing.ts'
import {streamFlags} from '../../lib/cli/flags/stream.ts'
import {viewFlags} from '../../lib/cli/flags/view.ts'
import {webhookFlags} from '../../lib/cli/flags/webhook.ts'
import {summaryLine} from '../../lib/cli/render/summary.ts'
import {table} from '../../lib/cli/render/table.ts'
import {formatBytes, formatCount} from '../../lib/cli/render/units.ts'
import {BusError, isFailure} from '../../lib/core/errors.ts'
import {type Position, parsePosition, parseRange, type Range} from '../../lib/core/position.ts'
import {type Pace, recordedPace, steadyPace} from '../../lib/core/time/pace.ts'
import {isoTime, localTime} from '../../lib/core/time/timestamp.ts'
import type {Policy, Replayed} from '../../lib/messaging/replay/replay.ts'
import {findConsumer} from '../../lib/messaging/replay/source.ts'
import type {MessageCounts, Survey} from '../../lib/messaging/replay/survey.ts'
import {resetAt, startAt} from '../../lib/messaging/stored/places.ts'
import type {ConsumerInfo, ReadOptions, Streams} from '../../lib/transport/streams-contract.ts'
import {inFlightText} from './settings.ts'

const sinks = ['exec', 'exec-lines', 'webhook', 'republish', 'into', 'step', 'dry-run']
const views = Object.keys(viewFlags).filter((name) => name !== 'delimiter')

/** The relations of a flag that says where messages go: there is one such flag, and it excludes a view. */
function sink(name: string): {exclusive: string[]} {
  return {exclusive: [...sinks.filter((other) => other !== name), ...views]}
}

export const replayFlags = {
  from: streamFlags.from,
  to: streamFlags.to,
  range: text('a range, instead of --from and --to: 500..900, @-1h..@-30m, ..1042', '<from..to>', {
    exclusive: ['from', 'to'],
  }),
  filter: filterFlags.filter,
  'last-per-subject': toggle('only the last message of each subject', {
    exclusive: ['from', 'range', 'follow', 'count'],
  }),
  match: filterFlags.match,
  where: filterFlags.where,
  follow: toggle('continue with new messages', {exclusive: ['to', 'range', 'peek', 'dry-run']}),
  count: pacingFlags.count,
  peek: variant(consumerFlags.peek, {exclusive: [...sinks.filter((name) => name !== 'dry-run'), 'reset', 'create']}),
  reset: value('first move the consumer to this position', '<position>', (text): Position => parsePosition(text)),
  create: streamFlags.create,
  speed: pacingFlags.speed,
  rate: variant(pacingFlags.rate, {exclusive: ['speed', 'max-gap']}),
  'max-gap': duration('longest pause between two messages', {dependsOn: ['speed']}),
  ...viewFlags,
  exec: variant(answerFlags.exec, {description: 'run the program after -- for each message', ...sink('exec')}),
  'exec-lines': toggle('send records to one long-running program after --, which answers each with a line', {
    ...sink('exec-lines'),
  }),
  'exec-timeout': variant(answerFlags['exec-timeout'], {
    description: 'time limit for the program, with --exec-lines for its next line (default: 30s)',
    dependsOn: [],
    relationships: [{type: 'some', flags: ['exec', 'exec-lines']}],
  }),
  ...webhookFlags,
  webhook: variant(webhookFlags.webhook, sink('webhook')),
  republish: text('publish each message on this bus to another subject, such as copy.{subject}', '<subject>', {
    ...sink('republish'),
  }),
  into: text('copy each message to another bus: a URL or a context', '<bus>', {...sink('into')}),
  verify: toggle('with --into, then compare the copies that this run stored with the originals', {
    dependsOn: ['into'],
    exclusive: ['follow'],
  }),
  'obey-headers': variant(bodyFlags['obey-headers'], {
    relationships: [{type: 'some', flags: ['into', 'republish']}],
  }),
  step: variant(consumerFlags.step, sink('step')),
  'dry-run': variant(consumerFlags['dry-run'], sink('dry-run')),
  concurrency: variant(pacingFlags.concurrency, {
    relationships: [{type: 'some', flags: ['exec', 'exec-lines', 'webhook']}],
  }),
  'on-error': choice('what to do with a message that cannot be handled (default: retry)', [
    'retry',
    'skip',
    'term',
    'stop',
  ]),
  'max-deliver': variant(consumerFlags['max-deliver'], {
    description: 'try a message at most this many times (default: 5)',
  }),
  dead: text('write messages that could not be handled to this new file, as records (NDJSON)', '<path>'),
  yes: streamFlags.yes,
}

export type ReplayFlags = FlagValues<typeof replayFlags> & {
  readonly stream: string
  readonly consumer?: string | undefined
  readonly json?: boolean | undefined
  /** Messages of a list, not of a range or a consumer. */
  readonly isPicked?: boolean | undefined
}

/** Throws `usage` for flags that are not allowed with, or without, CONSUMER, and for a program that cannot be run. */
export function checkReplayFlags(values: ReplayFlags, argv: readonly string[], path: string): void {
  if (values.exec || values['exec-lines']) checkProgram(argv, path)
  if (values.consumer === undefined) {
    onlyWith(values, 'needs a CONSUMER', 'peek', 'reset')
    if (values.into === undefined) onlyWith(values, 'needs a CONSUMER or --into', 'create')
  } else {
    onlyWith(values, 'is for a range, without CONSUMER', 'from', 'to', 'range', 'filter', 'last-per-subject')
    if (!values.peek)
      onlyWith(values, 'needs a range or --peek: otherwise skipped messages would be acknowledged', 'match', 'where')
  }
}

function onlyWith<F extends object>(values: F, rule: string, ...names: (keyof F & string)[]): void {
  for (const name of names) {
    if (values[name] === undefined) continue
    throw new BusError('usage', `--${name} ${rule}`, {try: ['bus consumer replay --help']})
  }
}

/** What to do with messages that cannot be handled. Throws `usage`. */
export function policyOf(values: ReplayFlags, consumer: ConsumerInfo | undefined): Policy {
  const onError = values['on-error'] ?? 'retry'
  if (onError === 'skip' && consumer?.config.ack === 'all') {
    throw new BusError(
      'usage',
      `an acknowledgement of "${consumer.config.name}" covers all earlier messages, so none can be skipped`,
      {
        try: ['--on-error retry', '--on-error stop'],
      },
    )
  }
  if (values['on-error'] !== undefined && consumer?.config.ack === 'none' && !values.peek) {
    const sentence = `--on-error is not possible: the consumer ${consumer.config.name} has ack policy none, so each message is delivered only once`
    throw new BusError('usage', sentence, {try: ['--max-deliver, for the number of attempts', '--dead FILE']})
  }
  return {onError, maxAttempts: values['max-deliver'] ?? 5}
}

export function paceOf({rate, speed, 'max-gap': maxGap}: ReplayFlags): Pace | undefined {
  if (rate !== undefined) return steadyPace(1000 / rate)
  return speed === undefined || speed === Number.POSITIVE_INFINITY ? undefined : recordedPace(speed, maxGap)
}

/** The part of the stream to read. */
export async function rangeOf(streams: Streams, values: ReplayFlags): Promise<ReadOptions> {
  const {from, to}: {from?: Position | undefined; to?: Range['to']} =
    values.range === undefined
      ? {from: values.from, to: values.to === 'end' ? undefined : values.to}
      : parseRange(values.range)
  return {
    from: from && (await startAt(streams, values.stream, from)),
    to,
    filters: values.filter,
    lastPerSubject: values['last-per-subject'],
    follow: values.follow,
  }
}

/**
 * The consumer of the replay, created with `--create` and moved with `--reset`, which needs confirmation if a client may be
 * working on its messages. Fails with `notFound`.
 */
export async function openConsumer(
  streams: Streams,
  values: ReplayFlags,
  confirm: (question: string) => Promise<void>,
): Promise<ConsumerInfo | undefined> {
  const {stream, consumer, create, reset} = values
  if (consumer === undefined) return undefined
  if (create && values.into === undefined) await streams.consumers.add(stream, {name: consumer}).catch(unlessThere)
  if (reset === undefined) return findConsumer(streams, stream, consumer)
  const inFlight = inFlightText(await findConsumer(streams, stream, consumer))
  if (inFlight !== '') await confirm(`move consumer ${consumer} of stream ${stream}: ${inFlight}`)
  return streams.consumers.reset(stream, consumer, resetAt(reset))
}

/** A consumer with a different configuration is accepted. */
function unlessThere(error: unknown): void {
  if (!isFailure(error, 'usage')) throw error
}

/** The last line: `12 read · 12 handled · 0 redelivered · ack floor #0 → #12 · 4.1 s · 2.9/s`; with --peek `12 shown`. */
export function replayLine(
  {read, handled, alreadyThere, unmatched, failed, skipped, givenUp, ms}: Replayed,
  durable: {readonly redelivered: number; readonly before: number; readonly after: number} | undefined,
  {peek = false}: Pick<ReplayFlags, 'peek'>,
): string {
  const facts: string[] = []
  if (durable !== undefined) {
    facts.push(`${formatCount(durable.redelivered)} redelivered`, `ack floor #${durable.before} → #${durable.after}`)
  }
  const counts = {
    read,
    [peek ? 'shown' : 'handled']: handled,
    ...(alreadyThere > 0 && {'already there': alreadyThere}),
    ...(unmatched > 0 && {'not matched': unmatched}),
    ...(failed > 0 && {failed}),
    ...(skipped > 0 && {skipped}),
    ...(givenUp > 0 && {'given up': givenUp}),
  }
  return summaryLine(counts, ms, facts)
}

/** The dry run as a table: a row per subject, and a last one for all. */
export async function surveyText(
  {total, subjects}: Survey,
  paint: ChalkInstance | undefined,
  signal?: AbortSignal,
): Promise<string> {
  if (total.messages === 0) return 'nothing to replay\n'
  const rows = [...subjects].sort(([a], [b]) => (a < b ? -1 : 1)).map(([subject, tally]) => row(subject, tally))
  const columns = [
    {head: 'subject'},
    {head: 'messages', align: 'right'},
    {head: 'bytes', align: 'right'},
    {head: 'first'},
    {head: 'last'},
  ] as const
  return table(columns, [...rows, row('all', total)], {paint, signal})
}

/** The dry run as JSON, with times in ISO 8601. */
export function surveyJson(
  {total, subjects, firstSeq, lastSeq}: Survey,
  {stream, consumer}: {readonly stream: string; readonly consumer?: string | undefined},
): object {
  const each = Object.fromEntries([...subjects].map(([subject, tally]) => [subject, tallyJson(tally)]))
  return {stream, consumer, ...tallyJson(total), firstSeq, lastSeq, subjects: each}
}

function tallyJson({messages, bytes, firstTime, lastTime}: MessageCounts): object {
  return messages === 0
    ? {messages, bytes}
    : {messages, bytes, firstTime: isoTime(firstTime), lastTime: isoTime(lastTime)}
}

function row(subject: string, {messages, bytes, firstTime, lastTime}: MessageCounts): string[] {
  return [subject, formatCount(messages), formatBytes(bytes), localTime(firstTime), localTime(lastTime)]
}
