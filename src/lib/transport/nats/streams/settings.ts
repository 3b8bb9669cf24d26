/** Translates configurations and states between the contract and JetStream. */
import {isoTime} from '../../../core/time/timestamp.ts'
import {changedConsumer, changedStream, differences, wantedSubjects} from '../../shared/stream-settings.ts'
import type {
  ConsumerChanges,
  ConsumerConfig,
  ConsumerInfo,
  ConsumerSettings,
  DeliverPolicy,
  StreamChanges,
  StreamConfig,
  StreamInfo,
  StreamOrigin,
  StreamPeer,
  StreamSettings,
} from '../../streams-contract.ts'
import type {
  ConsumerConfigJson,
  ConsumerJson,
  CopyJson,
  PeerJson,
  PlaceJson,
  StreamConfigJson,
  StreamJson,
} from './json.ts'

const nanos = 1e6
/** Servers before 2.10 require a number of deliveries with a backoff; this one means unlimited. */
export const manyDeliveries = 1_000_000_000
const defaultMaxWaiting = 512
const defaultAckWaitMs = 30_000
const defaultMaxAckPending = 1000

export function streamJson(settings: StreamSettings): StreamConfigJson {
  const {maxAgeMs, dedupeMs} = settings
  return {
    name: settings.name,
    subjects: wantedSubjects(settings),
    retention: settings.retention ?? 'limits',
    storage: settings.storage ?? 'file',
    discard: settings.discard ?? 'old',
    max_age: maxAgeMs === undefined ? 0 : Math.round(maxAgeMs * nanos),
    max_msgs: settings.maxMsgs ?? -1,
    max_bytes: settings.maxBytes ?? -1,
    max_msgs_per_subject: settings.maxMsgsPerSubject ?? -1,
    max_msg_size: settings.maxMsgSize ?? -1,
    num_replicas: settings.replicas ?? 1,
    ...(settings.description !== undefined && {description: settings.description}),
    ...(dedupeMs !== undefined && {duplicate_window: Math.round(dedupeMs * nanos)}),
    ...(settings.metadata !== undefined && {metadata: settings.metadata}),
    ...Object.fromEntries(switches.flatMap(([ours, theirs]) => (settings[ours] ? [[theirs, true]] : []))),
    ...(settings.markerTtlMs !== undefined && markers(settings.markerTtlMs)),
    ...settings.other,
  }
}

/** The TTL of markers, and the options that the server turns on with it. */
function markers(ttlMs: number) {
  return {subject_delete_marker_ttl: Math.round(ttlMs * nanos), allow_msg_ttl: true, allow_rollup_hdrs: true}
}

/** Settings that are on or off, and their names in the API. */
const switches = [
  ['discardNewPerSubject', 'discard_new_per_subject'],
  ['allowRollup', 'allow_rollup_hdrs'],
  ['denyDelete', 'deny_delete'],
  ['denyPurge', 'deny_purge'],
  ['allowDirect', 'allow_direct'],
  ['allowAtomic', 'allow_atomic'],
  ['allowTtl', 'allow_msg_ttl'],
  ['sealed', 'sealed'],
] as const

export function streamInfo(json: StreamJson): StreamInfo {
  const {config, created, domain = '', state, cluster} = json
  const isEmpty = state.messages === 0
  // A server lists them in any order.
  const sources = [json.mirror ?? [], json.sources ?? []].flat().sort((a, b) => (a.name < b.name ? -1 : 1))
  const origins = sources.map(originOf)
  return {
    // To the nanosecond: no two accounts or servers create streams of one name at the same time.
    id: `${domain}/${config.name}/${created}`,
    config: streamConfig(config),
    created: Date.parse(created),
    state: {
      messages: state.messages,
      bytes: state.bytes,
      firstSeq: isEmpty ? state.last_seq + 1 : state.first_seq,
      lastSeq: state.last_seq,
      ...(!isEmpty && {firstTime: timeOf(state.first_ts), lastTime: timeOf(state.last_ts)}),
      subjects: state.num_subjects ?? 0,
      consumers: state.consumer_count,
      ...((state.num_deleted ?? 0) > 0 && {deleted: state.num_deleted}),
    },
    ...clusterOf(cluster),
    ...(origins.length > 0 && {origins}),
  }
}

