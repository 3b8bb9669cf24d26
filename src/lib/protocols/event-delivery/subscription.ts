/** Subscriptions: which events of a stream an application gets, and how they are delivered. */
import {BusError} from '../../core/errors.ts'
import {checkSubject} from '../../core/subject.ts'
import {isObject} from '../../core/text/json-text.ts'
import type {SubscriptionRef} from './event.ts'
import {type EventFilter, parseEventFilter} from './filter.ts'

/** A subscription to the events of a stream (its namespace), durable or ephemeral. */
export interface EventSubscription extends SubscriptionRef {
  /** The name of the plugin that delivers it. */
  readonly transport: string
  readonly filter: EventFilter
  readonly options: Options
  /** Ends with its connection. */
  readonly ephemeral: boolean
  /** RFC 3339. */
  readonly created: string
  readonly updated: string
}

/** How a subscription is delivered. */
export interface Options {
  /** The start when it is created: `oldest`, `newest`, or `N`, after which delivery begins. */
  readonly firstEvent: string
  /** Events that may be in flight before the first is acknowledged. */
  readonly readAhead: number
  readonly withData: boolean
  /** Several events in one delivery, up to `readAhead` of them or as many as arrived within `batchTimeoutMs`. */
  readonly batch: boolean
  readonly batchTimeoutMs: number
  /** Rejections after which an event is given up; 0: never. */
  readonly maxRejects: number
  /** The subject to which an event that is given up is published; if absent, the subscription stops there. */
  readonly deadLetter?: string | undefined
  /** Options that only the plugin knows and checks. */
  readonly plugin: Readonly<Record<string, unknown>>
}

const mostReadAhead = 65_535
const longestBatchMs = 60_000

/**
 * Parses the options of a subscription from JSON. Missing options have their defaults, unknown ones belong to the plugin.
 * Throws `usage`.
 */
export function parseOptions(json: unknown, defaults: {readonly withData: boolean}): Options {
  if (json !== undefined && !isObject(json)) throw new BusError('usage', 'the options are not an object')
  const {firstEvent, readAhead, withData, batch, batchTimeout, maxRejects, deadLetter, ...plugin} = json ?? {}
  const isBatch = bool('batch', batch) ?? false
  const options = {
    firstEvent: parseFirstEvent(firstEvent),
    readAhead: whole('readAhead', readAhead, mostReadAhead) ?? (isBatch ? 50 : 0),
    withData: bool('withData', withData) ?? defaults.withData,
    batch: isBatch,
    batchTimeoutMs: batchTimeout === undefined || batchTimeout === null ? 50 : parseBatchTimeout(batchTimeout),
    maxRejects: whole('maxRejects', maxRejects, Number.MAX_SAFE_INTEGER) ?? 0,
    plugin,
  }
  if (deadLetter === undefined || deadLetter === null) return options
  if (typeof deadLetter !== 'string') throw new BusError('usage', 'the option "deadLetter" is not a subject')
  checkDeadSubject(deadSubject(deadLetter, 'x'))
  return {...options, deadLetter}
}

/** Parses the options of a subscription over WebSocket. Throws `usage`. */
export function websocketOptions(json: unknown): Options {
  const options = parseOptions(json, {withData: false})
  const [unknown] = Object.keys(options.plugin)
  if (unknown !== undefined) throw new BusError('usage', `websockets have no option "${unknown}"`)
  return options
}

/** The options as given, which is how they are stored. */
export function optionsJson({plugin, batchTimeoutMs, ...options}: Options): Record<string, unknown> {
  return {...options, ...(options.batch && {batchTimeout: `${batchTimeoutMs}ms`}), ...plugin}
}

/** `dead.{subject}` for `orders.created` is `dead.orders.created`. */
export function deadSubject(template: string, subject: string): string {
  return template.replaceAll('{subject}', subject)
}

/** Throws `usage` for a subject that cannot be used for dead letters: those of the bus itself begin with `$`. */
export function checkDeadSubject(subject: string): string {
  checkSubject(subject)
  if (!subject.startsWith('$')) return subject
  throw new BusError('usage', `dead letters cannot go to ${subject}: subjects that begin with "$" belong to the bus`, {
    try: ['dead.{subject}'],
  })
}

/** The number after which delivery begins. `bounds` are those of the stream when the subscription is created. */
export function lockFirstEvent(firstEvent: string, lastSeq: number): number {
  if (firstEvent === 'oldest') return 0
  return firstEvent === 'newest' ? lastSeq : Math.max(0, Number(firstEvent))
}

/** Letters, digits, `.`, `_` and `-`, up to 64. Throws `usage`. */
export function checkSubscriptionName(name: string): string {
  if (/^[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,62}[A-Za-z0-9_-]$|^[A-Za-z0-9]$/.test(name)) return name
  throw new BusError('usage', `${JSON.stringify(name.slice(0, 100))} is not a valid subscription name`, {
    try: ['up to 64 letters, digits, ".", "_" and "-"'],
  })
}

/** Parses a stored subscription. Throws `usage` if it is invalid. */
export function parseSubscription(json: unknown): EventSubscription {
  const {id, namespace, name, transport, filter, options, created, updated} = (json ?? {}) as Record<string, unknown>
  if (typeof id !== 'string' || typeof namespace !== 'string' || typeof name !== 'string')
    throw new BusError('usage', 'a subscription has an "id", a "namespace" and a "name"')
  return {
    id,
    namespace,
    name: checkSubscriptionName(name),
    transport: typeof transport === 'string' ? transport : 'websockets',
    filter: parseEventFilter(filter),
    options: parseOptions(options, {withData: false}),
    ephemeral: false,
    created: typeof created === 'string' ? created : '',
    updated: typeof updated === 'string' ? updated : '',
  }
}

/** The stored form, with the secrets of a webhook. */
export function subscriptionJson({ephemeral, options, ...rest}: EventSubscription): Record<string, unknown> {
  return {...rest, options: optionsJson(options), ...(ephemeral && {ephemeral})}
}

function parseFirstEvent(value: unknown): string {
  if (value === undefined || value === null || value === '') return 'newest'
  const text = String(value)
  if (text === 'oldest' || text === 'newest') return text
  if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(Number(text)))
    throw new BusError(
      'usage',
      `${JSON.stringify(text)} is not a "firstEvent": it must be newest, oldest or a sequence`,
    )
  if (Number(text) < -1) throw new BusError('usage', 'a "firstEvent" must be greater than or equal to -1')
  return text
}

function parseBatchTimeout(value: unknown): number {
  const [, amount, unit = 'ms'] = /^(\d+(?:\.\d+)?)(ms|s|m)?$/.exec(String(value)) ?? []
  const ms = Number(amount) * (unit === 'm' ? 60_000 : unit === 's' ? 1000 : 1)
  if (ms >= 0 && ms <= longestBatchMs) return ms
  throw new BusError(
    'usage',
    `${JSON.stringify(value)} is not a "batchTimeout": it must be a duration up to a minute`,
    {
      try: ['"batchTimeout": "50ms"'],
    },
  )
}

/** A number, or a number as text, because URLs have no numbers. */
function whole(name: string, value: unknown, most: number): number | undefined {
  if (value === undefined || value === null) return undefined
  const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value
  if (typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 && number <= most) return number
  throw new BusError('usage', `the option "${name}" is not a whole number from 0 to ${most}`)
}

function bool(name: string, value: unknown): boolean | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'boolean') return value
  throw new BusError('usage', `the option "${name}" is neither true nor false`)
}
