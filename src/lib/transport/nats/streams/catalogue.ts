/** Streams by name: creates, finds, purges and removes them, and reads single messages. */
import {BusError} from '../../../core/errors.ts'
import {Message, noHeaders} from '../../../core/message.ts'
import {checkPattern, hasWildcard, overlaps} from '../../../core/subject.ts'
import {codeOf, jetStreamErrors} from '../../shared/jetstream-errors.ts'
import {
  noMessage,
  notErasable,
  notKept,
  otherStream,
  overlapping,
  sealedStream,
  unreachableError,
} from '../../shared/stream-errors.ts'
import {checkPurge, checkStoreName} from '../../shared/stream-settings.ts'
import {sortedBySubject} from '../../shared/subject-counts.ts'
import type {
  GetOptions,
  ListOptions,
  OnSubjectPage,
  PurgeOptions,
  StreamChanges,
  StreamInfo,
  StreamSettings,
} from '../../streams-contract.ts'
import {parseHeaders} from '../headers.ts'
import {apiRequest} from './api.ts'
import {directly, type Which} from './direct.ts'
import type {PageJson, StoredJson, StreamJson} from './json.ts'
import type {JetStreamSession} from './session.ts'
import {changedStreamJson, streamDifferences, streamInfo, streamJson, timeOf} from './settings.ts'
import {checkSince} from './since.ts'

/** The delay before a message is sent again to a stream that exists but does not listen because it elects a leader. */
export const electionMs = 250

export function catalogue(session: JetStreamSession) {
  return {
    add: (settings: StreamSettings) => add(session, settings),

    async info(stream: string): Promise<StreamInfo> {
      const raw = await fetchStream(session, stream)
      return {...streamInfo(raw), raw}
    },
    async list(options?: ListOptions) {
      const found = await listAll(session, streamList, options)
      return found.map(streamInfo).sort((a, b) => (a.config.name < b.config.name ? -1 : 1))
    },
    update: (stream: string, changes: StreamChanges) => update(session, checkStoreName('stream', stream), changes),
    keeping: (pattern: string) => keeping(session, checkPattern(pattern)),
    subjects: (stream: string, pattern = '>', onPage?: OnSubjectPage) =>
      subjects(session, checkStoreName('stream', stream), checkPattern(pattern), onPage),
    async remove(stream: string) {
      await apiRequest(session, `STREAM.DELETE.${checkStoreName('stream', stream)}`, undefined, {stream})
    },
    purge: (stream: string, which: PurgeOptions = {}) => purge(session, checkStoreName('stream', stream), which),
    erase: (stream: string, seq: number) => erase(session, checkStoreName('stream', stream), seq),
    async get(stream: string, seq: number, options?: GetOptions) {
      const message = await single(session, checkStoreName('stream', stream), {seq}, options)
      if (message === undefined) throw missing(session, stream, `with the sequence ${seq}`, {seq})
      return message
    },
    async last(stream: string, pattern: string, options?: GetOptions) {
      const which = {last_by_subj: checkPattern(pattern)}
      const message = await single(session, checkStoreName('stream', stream), which, options)
      if (message === undefined) throw missing(session, stream, `of ${pattern}`)
      return message
    },
  }
}

/** Fails with `notFound`. */
export async function fetchStream(
  session: JetStreamSession,
  stream: string,
  signal?: AbortSignal,
): Promise<StreamJson> {
  return apiRequest(session, `STREAM.INFO.${checkStoreName('stream', stream)}`, undefined, {stream, signal})
}

async function single(
  session: JetStreamSession,
  stream: string,
  which: Which,
  {direct}: GetOptions = {},
): Promise<Message | undefined> {
  const found = direct ? await directly(session, stream, which) : 'refused'
  return found === 'refused' ? stored(session, stream, which) : found
}

/** The message for a request in JetStream's terms; undefined if there is none. */
export async function stored(session: JetStreamSession, stream: string, which: object): Promise<Message | undefined> {
  try {
    const {message} = await apiRequest<{message: StoredJson}>(session, `STREAM.MSG.GET.${stream}`, which, {stream})
    const {subject, seq, hdrs, data = '', time} = message
    const headers = hdrs === undefined ? noHeaders : parseHeaders(Buffer.from(hdrs, 'base64'))
    return new Message(subject, Buffer.from(data, 'base64'), headers, undefined, seq, timeOf(time))
  } catch (error) {
    if (codeOf(error) === jetStreamErrors.messageNotFound.code) return undefined
    throw error
  }
}

