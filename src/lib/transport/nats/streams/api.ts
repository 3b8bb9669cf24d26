/** Requests to the JetStream API (ADR-1), and the failures that it reports. */

import {BusError, isFailure} from '../../../core/errors.ts'
import {objectIn} from '../../../core/text/json-text.ts'
import {shellWord} from '../../../core/text/shell-word.ts'
import {sleep} from '../../../core/time/timer.ts'
import {isPassingCode, jetStreamErrors, kindOfCode} from '../../shared/jetstream-errors.ts'
import {noConsumer, noStream, unanswered} from '../../shared/stream-errors.ts'
import {leaderWaitMs} from './elections.ts'
import type {ErrorJson} from './json.ts'
import type {ConnectionListener, JetStreamSession} from './session.ts'

/** The subject of a request, for its failures. */
export interface ApiTarget {
  readonly stream?: string | undefined
  readonly consumer?: string | undefined
}

export interface ApiOptions extends ApiTarget {
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** How long to wait for a leader, as a time of `performance.now`. */
  readonly deadline?: number | undefined
}

/** In a cluster, a request without an answer for this long is sent again, and then after twice that time. */
const lostMs = 5000

/**
 * Sends a request to `$JS.API.<operation>`, and waits while a leader is being elected. Fails as `Streams` describes;
 * `data.code` is then JetStream's `err_code`.
 */
export async function apiRequest<T>(
  session: JetStreamSession,
  operation: string,
  body?: unknown,
  options: ApiOptions = {},
): Promise<T> {
  const {elections} = session
  const since = performance.now()
  const {deadline = since + Math.max(leaderWaitMs, session.answerTimeoutMs())} = options
  let losses = 0
  let silences = 0
  let lost = new AbortController()
  // A request that was sent before the connection was lost has no answer, however long `--timeout` is.
  using _listener = listening(session, {
    onLost: () => losses++,
    onReconnect: () => losses > 0 && isRead(operation) && lost.abort(),
  })
  for (let waitMs = 100; ; waitMs = Math.min(waitMs * 2, 1000)) {
    const hasWaited = waitMs > 100
    const lossesBefore = losses
    try {
      // Requests of the clean-up after Ctrl-C are still sent.
      const signal = options.signal ?? (hasWaited || !elections.signal?.aborted ? elections.signal : undefined)
      const ending = isRead(operation)
        ? AbortSignal.any([lost.signal, ...(signal === undefined ? [] : [signal])])
        : signal
      const answer = await attempt<T>(session, operation, body, {...options, signal: ending, silences})
      if (hasWaited) elections.over()
      return answer
    } catch (error) {
      const isStopped = elections.signal?.aborted || options.signal?.aborted
      if (lost.signal.aborted && isFailure(error, 'interrupted') && !isStopped) {
        lost = new AbortController()
        losses = 0
        continue
      }
      // The answer was lost with the connection.
      if (losses > lossesBefore && isFailure(error, 'timeout') && isRead(operation)) continue
      const sign = elections.signal?.aborted ? undefined : await electionSign(session, error)
      if (sign === undefined) throw error
      if (sign === 'silent' && !isRepeatable(operation)) throw unknownOutcome(error as BusError)
      if (performance.now() >= deadline) throw noLeader(session, since, error)
      elections.waiting(since)
      if (sign === 'silent') silences++
      if (sign === 'refused') await sleep(Math.min(waitMs, deadline - performance.now()), elections.signal)
    }
  }
}

async function attempt<T>(
  session: JetStreamSession,
  operation: string,
  body: unknown,
  options: ApiOptions & {readonly silences: number},
): Promise<T> {
  const data = body === undefined ? '' : JSON.stringify(body)
  const {deadline, signal} = options
  const answerMs = options.timeoutMs ?? answerWaitMs(session, operation, options.silences)
  const leftMs = deadline === undefined ? answerMs : Math.max(250, deadline - performance.now())
  const timeoutMs = Math.min(answerMs, leftMs)
  const reply = await session
    .request({subject: `${session.apiPrefix}.${operation}`, data}, {timeoutMs, signal})
    .catch((error) => {
      throw error instanceof BusError ? noAnswer(session.url, error) : error
    })
  const answer = objectIn(reply.text)
  const {error} = (answer ?? {}) as {readonly error?: ErrorJson | null}
  if (error) throw apiFailure(session.url, error, options)
  if (answer !== undefined && isAnswer(operation, answer)) {
    session.elections.hasAnswered = true
    return answer as T
  }
  const sentence = `an answer from ${session.url} is not from JetStream: ${JSON.stringify(reply.text.slice(0, 60))}`
  throw new BusError('remote', sentence, {try: [`check what else subscribes to ${session.apiPrefix}.>`]})
}

/** How long to wait for one answer. A server that is lost during an election never answers, however long `--timeout` is. */
function answerWaitMs(session: JetStreamSession, operation: string, silences: number): number {
  const answerMs = session.answerTimeoutMs()
  if (!session.elections.isClustered) return answerMs
  // A list takes a cluster four seconds if a server is down.
  const factor = operation.includes('LIST') ? 2 : 1
  return factor * (isRepeatable(operation) ? Math.min(answerMs, lostMs * 2 ** silences) : answerMs)
}

/** `refused`: it was not done; `silent`: it may have been done; undefined: the failure is not a sign of an election. */
async function electionSign(session: JetStreamSession, error: unknown): Promise<'refused' | 'silent' | undefined> {
  if (!(error instanceof BusError)) return undefined
  if (isPassingCode(error)) return 'refused'
  if (!session.elections.isClustered) return undefined
  if (error.kind === 'timeout') return 'silent'
  const isUnheard = error.kind === 'notFound' && error.cause instanceof BusError && error.cause.kind === 'noResponders'
  return isUnheard && (await isEnabled(session)) ? 'refused' : undefined
}

