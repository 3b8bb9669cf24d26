/** Actions of a WebSocket client: JSON in text frames, or the query of its URL for the first `start`. */
import {BusError} from '../../core/errors.ts'
import {isObject} from '../../core/text/json-text.ts'
import {type EventFilter, parseEventFilter} from './filter.ts'

export interface StartAction {
  readonly type: 'start'
  readonly autoack: boolean | undefined
  readonly namespace: string
  /** Undefined for an ephemeral subscription, which has a filter and options. */
  readonly name: string | undefined
  readonly filter: EventFilter
  readonly options: unknown
}

export interface AnswerAction {
  /** `nack` is an addition: the original protocol has no way to reject. */
  readonly type: 'ack' | 'nack'
  /** If absent, the one in flight that has waited longest. */
  readonly id: string | undefined
  readonly subscription: {readonly namespace: string; readonly name: string} | undefined
  /** Of a `nack`: the reason, and the minimum delay in milliseconds. */
  readonly info: string | undefined
  readonly retryAfterMs: number | undefined
}

/** Throws `usage` with a sentence for the client. */
export function parseAction(text: string): StartAction | AnswerAction {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    throw bad(`bad data: ${(cause as Error).message}`)
  }
  const action = objectOf(json, 'an action')
  switch (action['type']) {
    case 'start':
      return startOf(action)
    case 'ack':
    case 'nack':
      return answerOf(action['type'], action)
    default:
      throw bad(`unknown action ${JSON.stringify(action['type'] ?? null)}: it is start, ack or nack`)
  }
}

/**
 * The `start` action in a URL such as `/?namespace=ORDERS&name=app&autoack&filter.topic=^orders`; undefined if there is none. A
 * switch that is present is on unless it is `false`. Throws `usage`.
 */
export function parseQuery(query: URLSearchParams): StartAction | undefined {
  if (!['namespace', 'name', 'ephemeral'].some((name) => query.has(name))) return undefined
  const flag = (name: string) => (query.has(name) ? query.get(name) !== 'false' : undefined)
  const filter: Record<string, string | Record<string, string>> = {}
  for (const [key, value] of query) {
    const [, outer = '', inner] = /^filter\.([a-z]+)(?:\.([a-z]+))?$/.exec(key) ?? []
    const name = outer === 'blockchain' ? 'blockchainevent' : outer
    if (name === '') continue
    if (inner === undefined) filter[name] = value
    else filter[name] = {...(filter[name] as Record<string, string> | undefined), [inner]: value}
  }
  const given = {
    firstEvent: query.get('firstevent') ?? undefined,
    readAhead: query.get('readahead') ?? undefined,
    withData: flag('withdata'),
    batch: flag('batch'),
    batchTimeout: query.get('batchtimeout') ?? undefined,
  }
  return startOf({
    type: 'start',
    autoack: flag('autoack'),
    namespace: query.get('namespace'),
    name: query.get('name'),
    ephemeral: flag('ephemeral'),
    filter,
    options: given,
  })
}

export function protocolError(sentence: string): string {
  return JSON.stringify({type: 'protocol_error', error: sentence})
}

/** An addition, for clients that ask for it in their URL: a sentence about a subscription, which needs no answer. */
export function notice({namespace, name}: {readonly namespace: string; readonly name: string}, text: string): string {
  return JSON.stringify({type: 'notice', namespace, name, text})
}

/** The original protocol's error for an answer to something that is not in flight. */
export const noMatch = 'Acknowledgment does not match an inflight event + subscription'

function startOf({autoack, namespace, name, ephemeral, filter, options}: Record<string, unknown>): StartAction {
  const isEphemeral = ephemeral === true
  const hasName = typeof name === 'string' && name !== ''
  if (typeof namespace !== 'string' || namespace === '' || isEphemeral === hasName)
    throw bad('A start action must set namespace and either a name or ephemeral=true')
  if (autoack !== undefined && autoack !== null && typeof autoack !== 'boolean')
    throw bad('"autoack" is neither true nor false')
  return {
    type: 'start',
    autoack: autoack ?? undefined,
    namespace,
    name: isEphemeral ? undefined : String(name),
    filter: isEphemeral ? parseEventFilter(filter) : {},
    options: options ?? {},
  }
}

function answerOf(type: 'ack' | 'nack', action: Record<string, unknown>): AnswerAction {
  const {id, subscription, info, retryAfter} = action
  if (id !== undefined && id !== null && typeof id !== 'string') throw bad(`the "id" of an ${type} is not a string`)
  return {
    type,
    id: id ?? undefined,
    subscription: subscription === undefined || subscription === null ? undefined : refOf(subscription),
    info: typeof info === 'string' ? info.slice(0, 1000) : undefined,
    retryAfterMs: typeof retryAfter === 'number' && retryAfter >= 0 ? Math.min(retryAfter, 3_600_000) : undefined,
  }
}

function refOf(json: unknown): {namespace: string; name: string} {
  const {namespace, name} = objectOf(json, 'a "subscription"')
  if (typeof namespace === 'string' && typeof name === 'string') return {namespace, name}
  throw bad('a "subscription" has a namespace and a name')
}

function objectOf(json: unknown, what: string): Record<string, unknown> {
  if (isObject(json)) return json
  throw bad(`${what} is not a JSON object`)
}

export function bad(sentence: string): BusError {
  return new BusError('usage', sentence)
}