interface Listing<T> {
  /** One page of the list. */
  readonly operation: string
  readonly body?: object
  readonly stream?: string
  readonly items: (page: PageJson) => readonly T[]
  readonly nameOf: (item: T) => string
}

/** A list in pages: each item once, and the names of those whose servers did not answer. */
async function listed<T>(
  session: JetStreamSession,
  {operation, body = {}, stream, items, nameOf}: Listing<T>,
): Promise<{readonly found: readonly T[]; readonly unreachable: readonly string[]}> {
  const found = new Map<string, T>()
  const unreachable = new Set<string>()
  for (let offset = 0; ; ) {
    const page = await apiRequest<PageJson>(session, operation, {...body, offset}, {stream})
    const some = items(page)
    const missing = new Set([...(page.missing ?? []), ...Object.keys(page.offline ?? {})])
    for (const name of missing) unreachable.add(name)
    // Streams whose servers are offline may still be listed, without their state.
    for (const item of some) if (!missing.has(nameOf(item))) found.set(nameOf(item), item)
    // Offsets count the whole list, including items missing from a page.
    const size = some.length + missing.size
    offset += page.limit > 0 ? page.limit : size
    if (size > 0 && offset < page.total) continue
    return {found: [...found.values()], unreachable: [...unreachable].filter((name) => !found.has(name)).sort()}
  }
}

/** A whole list; reports unreachable items, or fails with `timeout`. */
export async function listAll<T>(
  session: JetStreamSession,
  listing: Listing<T>,
  {onUnreachable}: ListOptions = {},
): Promise<readonly T[]> {
  const {found, unreachable} = await listed(session, listing)
  if (unreachable.length > 0) {
    if (onUnreachable === undefined) throw unreachableError(session.url, unreachable)
    onUnreachable(unreachable)
  }
  return found
}

const streamList: Listing<StreamJson> = {
  operation: 'STREAM.LIST',
  items: (page) => (page as PageJson & {streams: readonly StreamJson[] | null}).streams ?? [],
  nameOf: ({config}) => config.name,
}

export function namesOf(session: JetStreamSession, subject: string): Promise<readonly string[]> {
  return listAll<string>(session, {
    operation: 'STREAM.NAMES',
    body: {subject},
    items: (page) => (page as PageJson & {streams: readonly string[] | null}).streams ?? [],
    nameOf: (name) => name,
  })
}

/**
 * The server finds streams by subject, but older servers find by pattern only streams whose subjects are within it or around
 * it. Fails with `timeout` if none is found and some that may store it are unreachable.
 */
async function keeping(session: JetStreamSession, pattern: string): Promise<string[]> {
  if (!hasWildcard(pattern)) return [...(await namesOf(session, pattern))]
  const {found, unreachable} = await listed(session, streamList)
  const names = new Set<string>()
  for (const {config} of found)
    if (config.subjects?.some((subject) => overlaps(subject, pattern))) names.add(config.name)
  if (unreachable.length > 0) for (const name of await namesOf(session, pattern)) names.add(name)
  if (names.size === 0 && unreachable.length > 0) throw unreachableError(session.url, unreachable)
  return [...names].sort()
}

async function add(session: JetStreamSession, settings: StreamSettings): Promise<StreamInfo> {
  const stream = checkStoreName('stream', settings.name)
  const config = streamJson(settings)
  for (const pattern of config.subjects ?? []) checkPattern(pattern)
  checkSince(session, config)
  try {
    return streamInfo(await apiRequest<StreamJson>(session, `STREAM.CREATE.${stream}`, config, {stream}))
  } catch (error) {
    const code = codeOf(error)
    if (code === jetStreamErrors.nameInUse.code) {
      const has = await fetchStream(session, stream)
      const differing = streamDifferences(has.config, settings)
      if (differing === '') return streamInfo(has)
      throw otherStream(session.url, stream, differing, {cause: error, data: {code}})
    }
    if (code === jetStreamErrors.overlap.code || code === jetStreamErrors.badSubjects.code)
      throw await overlap(session, stream, config.subjects ?? [], error)
    throw error
  }
}

