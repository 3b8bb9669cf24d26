/** Requests to the JetStream API (ADR-1), and what it answers when it does not do what was asked. */
import {BusError, type FailureKind} from '../../../core/errors.ts'
import {noConsumer, noStream} from '../../shared/stream-errors.ts'
import type {ErrorJson} from './json.ts'
import type {JetStreamSession} from './session.ts'

/** What a request is about, for its failures. */
export interface ApiTarget {
  readonly stream?: string | undefined
  readonly consumer?: string | undefined
}

export interface ApiOptions extends ApiTarget {
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** JetStream's `err_code`s that somebody looks for. */
export const codes = {
  notEnabled: 10039,
  streamNotFound: 10059,
  consumerNotFound: 10014,
  messageNotFound: 10037,
  nameInUse: 10058,
  overlap: 10065,
  badSubjects: 10052,
  consumerExists: 10148,
  filterNotSubset: 10093,
  filtersOverlap: 10138,
  backoffTooLong: 10116,
  resetNotAllowed: 10204,
} as const

/** Asks `$JS.API.<operation>`. Fails as `Streams` says; `data.code` is then JetStream's `err_code`. */
export async function apiRequest<T>(
  session: JetStreamSession,
  operation: string,
  body?: unknown,
  options: ApiOptions = {},
): Promise<T> {
  const data = body === undefined ? '' : JSON.stringify(body)
  const {timeoutMs, signal} = options
  const reply = await session.request({subject: `$JS.API.${operation}`, data}, {timeoutMs, signal}).catch((error) => {
    throw error instanceof BusError ? noAnswer(session.url, error) : error
  })
  const answer = objectIn(reply.text)
  const {error} = (answer ?? {}) as {readonly error?: ErrorJson | null}
  if (error) throw apiFailure(session.url, error, options)
  if (answer !== undefined && isAnswer(operation, answer)) return answer as T
  const sentence = `what answered for JetStream on ${session.url} is something else: ${JSON.stringify(reply.text.slice(0, 60))}`
  throw new BusError('remote', sentence, {try: ['see who else subscribes to $JS.API.>']})
}

/** The object that a text is in JSON. */
export function objectIn(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

/** The `err_code` behind a failure. */
export function codeOf(error: unknown): number | undefined {
  const code = error instanceof BusError ? error.data?.['code'] : undefined
  return typeof code === 'number' ? code : undefined
}

export function apiFailure(url: string, error: ErrorJson, about: ApiTarget = {}): BusError {
  const code = error.err_code ?? error.code
  const said = error.description ?? `error ${code}`
  const data = {code}
  if (code === codes.notEnabled) return noJetStream(url, data)
  const {stream, consumer} = about
  if (code === codes.streamNotFound && stream !== undefined) return noStream(url, stream, {data})
  if (code === codes.consumerNotFound && stream !== undefined && consumer !== undefined)
    return noConsumer(url, stream, consumer, {data})
  const kind = kinds[code] ?? (error.code === 403 ? 'denied' : 'remote')
  return new BusError(kind, `${url} says: ${said}`, {data})
}

function noAnswer(url: string, error: BusError): BusError {
  if (error.kind === 'noResponders') return noJetStream(url, undefined, error)
  if (error.kind !== 'timeout') return error
  return new BusError('timeout', error.message.replace('no reply', 'JetStream gave no answer'), {cause: error})
}

function noJetStream(url: string, data?: {readonly code: number}, cause?: unknown): BusError {
  return new BusError('notFound', `${url} keeps no streams: JetStream is not enabled there for this login`, {
    cause,
    try: ['nats-server --jetstream', 'a login whose account has JetStream'],
    ...(data && {data}),
  })
}

/** Servers that are restarted or choose a leader refuse for a while, or say nothing. */
export function isPassing(error: unknown, forMs: number): boolean {
  if (!(error instanceof BusError)) return false
  return error.kind === 'timeout' || error.kind === 'noResponders' || (error.kind === 'remote' && forMs < refusalMs)
}

/** How long a server may refuse for reasons of its own before it is told. */
const refusalMs = 30_000

/** What is the asker's to mend; all else is `remote`. */
const kinds: Readonly<Record<number, FailureKind>> = {
  10014: 'notFound',
  10059: 'notFound',
  10003: 'usage',
  10012: 'usage',
  10013: 'usage',
  10025: 'usage',
  10049: 'usage',
  10052: 'usage',
  10058: 'usage',
  10065: 'usage',
  10074: 'usage',
  10093: 'usage',
  10094: 'usage',
  10116: 'usage',
  10117: 'usage',
  10136: 'usage',
  10138: 'usage',
  10148: 'usage',
}

/**
 * The members that an answer must have at least, by operation: anybody who may subscribe to the API can answer. Each
 * stands for its type, `undefined` for any; a list has its one item.
 */
const stream = {
  config: {name: '', retention: '', storage: '', discard: ''},
  state: {messages: 0, bytes: 0, first_seq: 0, last_seq: 0, consumer_count: 0},
}
const place = {consumer_seq: 0, stream_seq: 0}
const consumer = {stream_name: '', name: '', config: {}, delivered: place, ack_floor: place}

const shapes: readonly (readonly [operation: RegExp, like: object])[] = [
  [/^STREAM\.(CREATE|INFO)\./, stream],
  [/^STREAM\.LIST$/, {streams: [stream]}],
  [/^STREAM\.NAMES$/, {streams: ['']}],
  [/^STREAM\.MSG\.GET\./, {message: {subject: '', seq: 0, time: ''}}],
  [/^STREAM\.PURGE\./, {purged: 0}],
  [/^CONSUMER\.(CREATE|INFO|RESET)\./, consumer],
  [/^CONSUMER\.LIST\./, {consumers: [consumer]}],
]

/** Members whose items or values are texts or numbers wherever they stand. */
const lists: Readonly<Record<string, string>> = {subjects: 'string', filter_subjects: 'string', backoff: 'number'}

function isAnswer(operation: string, answer: object): boolean {
  const [, like] = shapes.find(([of]) => of.test(operation)) ?? []
  return like === undefined || fits(answer, like)
}

function fits(value: unknown, like: unknown): boolean {
  if (Array.isArray(like)) return value === null || (Array.isArray(value) && value.every((item) => fits(item, like[0])))
  if (typeof like !== 'object' || like === null) return typeof value === typeof like
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const has = value as Readonly<Record<string, unknown>>
  return Object.entries(like).every(([name, inner]) => fits(has[name], inner)) && Object.entries(has).every(isList)
}

function isList([name, value]: readonly [string, unknown]): boolean {
  const type = Object.hasOwn(lists, name) ? lists[name] : undefined
  return type === undefined || !Array.isArray(value) || value.every((item) => typeof item === type)
}