/** A server without a cluster reports its own id as the leader. */
function clusterOf(cluster: StreamJson['cluster']): Pick<StreamInfo, 'leader' | 'peers'> {
  const {leader, replicas} = cluster ?? {}
  return {
    ...(leader !== undefined && replicas && {leader}),
    ...(replicas?.length && {peers: replicas.map(peerOf).sort((a, b) => (a.server < b.server ? -1 : 1))}),
  }
}

function peerOf({name, current, offline, lag = 0, active = 0}: PeerJson): StreamPeer {
  const state = offline ? 'offline' : current ? 'current' : 'behind'
  return {server: name, state, ...(lag > 0 && {lag}), silentMs: active / nanos}
}

function originOf({name, lag = 0, active = -1, error}: CopyJson): StreamOrigin {
  return {
    stream: name,
    lag,
    ...(active >= 0 && {silentMs: active / nanos}),
    ...(error?.description !== undefined && {error: error.description}),
  }
}

function streamConfig(config: StreamConfigJson): StreamConfig {
  return {
    name: config.name,
    subjects: config.subjects ?? [],
    storage: config.storage,
    discard: config.discard,
    dedupeMs: (config.duplicate_window ?? 0) / nanos,
    replicas: config.num_replicas,
    retention: config.retention,
    ...(config.description ? {description: config.description} : {}),
    ...(config.max_age > 0 && {maxAgeMs: config.max_age / nanos}),
    ...(config.max_msgs > 0 && {maxMsgs: config.max_msgs}),
    ...(config.max_bytes > 0 && {maxBytes: config.max_bytes}),
    ...(config.max_msgs_per_subject > 0 && {maxMsgsPerSubject: config.max_msgs_per_subject}),
    ...((config.max_msg_size ?? 0) > 0 && {maxMsgSize: config.max_msg_size}),
    ...metadataOf(config.metadata),
    ...(config.subject_delete_marker_ttl ? {markerTtlMs: config.subject_delete_marker_ttl / nanos} : {}),
    ...Object.fromEntries(switches.flatMap(([ours, theirs]) => (config[theirs] ? [[ours, true]] : []))),
    ...others(config, streamOptions),
  }
}

/** The options with a place of their own in the contract, or whose value follows from another one. */
const streamOptions = new Set(
  'name subjects description retention storage discard max_age max_msgs max_bytes max_msgs_per_subject max_msg_size num_replicas duplicate_window metadata discard_new_per_subject allow_rollup_hdrs deny_delete deny_purge allow_direct allow_atomic allow_msg_ttl subject_delete_marker_ttl sealed'.split(
    ' ',
  ),
)
const consumerOptions = new Set(
  'name durable_name description deliver_policy opt_start_seq opt_start_time ack_policy ack_wait max_deliver max_ack_pending backoff filter_subject filter_subjects deliver_subject deliver_group headers_only max_waiting pause_until priority_groups priority_policy priority_timeout metadata'.split(
    ' ',
  ),
)

/** The other options whose values are not the defaults. */
function others(config: object, known: ReadonlySet<string>): {other?: Readonly<Record<string, unknown>>} {
  const other: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(config)) {
    if (!known.has(name) && !isDefault(value)) other[name] = withoutEmpty(value)
  }
  return Object.keys(other).length === 0 ? {} : {other}
}

/** A server fills in empty members, such as the `deliver` of a source through another domain. */
function withoutEmpty(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmpty)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, each]) => (each === '' || each === null ? [] : [[name, withoutEmpty(each)]])),
  )
}

/** Without what the server adds. */
function metadataOf(metadata: StreamConfigJson['metadata']): {metadata?: Readonly<Record<string, string>>} {
  const own = Object.entries(metadata ?? {}).filter(([name]) => !name.startsWith('_nats.'))
  return own.length === 0 ? {} : {metadata: Object.fromEntries(own)}
}

function isDefault(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.values(value).every(isDefault)
  return !value || value === -1 || value === 'none' || value === 'instant' || value === 'default'
}

/** How a stream differs from a wanted one. The server chooses a duplicate window that is not given. */
export function streamDifferences(has: StreamConfigJson, wanted: StreamSettings): string {
  const given = streamJson(wanted)
  return differences(streamConfig(has), streamConfig({duplicate_window: has.duplicate_window ?? 0, ...given}))
}

