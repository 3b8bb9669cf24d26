/** A change of a key: a value, or the marker of a removal (ADR-8). */
import type {Headers, Message} from '../../core/message.ts'

/** `del` leaves earlier values in the history, `purge` removes them. */
export type KvOperation = 'put' | 'del' | 'purge'

export const kvHeaders = {operation: 'KV-Operation', rollup: 'Nats-Rollup', ttl: 'Nats-TTL'} as const

/** The reason that a server gives for a marker of its own. */
const markerReason = 'Nats-Marker-Reason'

export class KvEntry {
  readonly key: string
  /** As it is stored. */
  readonly message: Message

  constructor(key: string, message: Message) {
    this.key = key
    this.message = message
  }

  /** The sequence in the stream of the bucket. */
  get revision(): number {
    return this.message.seq ?? 0
  }

  get operation(): KvOperation {
    const {message} = this
    if (message.headers.length === 0) return 'put'
    const operation = message.header(kvHeaders.operation)
    if (operation === 'DEL') return 'del'
    if (operation === 'PURGE') return 'purge'
    const reason = message.header(markerReason)
    if (reason === undefined) return 'put'
    return reason === 'Remove' ? 'del' : 'purge'
  }

  /** The text of the value; undefined if the key was removed. */
  get value(): string | undefined {
    return this.operation === 'put' ? this.message.text : undefined
  }

  /** The headers that are not part of the operation. */
  get headers(): Headers {
    const {headers} = this.message
    return headers.length === 0 ? headers : headers.filter(([name]) => !ofOperation.test(name))
  }

  /** The size of the value, even if it was not read. */
  get bytes(): number {
    const {payload} = this.message
    const size = payload.length === 0 ? this.message.header('Nats-Msg-Size') : undefined
    return size === undefined ? this.message.data.length : Number(size)
  }
}

const ofOperation = /^(KV-Operation|Nats-Rollup|Nats-Marker-Reason|Nats-Msg-Size|Nats-Expected-.*)$/i
