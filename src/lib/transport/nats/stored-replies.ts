/** Acknowledgements that streams send to the reply subject of stored messages (ADR-13). */
import type {Message, Outgoing} from '../../core/message.ts'
import type {RequestOptions} from '../contract.ts'

const longest = 2048
const brace = 0x7b
const members = new Set(['type', 'stream', 'seq', 'domain', 'duplicate', 'error', 'val', 'batch', 'count'])

interface StoredReply {
  readonly stream: string
  /** Why the stream did not store the message. */
  readonly refusal?: string | undefined
}

/** Skips the acknowledgements of streams among the replies to requests, and reports each stream once. */
export class StoredReplies {
  readonly #reported = new Set<string>()
  readonly #report: (text: string) => void

  constructor(report: (text: string) => void) {
    this.#report = report
  }

  /** The options of a request with an `accept` that skips them; the same options if `ackIsReply` is set. */
  skip<O extends RequestOptions>({subject}: Outgoing, options?: O): O | undefined {
    if (options?.ackIsReply) return options
    const accept = (reply: Message) => {
      const stored = storedReply(reply)
      if (stored === undefined) return options?.accept?.(reply) ?? true
      if (!this.#reported.has(stored.stream)) this.#tell(subject, stored)
      return false
    }
    return {...options, accept} as O
  }

  #tell(subject: string, {stream, refusal}: StoredReply): void {
    this.#reported.add(stream)
    const what = refusal === undefined ? 'stored' : 'refused'
    const why = refusal === undefined ? '' : ` (${refusal})`
    this.#report(
      `the stream ${stream} ${what} the request on "${subject}"${why}; its acknowledgement is not a reply (--ack-is-reply makes it one)`,
    )
  }
}

/**
 * Parses a reply as an acknowledgement; undefined for any other reply, including one with a member that no acknowledgement has.
 */
function storedReply(message: Message): StoredReply | undefined {
  const {payload, headers} = message
  if (payload.length > longest || headers.length > 0 || payload[0] !== brace) return
  const {text} = message
  if (!text.includes('"stream"')) return
  try {
    const {stream, seq, error, ...others} = JSON.parse(text)
    if (typeof stream !== 'string' || typeof seq !== 'number') return
    if (Object.keys(others).some((name) => !members.has(name))) return
    return {stream, refusal: error?.description}
  } catch {
    // Not JSON, so it is an ordinary reply.
    return
  }
}
