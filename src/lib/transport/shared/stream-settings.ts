/**
 * Validates the settings of streams and consumers, and fills in JetStream's defaults: for buses that implement streams
 * themselves.
 */
import {BusError} from '../../core/errors.ts'
import {formatPosition} from '../../core/position.ts'
import {checkPattern, overlaps} from '../../core/subject.ts'
import {shellWord} from '../../core/text/shell-word.ts'
import {durationText} from '../../core/time/duration.ts'
import type {
  ConsumerChanges,
  ConsumerConfig,
  ConsumerSettings,
  DeliverPolicy,
  PurgeOptions,
  ReadOptions,
  Start,
  StreamChanges,
  StreamConfig,
  StreamSettings,
} from '../streams-contract.ts'
import {type JetStreamError, jetStreamErrors} from './jetstream-errors.ts'
import {overlapping, sealedStream} from './stream-errors.ts'

const dedupeMs = 120_000
const ackWaitMs = 30_000
const maxAckPending = 1000
/** JetStream's minimum for the TTL of markers. */
const leastMarkerMs = 1000
/** JetStream's minimum for a maximum age and a duplicate window. */
const leastMs = 100

/** Replaces options of a server by the settings that busline has for them. Configurations that earlier versions wrote have the options. */
export function ownNames<S extends {readonly other?: object | undefined}>(settings: S): S {
  if (settings.other === undefined) return settings
  const {
    retention,
    allow_msg_ttl: allowTtl,
    subject_delete_marker_ttl: markerNs,
    ...other
  } = settings.other as Options & object
  return {
    ...settings,
    ...given({retention, allowTtl, markerTtlMs: typeof markerNs === 'number' ? markerNs / 1e6 : undefined}),
    other: merged(other, undefined),
  }
}

/** The subjects of a new stream; a mirror or a stream with sources has none by default. */
export function wantedSubjects({name, subjects, other = {}}: StreamSettings): readonly string[] {
  return subjects ?? (other['mirror'] === undefined && other['sources'] === undefined ? [name] : [])
}

/** Throws `usage`. */
export function streamConfig(wanted: StreamSettings): StreamConfig {
  const settings = ownNames(wanted)
  const {name, description, maxAgeMs, maxMsgs, maxBytes, maxMsgsPerSubject, maxMsgSize, replicas = 1} = settings
  const {metadata, discardNewPerSubject, denyDelete, denyPurge, allowDirect, allowAtomic, sealed, markerTtlMs} =
    settings
  const allowRollup = settings.allowRollup || markerTtlMs !== undefined
  const allowTtl = settings.allowTtl || markerTtlMs !== undefined
  checkStoreName('stream', name)
  checkCounts({maxMsgs, maxBytes, maxMsgsPerSubject, maxMsgSize})
  checkCounts({maxAgeMs, dedupeMs: settings.dedupeMs || undefined}, leastMs)
  if (replicas !== 1) throw new BusError('usage', `${replicas} replicas need a cluster`)
  if (maxAgeMs !== undefined && (settings.dedupeMs ?? 0) > maxAgeMs)
    throw new BusError('usage', 'message ids cannot be remembered for longer than messages are kept')
  checkCounts({markerTtlMs}, leastMarkerMs)
  checkOptions({...settings, allowRollup})
  return {
    name,
    subjects: checkApart(settings.subjects ?? [name]),
    ...given({description, maxAgeMs, maxMsgs, maxBytes, maxMsgsPerSubject, maxMsgSize}),
    storage: settings.storage ?? 'file',
    discard: settings.discard ?? 'old',
    dedupeMs: settings.dedupeMs ?? Math.min(dedupeMs, maxAgeMs ?? dedupeMs),
    replicas,
    retention: settings.retention ?? 'limits',
    ...set({discardNewPerSubject, allowRollup, denyDelete, denyPurge, allowDirect, allowAtomic, allowTtl, sealed}),
    ...given({markerTtlMs}),
    ...(Object.keys(metadata ?? {}).length > 0 && {metadata}),
  }
}

/**
 * The settings of a stream after changes. Message ids are not remembered longer than messages; a sealed stream removes and
 * accepts nothing.
 */
