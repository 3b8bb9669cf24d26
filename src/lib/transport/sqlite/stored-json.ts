/** Objects that a bus file stores as JSON. Another program may have changed them, so each member that is used is checked. */
import {BusError} from '../../core/errors.ts'
import {isObject} from '../../core/text/json-text.ts'
import type {ConsumerConfig, StreamConfig} from '../streams-contract.ts'
import {damageError} from './db.ts'
import {isWhole} from './rows.ts'

/** Nested deeply, it takes fifty times its size in memory. */
const longest = 1024 * 1024

type Check = (value: unknown) => boolean

const isText: Check = (value) => typeof value === 'string'
const areTexts: Check = (value) => Array.isArray(value) && value.every(isText)
const areWhole: Check = (value) => Array.isArray(value) && value.every(isWhole)
const isStart: Check = (value) =>
  isText(value) || (isObject(value) && Object.values(value).every((each) => Number.isFinite(each)))

/** Accepts a missing value too. */
export function optional(check: Check): Check {
  return (value) => value === undefined || check(value)
}

const limits = [
  'markerTtlMs',
  'maxAgeMs',
  'maxMsgs',
  'maxBytes',
  'maxMsgsPerSubject',
  'maxMsgSize',
  'maxDeliver',
  'maxAckPending',
]
const common: Readonly<Record<string, Check>> = {
  name: isText,
  description: optional(isText),
  metadata: optional((value) => isObject(value) && Object.values(value).every(isText)),
  ...Object.fromEntries(limits.map((name) => [name, optional(isWhole)])),
}

/** Parses the configuration of a stream. Throws like SQLite for a damaged file. */
export function storedStream(json: string): StreamConfig {
  const texts = {storage: optional(isText), discard: optional(isText), retention: optional(isText)}
  const isOn = optional((value) => typeof value === 'boolean')
  const names = [
    'discardNewPerSubject',
    'allowRollup',
    'denyDelete',
    'denyPurge',
    'allowDirect',
    'allowAtomic',
    'allowTtl',
    'sealed',
  ]
  const switches = Object.fromEntries(names.map((name) => [name, isOn]))
  const own = {subjects: areTexts, ...texts, ...switches, dedupeMs: isWhole, replicas: optional(isWhole)}
  return storedObject(json, {...common, ...own}, 'the configuration of a stream')
}

/** Parses the configuration of a consumer. Throws like SQLite for a damaged file. */
export function storedConsumer(json: string): ConsumerConfig & PausedConsumer {
  const own = {
    filters: areTexts,
    deliver: isStart,
    ack: isText,
    ackWaitMs: isWhole,
    backoffMs: areWhole,
    pausedUntil: optional(isWhole),
  }
  return storedObject(json, {...common, ...own}, 'the configuration of a consumer')
}

/** Stored with the configuration of a consumer. */
export interface PausedConsumer {
  /** Unix milliseconds. */
  readonly pausedUntil?: number | undefined
}

/** The text of a configuration. Throws `usage` if it is too long to be read again. */
export function storedConfigText(config: StreamConfig | ConsumerConfig): string {
  const json = JSON.stringify(config)
  if (json.length <= longest) return json
  throw new BusError(
    'usage',
    `the configuration of ${config.name} is longer than ${longest} characters: ${json.length}`,
  )
}

/** Parses an object whose members have these types. Throws like SQLite for a damaged file; `what` names it. */
export function storedObject<T>(json: string, checks: Readonly<Record<string, Check>>, what: string): T {
  if (json.length > longest) throw damageError(what)
  const value: unknown = JSON.parse(json)
  if (!isObject(value)) throw damageError(what)
  for (const [name, check] of Object.entries<Check>(checks)) if (!check(value[name])) throw damageError(what)
  return value as T
}