/** Whether this login has JetStream. Without it, no server of the cluster receives the request. */
async function isEnabled(session: JetStreamSession): Promise<boolean> {
  if (session.elections.hasAnswered) return true
  try {
    await session.request({subject: `${session.apiPrefix}.STREAM.NAMES`}, {timeoutMs: 2000})
    return true
  } catch (error) {
    return isFailure(error, 'timeout')
  }
}

/** Listens until it is disposed. */
export function listening(
  session: JetStreamSession,
  listener: Pick<ConnectionListener, 'onLost' | 'onReconnect'>,
): Disposable {
  const leave = session.listen({...listener, onEnd: () => {}, close: async () => {}})
  return {[Symbol.dispose]: leave}
}

/** Whether the operation changes nothing. */
function isRead(operation: string): boolean {
  return /^((STREAM|CONSUMER)\.)?(INFO|LIST|NAMES|MSG\.GET)\b/.test(operation)
}

/** Whether repeating the operation has the same effect as doing it once. */
function isRepeatable(operation: string): boolean {
  return !/^(STREAM\.(DELETE|PURGE|MSG\.DELETE)|CONSUMER\.(DELETE|RESET))\./.test(operation)
}

function unknownOutcome(error: BusError): BusError {
  const sentence = `${error.message}: the change may or may not have been made`
  return new BusError('timeout', sentence, {
    cause: error,
    try: ['bus stream ls', 'bus consumer ls'],
    data: unanswered,
  })
}

/** A request that was refused for a while, or not answered, since this time of `performance.now`. */
export function noLeader(
  {url, elections}: Pick<JetStreamSession, 'url' | 'elections'>,
  since: number,
  cause: unknown,
): BusError {
  const seconds = Math.round((performance.now() - since) / 1000)
  const reason = cause instanceof BusError ? cause.message : undefined
  if (!elections.isClustered) {
    const why = reason === undefined ? '' : `: ${reason}`
    return new BusError('timeout', `${url} did not accept the request within ${seconds} s${why}`, {cause})
  }
  const why = reason === undefined ? '' : ` (${reason})`
  return new BusError('timeout', `no leader was elected on ${url} within ${seconds} s${why}`, {
    cause,
    try: ['check which servers of the cluster are running: bus doctor'],
    data: unanswered,
  })
}

export function apiFailure(url: string, error: ErrorJson, about: ApiTarget = {}): BusError {
  const code = error.err_code ?? error.code
  const said = error.description ?? `error ${code}`
  const data = {code}
  if (code === jetStreamErrors.notEnabled.code) return noJetStream(url, data)
  const {stream, consumer} = about
  if (code === jetStreamErrors.streamNotFound.code && stream !== undefined) return noStream(url, stream, {data})
  if (code === jetStreamErrors.consumerNotFound.code && stream !== undefined && consumer !== undefined)
    return noConsumer(url, stream, consumer, {data})
  const known = kindOfCode(code)
  const kind = known === 'passing' || known === 'remote' ? (error.code === 403 ? 'denied' : 'remote') : known
  const isFull = code === jetStreamErrors.tooManyConsumers.code
  return new BusError(kind, `${url} says: ${said}`, {
    data,
    try: isFull ? [`bus consumer ls ${shellWord(stream ?? 'STREAM')}`] : [],
  })
}

function noAnswer(url: string, error: BusError): BusError {
  if (error.kind === 'noResponders') return noJetStream(url, undefined, error)
  if (error.kind !== 'timeout') return error
  return new BusError('timeout', error.message.replace('no reply', 'JetStream gave no answer'), {
    cause: error,
    data: unanswered,
  })
}

function noJetStream(url: string, data?: {readonly code: number}, cause?: unknown): BusError {
  return new BusError('notFound', `${url} has no streams: JetStream is not enabled there for this login`, {
    cause,
    try: ['nats-server --jetstream', 'a login whose account has JetStream'],
    ...(data && {data}),
  })
}

/**
 * Whether a server that restarts or elects a leader refuses for a while, or does not respond. For loops without a time limit of
 * their own.
 */
export function isPassing(error: unknown, forMs: number): boolean {
  if (!(error instanceof BusError)) return false
  return error.kind === 'timeout' || error.kind === 'noResponders' || (error.kind === 'remote' && forMs < leaderWaitMs)
}

/**
 * The members that a response must have, by operation, because any client that may subscribe to the API can respond. Each value
 * is an example of the type, `undefined` for any; a list has one example item.
 */
const stream = {
  config: {name: '', retention: '', storage: '', discard: ''},
  state: {messages: 0, bytes: 0, first_seq: 0, last_seq: 0, consumer_count: 0},
}
const place = {consumer_seq: 0, stream_seq: 0}
const consumer = {stream_name: '', name: '', config: {}, delivered: place, ack_floor: place}

const shapes: readonly (readonly [operation: RegExp, like: object])[] = [
  [/^STREAM\.(CREATE|INFO|UPDATE)\./, stream],
  [/^STREAM\.LIST$/, {streams: [stream]}],
  [/^STREAM\.NAMES$/, {streams: ['']}],
  [/^STREAM\.MSG\.GET\./, {message: {subject: '', seq: 0, time: ''}}],
  [/^STREAM\.PURGE\./, {purged: 0}],
  [/^CONSUMER\.(CREATE|INFO|RESET)\./, consumer],
  [/^CONSUMER\.LIST\./, {consumers: [consumer]}],
]

/** Members whose items or values are strings or numbers wherever they occur. */
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
