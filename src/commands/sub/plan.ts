/** From the flags of `sub` to which messages are shown, and how. */

import {onGivenBus} from '../../lib/cli/base/error-report.ts'
import {consumerFlags} from '../../lib/cli/flags/consumer.ts'
import {filterFlags} from '../../lib/cli/flags/filter.ts'
import {type FlagValues, percent, text, texts, toggle, variant} from '../../lib/cli/flags/kinds.ts'
import {pacingFlags} from '../../lib/cli/flags/pacing.ts'
import {streamFlags} from '../../lib/cli/flags/stream.ts'
import {record, viewFlags} from '../../lib/cli/flags/view.ts'
import type {RecordFile} from '../../lib/cli/io/record-file.ts'
import {summaryLine} from '../../lib/cli/render/summary.ts'
import {formatCount} from '../../lib/cli/render/units.ts'
import {chooseView, type Screen, type View, type ViewTarget} from '../../lib/cli/render/view.ts'
import type {Message} from '../../lib/core/message.ts'
import {formatPosition, type Position} from '../../lib/core/position.ts'
import {shellWord} from '../../lib/core/text/shell-word.ts'
import {compileFilter, type Filter} from '../../lib/messaging/pubsub/filter.ts'
import {inboxes, Pairs} from '../../lib/messaging/pubsub/pairs.ts'
import type {Watched, WatchOptions} from '../../lib/messaging/pubsub/watch.ts'
import type {Reading} from '../../lib/messaging/stored/range-reader.ts'
import type {ConsumerInfo} from '../../lib/transport/streams-contract.ts'

/** Views of single messages, which cannot show a request with its reply. */
const formats = Object.keys(viewFlags).filter((name) => name !== 'delimiter' && name !== 'headers-only')

export const subFlags = {
  queue: filterFlags.queue,
  count: pacingFlags.count,
  for: pacingFlags.for,
  idle: pacingFlags.idle,
  ...viewFlags,
  match: filterFlags.match,
  where: filterFlags.where,
  ignore: texts('exclude subjects that match', '<subject>'),
  pair: toggle('show each request with its reply', {
    exclusive: [...formats, 'queue'],
  }),
  record,
  sample: percent('keep this share of the messages, chosen at random'),
  from: variant(streamFlags.from, {exclusive: ['queue', 'pair']}),
  to: variant(streamFlags.to, {exclusive: ['end'], dependsOn: ['from']}),
  end: toggle('stop at the current end of the stream, like --to end', {dependsOn: ['from']}),
  stream: text('stream to read, if several store the subjects', '<name>', {
    relationships: [{type: 'some', flags: ['from', 'durable']}],
  }),
  // Messages that are left out would be acknowledged too.
  durable: variant(streamFlags.durable, {exclusive: ['from', 'queue', 'pair', 'match', 'where', 'ignore', 'sample']}),
  create: variant(streamFlags.create, {
    description: 'create the durable consumer if it does not exist',
    dependsOn: ['durable'],
  }),
  yes: variant(consumerFlags['accept-loss'], {dependsOn: ['durable']}),
}

export type SubFlags = FlagValues<typeof subFlags> & {readonly json?: boolean | undefined}

export interface Showing {
  readonly view: View
  readonly keep: Filter | undefined
  /** With `--pair`. */
  readonly pairs: Pairs | undefined
  /** Patterns to subscribe to in addition to the requested ones. */
  readonly alsoPatterns: readonly string[]
}

/** Where shown messages go: stdout, and the record file if there is one. */
export interface Stage {
  readonly output: ViewTarget & {ready(): Promise<void> | undefined}
  readonly recording: RecordFile | undefined
}

/** Compiles filters and view. Fails with `usage` for flags that cannot be combined and for expressions that do not compile. */
export async function planWatch(flags: SubFlags, screen: Screen): Promise<Showing> {
  const {match, where, ignore, sample} = flags
  return {
    view: await chooseView(flags, {
      ...screen,
      stored: (flags.from ?? flags.durable) !== undefined,
      single: flags.count === 1,
      frees: !flags.pair,
    }),
    keep: await compileFilter({match, where, ignore, sample, onFailure: screen.onFailure}),
    pairs: flags.pair ? new Pairs() : undefined,
    alsoPatterns: flags.pair ? [inboxes] : [],
  }
}

/** The bounds that the flags set. */
export function boundsOf(flags: SubFlags): Pick<WatchOptions, 'count' | 'forMs' | 'idleMs' | 'sparing'> {
  return {
    count: flags.count,
    forMs: flags.for,
    idleMs: flags.idle,
    sparing: (flags.queue ?? flags.durable) !== undefined,
  }
}

