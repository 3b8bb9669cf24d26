/** The JSON of the JetStream API (ADR-1, ADR-2, ADR-15), as far as it is used here. Durations are nanoseconds. */

export interface StreamConfigJson {
  readonly name: string
  readonly subjects?: readonly string[] | null
  readonly description?: string | undefined
  readonly retention: 'limits' | 'interest' | 'workqueue'
  readonly storage: 'file' | 'memory'
  readonly discard: 'old' | 'new'
  readonly max_age: number
  readonly max_msgs: number
  readonly max_bytes: number
  readonly max_msgs_per_subject: number
  readonly max_msg_size?: number
  readonly duplicate_window?: number
  readonly num_replicas: number
  readonly no_ack?: boolean
  readonly metadata?: Readonly<Record<string, string>> | null
  readonly discard_new_per_subject?: boolean
  readonly allow_rollup_hdrs?: boolean
  readonly deny_delete?: boolean
  readonly deny_purge?: boolean
  readonly allow_direct?: boolean
  readonly allow_atomic?: boolean
  readonly allow_msg_ttl?: boolean
  readonly subject_delete_marker_ttl?: number
  readonly sealed?: boolean
}

/** How far a mirror or a source is. */
export interface CopyJson {
  readonly name: string
  readonly lag?: number
  /** Nanoseconds since the last contact; -1 if there was none. */
  readonly active?: number
  readonly error?: {readonly description?: string} | null
}

export interface StreamJson {
  readonly mirror?: CopyJson | null
  readonly sources?: readonly CopyJson[] | null
  readonly config: StreamConfigJson
  readonly created: string
  /** The domain of its JetStream, if it has one. */
  readonly domain?: string
  readonly state: {
    readonly messages: number
    readonly bytes: number
    readonly first_seq: number
    readonly last_seq: number
    readonly first_ts: string
    readonly last_ts: string
    readonly num_subjects?: number
    readonly subjects?: Readonly<Record<string, number>> | null
    readonly consumer_count: number
    readonly num_deleted?: number
  }
  readonly cluster?: ClusterJson | null
}

export interface ClusterJson {
  readonly leader?: string
  readonly replicas?: readonly PeerJson[] | null
}

/** A replica that is not the leader. */
export interface PeerJson {
  readonly name: string
  readonly current?: boolean
  readonly offline?: boolean
  readonly lag?: number
  /** Nanoseconds since the last contact. */
  readonly active?: number
}

export interface PageJson {
  readonly total: number
  readonly offset: number
  readonly limit: number
  /** Names whose servers did not answer, and those that are offline with the reason. */
  readonly missing?: readonly string[] | null
  readonly offline?: Readonly<Record<string, string>> | null
}

export interface ConsumerConfigJson {
  readonly name?: string
  readonly durable_name?: string
  readonly description?: string | undefined
  readonly deliver_policy?: string
  readonly opt_start_seq?: number
  readonly opt_start_time?: string
  readonly ack_policy?: 'explicit' | 'all' | 'none'
  readonly ack_wait?: number
  readonly max_deliver?: number
  readonly max_ack_pending?: number
  readonly backoff?: readonly number[]
  readonly filter_subject?: string
  readonly filter_subjects?: readonly string[]
  readonly deliver_subject?: string
  readonly deliver_group?: string
  readonly idle_heartbeat?: number
  readonly inactive_threshold?: number
  readonly mem_storage?: boolean
  readonly headers_only?: boolean
  readonly num_replicas?: number
  /** Limits of one pull. */
  readonly max_batch?: number
  readonly max_expires?: number
  readonly max_bytes?: number
  readonly max_waiting?: number
  readonly priority_groups?: readonly string[]
  readonly priority_policy?: string
  readonly pause_until?: string
  readonly metadata?: Readonly<Record<string, string>> | null
}

export interface ConsumerJson {
  readonly stream_name: string
  readonly name: string
  readonly created: string
  readonly config: ConsumerConfigJson
  readonly delivered: PlaceJson
  readonly ack_floor: PlaceJson
  readonly num_ack_pending: number
  readonly num_redelivered: number
  readonly num_pending: number
  readonly push_bound?: boolean
  /** The number of pulls that wait for messages. */
  readonly num_waiting?: number
  readonly paused?: boolean
  readonly priority_groups?: readonly {readonly group: string; readonly pinned_client_id?: string}[]
  readonly cluster?: ClusterJson | null
}

export interface PlaceJson {
  readonly consumer_seq: number
  readonly stream_seq: number
  readonly last_active?: string
}

/** Headers and data in base64. */
export interface StoredJson {
  readonly subject: string
  readonly seq: number
  readonly hdrs?: string
  readonly data?: string
  readonly time: string
}

export interface ErrorJson {
  readonly code: number
  readonly err_code?: number
  readonly description?: string
}