/** The configuration after changes. Whatever they do not concern stays as the server reports it. */
export function changedStreamJson(has: StreamConfigJson, changes: StreamChanges): StreamConfigJson {
  const config = streamConfig(has)
  return patched(has, streamJson(config), streamJson(changedStream(config, changes)))
}

export function changedConsumerJson(
  name: string,
  has: ConsumerConfigJson,
  changes: ConsumerChanges,
): ConsumerConfigJson {
  const config = consumerConfig(name, has)
  return patched(has, consumerJson(config), consumerJson(changedConsumer(config, changes)))
}

/** `has` with the changes that lead from one configuration to another. */
function patched<T extends object>(has: T, from: T, to: T): T {
  const [before, after] = [from, to] as unknown as Readonly<Record<string, unknown>>[]
  const result = {...has} as Record<string, unknown>
  for (const name of Object.keys({...from, ...to})) {
    if (JSON.stringify(before?.[name]) === JSON.stringify(after?.[name])) continue
    if (after?.[name] === undefined) delete result[name]
    else result[name] = after[name]
  }
  return result as T
}

/** `deliverTo` is the subject of a push consumer. */
export function consumerJson(settings: ConsumerSettings, deliverTo?: string): ConsumerConfigJson {
  const {name, ackWaitMs, backoffMs = [], ack = 'explicit'} = settings
  const filters = needed(settings.filters ?? [], settings.deliver === 'lastPerSubject')
  const [filter] = filters
  return {
    name,
    durable_name: name,
    ...startJson(settings.deliver ?? 'all'),
    ack_policy: ack,
    ...(deliverTo !== undefined && {deliver_subject: deliverTo}),
    ...(settings.description !== undefined && {description: settings.description}),
    ...(filters.length === 1 && filter !== undefined && {filter_subject: filter}),
    ...(filters.length > 1 && {filter_subjects: filters}),
    ...(ackWaitMs !== undefined && {ack_wait: Math.round(ackWaitMs * nanos)}),
    ...(settings.maxDeliver !== undefined && {max_deliver: settings.maxDeliver}),
    ...(settings.maxAckPending !== undefined && {max_ack_pending: settings.maxAckPending}),
    ...(settings.metadata !== undefined && {metadata: settings.metadata}),
    ...(backoffMs.length > 0 && {backoff: backoffMs.map((ms) => Math.round(ms * nanos))}),
    ...settings.other,
  }
}

/** Filters as JetStream requires them: for the last message of each subject it needs one, even if it matches everything. */
export function needed(filters: readonly string[], lastPerSubject: boolean): readonly string[] {
  return filters.length === 0 && lastPerSubject ? ['>'] : filters
}

export function startJson(deliver: DeliverPolicy): ConsumerConfigJson {
  if (deliver === 'lastPerSubject') return {deliver_policy: 'last_per_subject'}
  if (typeof deliver === 'string') return {deliver_policy: deliver}
  if ('seq' in deliver) return {deliver_policy: 'by_start_sequence', opt_start_seq: Math.max(1, deliver.seq)}
  if ('timeMs' in deliver) return {deliver_policy: 'by_start_time', opt_start_time: isoTime(deliver.timeMs)}
  return {deliver_policy: 'all'}
}

export function consumerInfo(json: ConsumerJson): ConsumerInfo {
  const {delivered, ack_floor, config} = json
  const lost = givenUp(json)
  const active = [delivered.last_active, ack_floor.last_active].flatMap((text) =>
    text === undefined ? [] : timeOf(text),
  )
  // Before the first delivery the server reports the position before that at which the consumer begins.
  const isAside = config.deliver_policy === 'last_per_subject'
  const place = ({consumer_seq, stream_seq}: PlaceJson) => (isAside && consumer_seq === 0 ? 0 : stream_seq)
  // Before the first delivery, servers older than 2.10 report no ack floor.
  const floor = delivered.consumer_seq === 0 ? delivered : ack_floor
  return {
    stream: json.stream_name,
    config: consumerConfig(json.name, config),
    created: Date.parse(json.created),
    deliveredSeq: place(delivered),
    ackFloor: place(floor),
    pending: json.num_pending,
    ackPending: json.num_ack_pending,
    redelivered: json.num_redelivered,
    ...(lost > 0 && {givenUp: lost}),
    ...(active.length > 0 && {lastActive: Math.max(...active)}),
    ...(config.deliver_subject !== undefined && {bound: json.push_bound === true}),
    ...(json.paused === true && config.pause_until !== undefined && {pausedUntil: timeOf(config.pause_until)}),
    ...pinnedClients(json),
    ...((json.num_waiting ?? 0) > 0 && {waiting: json.num_waiting}),
    ...clusterOf(json.cluster),
  }
}