/** What `watch` does with each batch. */
export function showOn(stage: Stage, {view, keep, pairs}: Showing): Pick<WatchOptions, 'keep' | 'show'> {
  if (pairs !== undefined) return {show: showPaired(stage, view, pairs, keep)}
  const {output, recording} = stage
  const showAll = (messages: readonly Message[]) => {
    if (recording !== undefined && view.isRecords) return showRecorded(messages, {output, recording}, view)
    recording?.record(messages)
    return view.show(messages, output)
  }
  return {
    keep,
    show(batch, limit) {
      const showing = batch.length > limit ? showUpTo(limit, batch, showAll) : showAll(batch)
      const waiting = output.ready()
      if (typeof showing === 'number') return waiting === undefined ? showing : waiting.then(() => showing)
      return showing.then(async (shown) => {
        await output.ready()
        return shown
      })
    },
  }
}

/** `listening on orders.> in queue workers` */
export function listeningLine(subjects: readonly string[], queue: string | undefined): string {
  return `listening on ${subjects.join(' ')}${queue === undefined ? '' : ` in queue ${queue}`}`
}

/** `listening on orders.> from stream ORDERS, at first`, or `reading …` if it ends by itself. */
export function readingLine(subjects: readonly string[], {stream, isLive}: Reading, from: Position): string {
  return `${isLive ? 'listening on' : 'reading'} ${subjects.join(' ')} from stream ${stream}, at ${formatPosition(from)}`
}

/** The subjects of stored messages have to be given, not those of published ones. */
export function renamesLine({stream}: Reading): string {
  const hint = onGivenBus([`bus stream subjects ${shellWord(stream)}`])
  return `stream ${stream} stores messages under other subjects; use those to search it: ${hint}`
}

/** `listening on orders.> as consumer billing of ORDERS, 12 pending`; messages in flight to others are included. */
export function durableLine(subjects: readonly string[], {stream, config, pending, ackPending}: ConsumerInfo): string {
  const what = `listening on ${subjects.join(' ')} as consumer ${config.name} of ${stream}`
  return `${what}, ${formatCount(pending + ackPending)} pending`
}

/** Shows the requests without a reply, and returns the summary line. */
export function sumUp(
  {received, kept, ms, endedBy}: Watched,
  {output, recording}: Stage,
  {view, pairs}: Showing,
  {
    dropped,
    redelivered = 0,
    notices,
  }: {readonly dropped: number; readonly redelivered?: number | undefined; readonly notices: number},
): string {
  for (const exchange of (endedBy !== 'count' && pairs?.end()) || []) {
    recording?.record([exchange.request])
    view.showExchange?.(exchange, output)
  }
  void output.ready()
  const facts = pairs === undefined ? [] : [`${formatCount(pairs.unanswered)} unanswered`]
  if (redelivered > 0) facts.push(`${formatCount(redelivered)} redelivered`)
  if (notices > 0) facts.push(notices === 1 ? '1 notice' : `${formatCount(notices)} notices`)
  return summaryLine({received, ...(kept !== received && {kept}), dropped}, ms, facts)
}

/** Makes each record once, and writes it to the file first. */
function showRecorded(
  messages: readonly Message[],
  {output, recording}: Pick<Stage, 'output'> & {readonly recording: RecordFile},
  view: View,
): number | Promise<number> {
  let text = ''
  const pass = () => {
    recording.recordText(text)
    output.write(text)
    text = ''
  }
  const shown = view.show(messages, {
    write(line) {
      text += line
      if (text.length >= pieceLength) pass()
    },
  })
  if (text !== '') pass()
  return shown
}

/** Records are written in pieces of this length: a batch may have many megabytes. */
const pieceLength = 1024 * 1024

/** A view may show fewer messages than it is given. It is then given more, but never more than it may still show. */
async function showUpTo(
  limit: number,
  batch: readonly Message[],
  show: (messages: readonly Message[]) => number | Promise<number>,
): Promise<number> {
  let shown = 0
  for (let at = 0; at < batch.length && shown < limit; ) {
    const next = batch.slice(at, at + limit - shown)
    shown += await show(next)
    at += next.length
  }
  return shown
}

function showPaired(
  {output, recording}: Stage,
  view: View,
  pairs: Pairs,
  keep: Filter | undefined,
): WatchOptions['show'] {
  return async (batch, limit) => {
    const asked = batch.filter((message) => !pairs.isReply(message))
    const kept = new Set(keep === undefined ? asked : await keep(asked))
    let shown = 0
    for (const message of batch) {
      if (!kept.has(message) && !pairs.isReply(message)) continue
      for (const item of pairs.add(message)) {
        if (shown++ >= limit) break
        if ('request' in item) {
          recording?.record([item.again ? [] : item.request, item.reply ?? []].flat())
          view.showExchange?.(item, output)
        } else {
          recording?.record([item])
          await view.show([item], output)
        }
      }
    }
    await output.ready()
    return Math.min(shown, limit)
  }
}
