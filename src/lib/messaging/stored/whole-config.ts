/** Whole configurations of streams and consumers, as `info --json` prints them, and the changes that lead to them. */
import {BusError} from '../../core/errors.ts'
import type {ConsumerChanges, ConsumerConfig, StreamChanges, StreamConfig} from '../../transport/streams-contract.ts'

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
  'allow-ttl': 'allowTtl',
  'marker-ttl': 'markerTtlMs',
  retention: 'retention',
  replicas: 'replicas',
  description: 'description',
  metadata: 'metadata',
} as const satisfies Readonly<Record<string, keyof StreamChanges>>

/** The settings of a stream that only a server has, by the names of their flags, with their names in its API. */
export const streamOptionNames: Readonly<Record<string, string>> = {
  compression: 'compression',
  'max-consumers': 'max_consumers',
  'first-seq': 'first_seq',
  mirror: 'mirror',
  source: 'sources',
  cluster: 'placement',
  tag: 'placement',
  transform: 'subject_transform',
  republish: 'republish',
  'allow-counter': 'allow_msg_counter',
  'allow-schedules': 'allow_msg_schedules',
  'mirror-direct': 'mirror_direct',
  'no-ack': 'no_ack',
}

/** The changes that lead to this configuration from the one that the stream has. Throws `usage` for an unknown setting. */
export function configChanges(config: Readonly<Record<string, unknown>>, has?: StreamConfig): StreamChanges {
  const {name: _, other, storage, sealed: _sealed, ...settings} = config
  const known: readonly string[] = Object.values(streamSettingNames)
  const stray = Object.keys(settings).find((name) => !known.includes(name))
  if (stray !== undefined)
    throw new BusError('usage', `a stream has no setting ${JSON.stringify(stray)}`, {try: ['bus stream info --json']})
  const options = {...unsetOptions(has), ...(other as object)}
  return {
    ...Object.fromEntries(known.map((name) => [name, undefined])),
    ...settings,
    ...(storage !== undefined && {storage: storage as 'file'}),
    ...(Object.keys(options).length > 0 && {other: options}),
  }
}

/** Sets back the options that there are now, except `mirror_direct`, which a server turns on by itself. */
function unsetOptions(has: StreamConfig | ConsumerConfig | undefined): Readonly<Record<string, undefined>> {
  const names = Object.keys(has?.other ?? {}).filter((name) => name !== 'mirror_direct')
  return Object.fromEntries(names.map((name) => [name, undefined]))
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
/** The options of a consumer that only a server has and that can be set back. */
export const consumerOptionNames: Readonly<Record<string, string>> = {
  'max-request-batch': 'max_batch',
  'max-request-bytes': 'max_bytes',
  'max-request-expires': 'max_expires',
  'inactive-threshold': 'inactive_threshold',
  sample: 'sample_freq',
  'consumer-replicas': 'num_replicas',
  'memory-storage': 'mem_storage',
}
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

/** The changes that lead to this configuration from the one that the consumer has. Throws `usage` for an unknown setting. */
export function wholeChanges(config: Readonly<Record<string, unknown>>, has?: ConsumerConfig): ConsumerChanges {
  const entries = Object.entries(config).filter(([name]) => !fixedSettings.includes(name))
  const known: readonly string[] = Object.values(consumerSettingNames)
  const stray = entries.find(([name]) => !known.includes(name) && name !== 'other')
  if (stray !== undefined)
    throw new BusError('usage', `a consumer has no setting ${JSON.stringify(stray[0])}`, {
      try: ['bus consumer info --json'],
    })
  const {other, ...settings} = Object.fromEntries(entries)
  const options = {...unsetOptions(has), ...(other as object)}
  return {
    ...Object.fromEntries(known.map((name) => [name, undefined])),
    ...settings,
    ...(Object.keys(options).length > 0 && {other: options}),
  }
}
