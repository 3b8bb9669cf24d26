/** Whole configurations of streams and consumers, as `info --json` prints them, and the changes that lead to them. */
import {BusError} from '../../core/errors.ts'
import type {ConsumerChanges, StreamChanges} from '../../transport/streams-contract.ts'

/** The settings of a stream by the names of their flags. */
export const streamSettingNames = {
  subject: 'subjects',
  'max-age': 'maxAgeMs',
  'max-msgs': 'maxMsgs',
  'max-bytes': 'maxBytes',
  'max-msgs-per-subject': 'maxMsgsPerSubject',
  'max-msg-size': 'maxMsgSize',
  discard: 'discard',
  'discard-per-subject': 'discardNewPerSubject',
  dedupe: 'dedupeMs',
  'allow-rollup': 'allowRollup',
  'deny-delete': 'denyDelete',
  'deny-purge': 'denyPurge',
  'allow-direct': 'allowDirect',
  'allow-atomic': 'allowAtomic',
  replicas: 'replicas',
  description: 'description',
  metadata: 'metadata',
} as const satisfies Readonly<Record<string, keyof StreamChanges>>

/** The changes that lead to this configuration, whatever the stream has. Throws `usage` for an unknown setting. */
export function configChanges(config: Readonly<Record<string, unknown>>): StreamChanges {
  const {name: _, retention = 'limits', other, storage, sealed: _sealed, ...settings} = config
  const known: readonly string[] = Object.values(streamSettingNames)
  const stray = Object.keys(settings).find((name) => !known.includes(name))
  if (stray !== undefined)
    throw new BusError('usage', `a stream has no setting ${JSON.stringify(stray)}`, {try: ['bus stream info --json']})
  const options = {...(other as object), ...(retention !== 'limits' && {retention})}
  return {
    ...Object.fromEntries(known.map((name) => [name, undefined])),
    ...settings,
    ...(storage !== undefined && {storage: storage as 'file'}),
    ...(Object.keys(options).length > 0 && {other: options}),
  }
}

/** The settings of a consumer that can be changed, by the names of their flags. */
export const consumerSettingNames = {
  filter: 'filters',
  'ack-wait': 'ackWaitMs',
  'max-deliver': 'maxDeliver',
  'max-ack-pending': 'maxAckPending',
  backoff: 'backoffMs',
  description: 'description',
  metadata: 'metadata',
} as const
/** Members of a configuration that cannot be changed. */
export const fixedSettings: readonly string[] = [
  'name',
  'ack',
  'deliver',
  'durable',
  'push',
  'headersOnly',
  'maxWaiting',
  'priority',
  'groups',
]

/** The changes that lead to this configuration, whatever the consumer has. Throws `usage` for an unknown setting. */
export function wholeChanges(config: Readonly<Record<string, unknown>>): ConsumerChanges {
  const entries = Object.entries(config).filter(([name]) => !fixedSettings.includes(name))
  const known: readonly string[] = Object.values(consumerSettingNames)
  const stray = entries.find(([name]) => !known.includes(name) && name !== 'other')
  if (stray !== undefined)
    throw new BusError('usage', `a consumer has no setting ${JSON.stringify(stray[0])}`, {
      try: ['bus consumer info --json'],
    })
  return {...Object.fromEntries(known.map((name) => [name, undefined])), ...Object.fromEntries(entries)}
}