async function update(session: JetStreamSession, stream: string, changes: StreamChanges): Promise<StreamInfo> {
  for (const pattern of changes.subjects ?? []) checkPattern(pattern)
  const {config: has} = await fetchStream(session, stream)
  if (has.sealed) throw sealedStream(session.url, stream)
  const config = changedStreamJson(has, changes)
  checkSince(session, config)
  try {
    return streamInfo(await apiRequest<StreamJson>(session, `STREAM.UPDATE.${stream}`, config, {stream}))
  } catch (error) {
    if (codeOf(error) === jetStreamErrors.overlap.code)
      throw await overlap(session, stream, config.subjects ?? [], error)
    throw error
  }
}

async function erase(session: JetStreamSession, stream: string, seq: number): Promise<void> {
  try {
    await apiRequest(session, `STREAM.MSG.DELETE.${stream}`, {seq}, {stream})
  } catch (error) {
    if (!(error instanceof BusError)) throw error
    const code = codeOf(error)
    const isRefused = /not permitted/.test(error.message)
    const {messageNotFound, sequenceNotFound, deleteFailed} = jetStreamErrors
    if (code === deleteFailed.code && isRefused)
      throw notErasable(session.url, stream, 'it has the option deny_delete', {cause: error, data: {code}})
    // Some stores report a missing message as an error of the file.
    const isMissing = [messageNotFound, sequenceNotFound, deleteFailed].some((row) => row.code === code)
    throw isMissing ? missing(session, stream, `with the sequence ${seq}`, {seq}) : error
  }
}

/** The failure for subjects that the server refuses, naming the other stream that has them, if there is one. */
async function overlap(
  session: JetStreamSession,
  stream: string,
  patterns: readonly string[],
  cause: unknown,
): Promise<unknown> {
  for (const pattern of patterns) {
    const [other] = (await keeping(session, pattern)).filter((name) => name !== stream)
    if (other !== undefined) return overlapping(session.url, pattern, other, cause)
  }
  return cause
}

/** The pages of a server are in order, each by itself is not. */
async function subjects(
  session: JetStreamSession,
  stream: string,
  pattern: string,
  onPage?: OnSubjectPage,
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>()
  for (let offset = 0; ; ) {
    const body = {subjects_filter: pattern, offset}
    const page = await apiRequest<StreamJson & PageJson>(session, `STREAM.INFO.${stream}`, body, {stream})
    const some = Object.entries(page.state.subjects ?? {})
    if (onPage === undefined) for (const [subject, count] of some) counts.set(subject, count)
    else await onPage(sortedBySubject(new Map(some)))
    offset += some.length
    if (some.length === 0 || offset >= page.total) return counts
  }
}

async function purge(session: JetStreamSession, stream: string, which: PurgeOptions): Promise<number> {
  checkPurge(which)
  const {pattern, beforeSeq, keep} = which
  const body = {
    ...(pattern !== undefined && {filter: pattern}),
    ...(beforeSeq !== undefined && {seq: beforeSeq}),
    ...(keep !== undefined && {keep}),
  }
  // JetStream treats 0 as no bound, and would remove everything.
  if (beforeSeq !== undefined && beforeSeq <= 0) return 0
  return (await apiRequest<{purged: number}>(session, `STREAM.PURGE.${stream}`, body, {stream})).purged
}

function missing(
  session: JetStreamSession,
  stream: string,
  which: string,
  data: {readonly seq?: number} = {},
): BusError {
  return noMessage(session.url, stream, which, {data: {code: jetStreamErrors.messageNotFound.code, ...data}})
}

/** The stream that stores the subject, if it acknowledges nothing. */
export async function silentStream(session: JetStreamSession, subject: string): Promise<string | undefined> {
  for (const stream of await namesOf(session, subject))
    if ((await fetchStream(session, stream)).config.no_ack === true) return stream
  return undefined
}

/** Fails with `notFound` if no stream stores the subject. Waits for a leader until the deadline. */
export async function mustBeKept(session: JetStreamSession, subject: string, deadline?: number): Promise<void> {
  const body = {subject}
  const {streams} = await apiRequest<{streams: readonly string[] | null}>(session, 'STREAM.NAMES', body, {deadline})
  if (streams !== null && streams.length > 0) return
  throw notKept(session.url, subject)
}