export function changedStream(has: StreamConfig, changes: StreamChanges): StreamSettings {
  const {maxAgeMs = Infinity, dedupeMs = has.dedupeMs, ...settings} = {...has, ...changes}
  const other = merged(has.other, changes.other)
  const retention = 'retention' in changes ? (changes.retention ?? 'limits') : has.retention
  const seal = settings.sealed
    ? {discard: 'new' as const, denyDelete: true, denyPurge: true, allowRollup: undefined}
    : {}
  const isShort = !('dedupeMs' in changes) && dedupeMs > maxAgeMs
  return {
    ...settings,
    ...seal,
    name: has.name,
    other,
    retention,
    maxAgeMs: settings.sealed || maxAgeMs === Infinity ? undefined : maxAgeMs,
    dedupeMs: isShort ? maxAgeMs : dedupeMs,
  }
}

/** The settings of a consumer after changes. */
export function changedConsumer(has: ConsumerConfig, changes: ConsumerChanges): ConsumerSettings {
  const [step] = has.backoffMs
  // The first step of a backoff replaces the ack wait.
  const isStep = step === has.ackWaitMs && 'backoffMs' in changes && !changes.backoffMs?.length
  return {
    ...has,
    ...(isStep && {ackWaitMs: undefined}),
    ...changes,
    name: has.name,
    other: merged(has.other, changes.other),
  }
}

type Options = Readonly<Record<string, unknown>> | undefined

function merged(has: Options, changes: Options): Options {
  const entries = Object.entries({...has, ...changes}).filter(([, value]) => value !== undefined)
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}

/** Throws `usage` for a change that a stream refuses, `denied` if it is sealed. */
export function checkStreamChange(url: string, has: StreamConfig, wanted: StreamConfig): void {
  const {name, sealed} = has
  if (sealed) throw sealedStream(url, name)
  for (const [option, text] of [
    ['denyDelete', 'deletions'],
    ['denyPurge', 'purges'],
  ] as const)
    if (has[option] && !wanted[option])
      throw new BusError('usage', `the stream ${name} on ${url} refuses ${text}, which cannot be changed`)
  if (has.allowTtl && !wanted.allowTtl)
    throw new BusError('usage', `the stream ${name} on ${url} allows TTLs, which cannot be changed`)
  if (has.retention !== wanted.retention && [has.retention, wanted.retention].includes('workqueue'))
    throw new BusError(
      'usage',
      `the retention of the stream ${name} on ${url} cannot be changed to or from workqueue`,
      {
        try: [`bus stream copy ${shellWord(name)} NAME SUBJECT --retention ${shellWord(wanted.retention)}`],
        data: {code: 10052},
      },
    )
  if (has.storage !== wanted.storage)
    throw new BusError('usage', `the storage of the stream ${name} on ${url} cannot be changed`)
}

/** Throws `usage` for a change that a consumer refuses. */
export function checkConsumerChange(url: string, has: ConsumerConfig, wanted: ConsumerConfig): void {
  for (const name of ['ack', 'deliver'] as const)
    if (differences({[name]: has[name]}, {[name]: wanted[name]}) !== '')
      throw new BusError('usage', `the ${name} policy of the consumer ${has.name} on ${url} cannot be changed`, {
        try: ['a new consumer'],
      })
}

/** Throws `usage` for a consumer that a work queue refuses; `all` are the consumers of the stream, with or without this one. */
export function checkWorker(stream: StreamConfig, wanted: ConsumerConfig, all: readonly ConsumerConfig[]): void {
  if (stream.retention !== 'workqueue') return
  const refuse = (why: string, {code}: JetStreamError, hint: string) => {
    throw new BusError('usage', `the stream ${stream.name} is a work queue: ${why}`, {data: {code}, try: [hint]})
  }
  if (wanted.ack === 'none')
    refuse('its consumers must acknowledge messages', jetStreamErrors.unacknowledgedWork, '--ack explicit')
  if (wanted.ack === 'all')
    refuse('its consumers must acknowledge each message', jetStreamErrors.workNotExplicit, '--ack explicit')
  if (wanted.deliver !== 'all')
    refuse('its consumers must start with its first message', jetStreamErrors.lateWorker, '--deliver all')
  const overlapping = all.find(
    (other) =>
      other.name !== wanted.name &&
      filtersOf(wanted).some((one) => filtersOf(other).some((filter) => overlaps(one, filter))),
  )
  if (overlapping === undefined) return
  const isWhole = wanted.filters.length === 0
  refuse(
    `the consumer ${overlapping.name} already takes ${isWhole ? 'messages' : 'some of the messages'} that ${wanted.name} would take`,
    isWhole ? jetStreamErrors.unfilteredWorkers : jetStreamErrors.sameWorkers,
    `bus consumer info ${shellWord(stream.name)} ${shellWord(overlapping.name)}`,
  )
}

function filtersOf({filters}: ConsumerConfig): readonly string[] {
  return filters.length === 0 ? ['>'] : filters
}

