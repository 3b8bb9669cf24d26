/** Streams by name: making, finding, emptying and removing them, and single messages of theirs. */
import {BusError} from '../../../core/errors.ts'
import {Message, noHeaders} from '../../../core/message.ts'
import {checkPattern, hasWildcard, overlaps} from '../../../core/subject.ts'
import {noMessage, otherStream, overlapping} from '../../shared/stream-errors.ts'
import {checkPurge} from '../../shared/stream-settings.ts'
import type {PurgeOptions, StreamInfo, StreamSettings} from '../../streams-contract.ts'
import {parseHeaders} from '../headers.ts'
import {ask, codeOf, codes} from './api.ts'
import type {Page, StoredJson, StreamJson} from './json.ts'
import type {Line} from './session.ts'
import {isAsWanted, streamInfo, streamJson, timeOf} from './settings.ts'

export function catalogue(line: Line) {
  const find = async (stream: string) =>
    ask<StreamJson>(line, `STREAM.INFO.${checkName('stream', stream)}`, undefined, {stream})
  return {
    add: (settings: StreamSettings) => add(line, settings),

    info: async (stream: string): Promise<StreamInfo> => streamInfo(await find(stream)),
    async list() {
      const found = await pages<StreamJson, 'streams'>(line, 'STREAM.LIST', 'streams', {})
      return found.map(streamInfo).sort((a, b) => (a.config.name < b.config.name ? -1 : 1))
    },
    keeping: (pattern: string) => keeping(line, checkPattern(pattern)),
    subjects: (stream: string, pattern = '>') => subjects(line, checkName('stream', stream), checkPattern(pattern)),
    async remove(stream: string) {
      await ask(line, `STREAM.DELETE.${checkName('stream', stream)}`, undefined, {stream})
    },
    purge: (stream: string, which: PurgeOptions = {}) => purge(line, checkName('stream', stream), which),
    async get(stream: string, seq: number) {
      const message = await stored(line, checkName('stream', stream), {seq})
      if (message === undefined) throw missing(line, stream, `with the sequence ${seq}`, {seq})
      return message
    },
    async last(stream: string, pattern: string) {
      const message = await stored(line, checkName('stream', stream), {last_by_subj: checkPattern(pattern)})
      if (message === undefined) throw missing(line, stream, `of ${pattern}`)
      return message
    },
  }
}

/** Answers the name. Throws `usage` for one that no server takes, and that would be another request in the API's subjects. */
export function checkName(what: 'stream' | 'consumer', name: string): string {
  if (name !== '' && !/[\s.*>/\\\0]/.test(name)) return name
  throw new BusError('usage', `${JSON.stringify(name)} is no name for a ${what}`, {
    try: ['a name without spaces, ".", "*", ">", "/" and "\\"'],
  })
}

/** The message that is asked for in JetStream's words, or none. */
export async function stored(line: Line, stream: string, which: object): Promise<Message | undefined> {
  try {
    const {message} = await ask<{message: StoredJson}>(line, `STREAM.MSG.GET.${stream}`, which, {stream})
    const {subject, seq, hdrs, data = '', time} = message
    const headers = hdrs === undefined ? noHeaders : parseHeaders(Buffer.from(hdrs, 'base64'))
    return new Message(subject, Buffer.from(data, 'base64'), headers, undefined, seq, timeOf(time))
  } catch (error) {
    if (codeOf(error) === codes.messageNotFound) return undefined
    throw error
  }
}

/** All of a list that comes in pages. */
export async function pages<T, K extends string>(line: Line, operation: string, key: K, body: object, stream?: string) {
  const all: T[] = []
  for (;;) {
    type Answer = Page & Readonly<Record<K, readonly T[] | null>>
    const page: Answer = await ask(line, operation, {...body, offset: all.length}, {stream})
    const some: readonly T[] = page[key] ?? []
    all.push(...some)
    if (some.length === 0 || all.length >= page.total) return all
  }
}

/** The server finds streams by a subject, but with a pattern only those whose subjects lie within it or around it. */
export async function keeping(line: Line, pattern: string): Promise<string[]> {
  if (!hasWildcard(pattern)) return pages<string, 'streams'>(line, 'STREAM.NAMES', 'streams', {subject: pattern})
  const all = await pages<StreamJson, 'streams'>(line, 'STREAM.LIST', 'streams', {})
  const found = all.filter(({config}) => config.subjects?.some((subject) => overlaps(subject, pattern)))
  return found.map(({config}) => config.name).sort()
}

async function add(line: Line, settings: StreamSettings): Promise<StreamInfo> {
  const stream = checkName('stream', settings.name)
  const config = streamJson(settings)
  for (const pattern of config.subjects ?? []) checkPattern(pattern)
  try {
    return streamInfo(await ask<StreamJson>(line, `STREAM.CREATE.${stream}`, config, {stream}))
  } catch (error) {
    const code = codeOf(error)
    if (code === codes.nameInUse) {
      const has = await ask<StreamJson>(line, `STREAM.INFO.${stream}`, undefined, {stream})
      if (isAsWanted(settings, has.config)) return streamInfo(has)
      throw otherStream(line.url, stream, {cause: error, data: {code}})
    }
    if (code === codes.overlap || code === codes.badSubjects)
      throw await overlap(line, stream, config.subjects ?? [], error)
    throw error
  }
}

/** The failure for subjects that the server refuses: the other stream that has them, if there is one. */
async function overlap(line: Line, stream: string, patterns: readonly string[], cause: unknown): Promise<unknown> {
  for (const pattern of patterns) {
    const [other] = (await keeping(line, pattern)).filter((name) => name !== stream)
    if (other !== undefined) return overlapping(line.url, pattern, other, cause)
  }
  return cause
}

async function subjects(line: Line, stream: string, pattern: string): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  for (let offset = 0; ; ) {
    const body = {subjects_filter: pattern, offset}
    const page = await ask<StreamJson & Page>(line, `STREAM.INFO.${stream}`, body, {stream})
    const some = Object.entries(page.state.subjects ?? {})
    for (const [subject, count] of some) counts.set(subject, count)
    offset += some.length
    if (some.length === 0 || offset >= page.total) return counts
  }
}

async function purge(line: Line, stream: string, which: PurgeOptions): Promise<number> {
  checkPurge(which)
  const {pattern, beforeSeq, keep} = which
  const body = {
    ...(pattern !== undefined && {filter: pattern}),
    ...(beforeSeq !== undefined && {seq: beforeSeq}),
    ...(keep !== undefined && {keep}),
  }
  // JetStream takes 0 for no bound, and removes everything.
  if (beforeSeq !== undefined && beforeSeq <= 0) return 0
  return (await ask<{purged: number}>(line, `STREAM.PURGE.${stream}`, body, {stream})).purged
}

function missing(line: Line, stream: string, which: string, data: {readonly seq?: number} = {}): BusError {
  return noMessage(line.url, stream, which, {data: {code: codes.messageNotFound, ...data}})
}