function pinnedClients({priority_groups: groups = []}: ConsumerJson): Pick<ConsumerInfo, 'pinned'> {
  const pinned = groups.flatMap(({group, pinned_client_id: client}) => (client ? {group, client} : []))
  return pinned.length === 0 ? {} : {pinned}
}

/** With nothing in flight, the ack floor is below the last delivery only if messages reached their limit of deliveries. */
function givenUp({delivered, ack_floor, config, num_ack_pending, num_redelivered}: ConsumerJson): number {
  const {max_deliver: most = -1, ack_policy: policy} = config
  if (most < 1 || policy !== 'explicit' || num_ack_pending > 0) return 0
  if (ack_floor.stream_seq >= delivered.stream_seq) return 0
  return most === 1 ? delivered.consumer_seq - ack_floor.consumer_seq : num_redelivered
}

function consumerConfig(name: string, config: ConsumerConfigJson): ConsumerConfig {
  const {filter_subject: filter, filter_subjects: filters, max_deliver: most = -1, deliver_subject: subject} = config
  return {
    name,
    filters: filters ?? (filter && filter !== '>' ? [filter] : []),
    deliver: deliverPolicy(config),
    ack: config.ack_policy ?? 'none',
    ackWaitMs: (config.ack_wait ?? 0) / nanos,
    maxAckPending: (config.max_ack_pending ?? 0) > 0 ? config.max_ack_pending : undefined,
    backoffMs: (config.backoff ?? []).map((ns) => ns / nanos),
    durable: config.durable_name !== undefined,
    ...(config.description ? {description: config.description} : {}),
    ...(config.headers_only === true && {headersOnly: true}),
    ...((config.max_waiting ?? 0) > 0 && config.max_waiting !== defaultMaxWaiting && {maxWaiting: config.max_waiting}),
    ...(config.priority_policy && {priority: config.priority_policy}),
    ...(config.priority_groups?.length && {groups: config.priority_groups}),
    ...(most > 0 && most !== manyDeliveries && {maxDeliver: most}),
    ...(subject !== undefined && {push: {subject, ...(config.deliver_group && {queue: config.deliver_group})}}),
    ...metadataOf(config.metadata),
    ...others(config, consumerOptions),
  }
}

function deliverPolicy(config: ConsumerConfigJson): DeliverPolicy {
  const {deliver_policy: policy, opt_start_seq: seq, opt_start_time: time} = config
  if (policy === 'by_start_sequence' && seq !== undefined) return {seq}
  if (policy === 'by_start_time' && time !== undefined) return {timeMs: timeOf(time)}
  if (policy === 'last_per_subject') return 'lastPerSubject'
  return policy === 'new' || policy === 'last' ? policy : 'all'
}

/** Unix milliseconds with fractions, from a time in Go's format with nanoseconds. */
export function timeOf(text: string): number {
  const [, seconds, fraction = '', zone] = /^([^.]*?)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/.exec(text) ?? []
  if (seconds === undefined) return Date.parse(text)
  const digits = fraction.padEnd(9, '0')
  return Date.parse(`${seconds}${zone}`) + Number(digits.slice(0, 3)) + Number(digits.slice(3, 9)) / nanos
}

/** How a consumer differs from a wanted one. The server replaces an ack wait by the first step of a backoff. */
export function consumerDifferences({config: has}: ConsumerInfo, wanted: ConsumerSettings): string {
  const {
    ackWaitMs = defaultAckWaitMs,
    backoffMs: [first = ackWaitMs] = [],
    maxAckPending = defaultMaxAckPending,
  } = wanted
  const isAcknowledged = has.ack !== 'none'
  const asked = consumerConfig(wanted.name, consumerJson({...wanted, ackWaitMs: first, maxAckPending}))
  // Without acknowledgements the server sets neither.
  const unused = {ackWaitMs: has.ackWaitMs, maxAckPending: has.maxAckPending}
  const kind = {push: wanted.isPush ?? false}
  return differences({...has, push: has.push !== undefined}, {...asked, ...(isAcknowledged ? {} : unused), ...kind})
}
