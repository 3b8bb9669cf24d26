/** How the commands of `bus kv` show entries, and what they say about keys that are not there. */
import {argument, variant} from '../../lib/cli/flags/kinds.ts'
import {type ViewFlags, viewFlags} from '../../lib/cli/flags/view.ts'
import {humanView} from '../../lib/cli/render/human.ts'
import {printableJson} from '../../lib/cli/render/printable.ts'
import {chooseView, type Screen, type ViewTarget, viewKindOf} from '../../lib/cli/render/view.ts'
import {BusError} from '../../lib/core/errors.ts'
import {Message} from '../../lib/core/message.ts'
import {shellWord} from '../../lib/core/text/shell-word.ts'
import type {Bucket} from '../../lib/messaging/kv/bucket.ts'
import type {KvEntry} from '../../lib/messaging/kv/entry.ts'
import {entryWriter} from '../../lib/messaging/kv/entry-json.ts'
import {bucketArgs} from './settings.ts'

export const keyArgs = {...bucketArgs, key: argument({description: 'the key', required: true})}
export const keysArgs = {
  ...bucketArgs,
  key: argument({description: 'keys, and patterns with * and >', required: true, multiple: true}),
}
export const patternArgs = {
  ...bucketArgs,
  pattern: argument({description: 'only keys that match one of these', multiple: true}),
}

export const entryViewFlags = {
  raw: variant(viewFlags.raw, {
    description: 'write values byte for byte, each followed by a newline (none after a single value in a pipe)',
    exclusive: ['json', 'format'],
  }),
  delimiter: variant(viewFlags.delimiter, {
    description: 'what to write after each value instead of a newline, such as \\t \\0 \\r\\n',
    relationships: [{type: 'some', flags: ['raw', 'format', 'select']}],
  }),
  format: variant(viewFlags.format, {
    description: "format each entry with this template, such as '{subject} {seq} {json.level}'; the subject is the key",
    exclusive: ['json', 'select'],
  }),
  select: variant(viewFlags.select, {exclusive: []}),
}

/** Shows entries, and returns how many it showed. */
export type EntryView = (entries: readonly KvEntry[], sink: ViewTarget) => number | Promise<number>

/** Fails with `usage` for flags that cannot be combined. */
export async function chooseEntryView(bucket: string, flags: ViewFlags, screen: Screen): Promise<EntryView> {
  const kind = viewKindOf(flags)
  if (kind === 'json') return jsonView(bucket, screen)
  if (kind === undefined) return peopleView(screen)
  const view = await chooseView(flags, {...screen, stored: true})
  // A removed key has no value to write.
  const isShown = ({operation}: KvEntry) => kind !== 'raw' || operation === 'put'
  return (entries, sink) => view.show(entries.filter(isShown).map(shown), sink)
}

function jsonView(bucket: string, {terminal}: Screen): EntryView {
  const write = entryWriter(bucket)
  return (entries, sink) => {
    for (const entry of entries) sink.write(`${terminal ? printableJson(write(entry)) : write(entry)}\n`)
    return entries.length
  }
}

function peopleView({paint}: Screen): EntryView {
  const human = humanView({paint, stored: true, absent: (message) => message.text})
  return (entries, sink) => {
    for (const entry of entries) sink.write(human.message(forPeople(entry), 1))
    return entries.length
  }
}

/** The key is the subject. */
function shown({key, headers, message}: KvEntry): Message {
  return new Message(key, message.payload, headers, undefined, message.seq, message.time)
}

/** A removal is shown as such. */
function forPeople(entry: KvEntry): Message {
  const {key, operation, message, headers} = entry
  if (operation === 'put') return shown(entry)
  return Object.assign(new Message(key, removed[operation], headers, undefined, message.seq, message.time), {
    isWithoutPayload: true,
  })
}

/** The key has no value, because it was never set, or was removed. */
export function noValue(bucket: string, key: string, last: KvEntry | undefined): BusError {
  if (last === undefined) {
    return new BusError('notFound', `the bucket ${bucket} has no key ${key}`, {
      data: {bucket, key},
      try: [`bus kv ls ${shellWord(bucket)}`],
    })
  }
  const {operation, revision} = last
  const done = operation === 'put' ? 'set again' : removed[operation]
  return new BusError('notFound', `the key ${key} of the bucket ${bucket} was ${done}, as revision ${revision}`, {
    data: {bucket, key, operation, revision},
    try: [`bus kv history ${shellWord(bucket)} ${shellWord(key)}`],
  })
}

/** Nothing matches the keys and patterns. */
export function noKeys(bucket: string, patterns: readonly string[]): BusError {
  return new BusError('notFound', `the bucket ${bucket} has no key ${patterns.join(' or ')}`, {
    data: {bucket, patterns},
    try: [`bus kv ls ${shellWord(bucket)}`],
  })
}

/** Another client changed the key: it does not have the expected revision, 0 meaning that it should not exist. */
export async function lostRace(bucket: Bucket, key: string, expected: number): Promise<BusError> {
  const last = await bucket.last(key)
  const {name} = bucket
  const {revision = 0, operation} = last ?? {}
  const what = `the key ${key} of the bucket ${name}`
  const has =
    operation === undefined
      ? 'does not exist'
      : operation === 'put'
        ? `has revision ${revision}`
        : `was ${removed[operation]}, as revision ${revision}`
  const sentence =
    expected === 0 ? `${what} exists, with revision ${revision}` : `${what} ${has}, and not revision ${expected}`
  return new BusError('expectation', sentence, {
    data: {bucket: name, key, expected, revision, operation},
    try: [`bus kv get ${shellWord(name)} ${shellWord(key)}`],
  })
}

const removed = {del: 'deleted', purge: 'purged'} as const