/** Refuses options that cannot be combined, and those that only a server has. Throws `usage`. */
function checkOptions({
  discard,
  maxMsgsPerSubject,
  discardNewPerSubject,
  allowRollup,
  denyPurge,
  other,
}: StreamSettings) {
  if (allowRollup && denyPurge) throw new BusError('usage', 'a stream that allows rollup cannot deny purging')
  if (discardNewPerSubject && (discard !== 'new' || maxMsgsPerSubject === undefined))
    throw new BusError('usage', 'discarding new messages per subject needs discard policy new and a limit per subject')
  checkServerOnly(other)
}

function checkServerOnly(options: object = {}): void {
  const [option] = Object.keys(options)
  if (option !== undefined) throw new BusError('usage', `only a NATS server has the option ${option}`)
}

/** `subjects` are those of the stream. Throws `usage`. */
export function consumerConfig(settings: ConsumerSettings, subjects: readonly string[]): ConsumerConfig {
  const {name, description, maxDeliver, metadata, backoffMs = []} = settings
  checkStoreName('consumer', name)
  checkServerOnly(settings.other)
  checkCounts({ackWaitMs: settings.ackWaitMs, maxDeliver, maxAckPending: settings.maxAckPending})
  for (const each of backoffMs) checkCounts({backoffMs: each})
  if (maxDeliver !== undefined && backoffMs.length > 0 && maxDeliver <= backoffMs.length)
    throw new BusError(
      'usage',
      `max deliver is ${maxDeliver}, but must be more than the ${backoffMs.length} steps of the backoff`,
    )
  const filters = checkApart(settings.filters ?? [])
  const stray = filters.find((filter) => !subjects.some((subject) => overlaps(subject, filter)))
  if (stray !== undefined) {
    throw new BusError('usage', `the stream stores no subject that ${JSON.stringify(stray)} matches`, {
      try: [`its subjects: ${subjects.join(', ')}`],
    })
  }
  return {
    name,
    ...given({description}),
    filters,
    deliver: checkDeliver(settings.deliver ?? 'all'),
    ack: settings.ack ?? 'explicit',
    ackWaitMs: backoffMs[0] ?? settings.ackWaitMs ?? ackWaitMs,
    ...given({maxDeliver}),
    maxAckPending: settings.maxAckPending ?? maxAckPending,
    backoffMs,
    durable: true,
    ...(Object.keys(metadata ?? {}).length > 0 && {metadata}),
  }
}

/** Throws `usage` if the subjects of a new stream overlap with those of an existing one. */
export function checkApartFrom(url: string, {subjects}: StreamConfig, others: readonly StreamConfig[]): void {
  for (const other of others) {
    const clash = subjects.find((subject) => other.subjects.some((each) => overlaps(each, subject)))
    if (clash !== undefined) throw overlapping(url, clash, other.name)
  }
}

/** The ack wait in milliseconds of a delivery, where 1 is the first. */
export function ackWaitOf({backoffMs, ackWaitMs}: ConsumerConfig, delivery: number): number {
  return backoffMs[Math.min(delivery, backoffMs.length) - 1] ?? ackWaitMs
}

/** Options of other clients that change neither which messages there are nor how they are delivered. */
const harmless = new Set(
  'allowDirect mirror_direct metadata placement compression num_replicas mem_storage sample_freq'.split(' '),
)

/**
 * How a stream or consumer differs from the wanted one, in the words of the flags: `max-msgs 10 instead of none, mirror
 * {"name":"ORDERS"} instead of none`. Empty if it does not.
 */
export function differences(has: object, wanted: object): string {
  return settingDifferences(has, wanted, harmless)
    .map(([flag, one, other]) => `${flag} ${one} instead of ${other}`)
    .join(', ')
}

/** The settings that differ, by the names of their flags, with both values as text; those in `ignored` only if they are wanted. */
export function settingDifferences(
  has: object,
  wanted: object,
  ignored: ReadonlySet<string> = new Set(),
): readonly (readonly [flag: string, has: string, wanted: string])[] {
  const [found, asked] = [flat(has), flat(wanted)]
  const names = Object.keys({...asked, ...found}).filter(
    (name) => name !== 'other' && !(ignored.has(name) && asked[name] === undefined),
  )
  return names
    .map((name) => [flagOf(name), shownSetting(name, found[name]), shownSetting(name, asked[name])] as const)
    .filter(([, one, other]) => one !== other)
}

function flat(config: {readonly other?: object}): Readonly<Record<string, unknown>> {
  return {...config, ...config.other}
}

/** `max-age` for `maxAgeMs`. */
function flagOf(setting: string): string {
  if (setting === 'filters') return 'filter'
  return setting.replace(/Ms$/, '').replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

function shownSetting(name: string, value: unknown): string {
  if (name.endsWith('Ms'))
    return (
      [value ?? []]
        .flat()
        .map((ms) => durationText(ms as number))
        .join(',') || 'none'
    )
  if (Array.isArray(value) && value.every((each) => typeof each === 'string'))
    return value.toSorted().join(' ') || 'none'
  if (name === 'deliver') return typeof value === 'object' ? formatPosition(value as Start) : flagOf(String(value))
  return value === undefined || value === false ? 'none' : typeof value === 'string' ? value : JSON.stringify(value)
}

/** The start of a consumer whose stream stores its next message at `end` or later: a later start would skip messages. */
export function startWithin(deliver: DeliverPolicy | undefined, end: number): DeliverPolicy | undefined {
  return typeof deliver === 'object' && 'seq' in deliver && deliver.seq > end ? 'new' : deliver
}

/** Refuses options that cannot be combined. Throws `usage`. */
export function checkRead({from, to, filters = [], lastPerSubject, follow}: ReadOptions): void {
  for (const filter of filters) checkPattern(filter)
  if (follow && to !== undefined) throw new BusError('usage', 'a read with follow cannot have an end')
  if (lastPerSubject && (from !== undefined || follow || (to !== undefined && 'timeMs' in to)))
    throw new BusError(
      'usage',
      'lastPerSubject reads the stream as it is now: it has no start, no end by time, and does not follow',
    )
}

/** Refuses options that cannot be combined. Throws `usage`. */
export function checkPurge({pattern, beforeSeq, keep}: PurgeOptions): void {
  if (pattern !== undefined) checkPattern(pattern)
  if (beforeSeq !== undefined && keep !== undefined)
    throw new BusError('usage', 'a purge removes messages before a sequence or keeps a number of them, not both')
}

/** Returns the name of a stream or consumer. Throws `usage` for one that no bus accepts. */
export function checkStoreName(what: 'stream' | 'consumer', name: string): string {
  const bad = /[\s.*>/\\\p{Cc}]/u.exec(name)
  if (name !== '' && bad === null) return name
  const fault = bad === null ? 'is empty' : `contains ${characterName(bad[0])}`
  throw new BusError('usage', `the ${what} name ${JSON.stringify(name)} ${fault}`, {
    try: ['letters, digits, "-" and "_"'],
  })
}

function characterName(char: string): string {
  if (/[\r\n\u2028\u2029]/.test(char)) return 'a line break'
  return /\s/.test(char) ? 'a space' : /\p{Cc}/u.test(char) ? 'a control character' : JSON.stringify(char)
}

function checkCounts(counts: Readonly<Record<string, number | undefined>>, least = 1): void {
  for (const [what, count] of Object.entries(counts)) {
    if (count === undefined || (count >= least && Number.isSafeInteger(count))) continue
    throw new BusError('usage', `${what} is ${count}, but must be a whole number of at least ${least}`)
  }
}

/** Checks that no two patterns match the same subject. */
function checkApart(patterns: readonly string[]): readonly string[] {
  for (const [i, pattern] of patterns.entries()) {
    checkPattern(pattern)
    const other = patterns.slice(0, i).find((before) => overlaps(before, pattern))
    if (other === undefined) continue
    throw new BusError('usage', `${JSON.stringify(pattern)} overlaps with ${JSON.stringify(other)}`)
  }
  return patterns
}

/** Refuses a start that a consumer cannot have. Throws `usage`. */
export function checkDeliver(deliver: DeliverPolicy): DeliverPolicy {
  if (typeof deliver === 'string') return deliver
  if ('last' in deliver)
    throw new BusError('usage', 'a consumer cannot start a number of messages before the end', {
      try: ['a sequence or a time'],
    })
  if ('seq' in deliver && deliver.seq < 1)
    throw new BusError('usage', `there is no sequence ${deliver.seq}: sequences start at 1`)
  return deliver
}

/** The options that are on. */
function set<T extends object>(options: T): {[K in keyof T]?: true} {
  return Object.fromEntries(Object.entries(options).flatMap(([name, isOn]) => (isOn ? [[name, true]] : []))) as {
    [K in keyof T]?: true
  }
}

function given<T extends object>(values: T): {[K in keyof T]?: Exclude<T[K], undefined>} {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as {[K in keyof T]?: Exclude<T[K], undefined>}
}
