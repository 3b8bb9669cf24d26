import type {Message, Outgoing} from '../../../core/message.ts'
import type {Notice, RequestOptions} from '../../contract.ts'
import type {MessageHandler, ServerSubscription} from '../protocol.ts'
import type {Elections} from './elections.ts'

/** The interface of a connection for streams. */
export interface JetStreamSession {
  readonly url: string
  readonly isUp: boolean
  readonly maxPayload: number
  /** The prefix of the subjects of the API, such as `$JS.API`. */
  readonly apiPrefix: string
  /** The domain that was asked for. */
  readonly domain: string | undefined
  /** Milliseconds within which the server has to answer. */
  answerTimeoutMs(): number
  /** The version of the connected server: `[2, 10, 4]`. */
  version(): readonly number[]
  /** Throws if the bus is closed or lost for good. */
  check(): void
  request(message: Outgoing, options?: RequestOptions): Promise<Message>
  /** Publishes a message that is confirmed by its reply, and otherwise like `Transport.publish`. */
  send(message: Outgoing): void
  /** Like `send`, with a reply subject of our own, which needs no check. */
  store(message: Outgoing, reply: string): void
  /** Publishes a short payload to a subject that the server provided, with a reply subject of our own. */
  answer(subject: Uint8Array, word: string, reply?: string): void
  /** Resolves when there is a connection; rejects if there will be none. */
  ready(): Promise<void>
  /** Resolves with true when the server has answered everything sent; with false if the connection was lost before. */
  answered(): Promise<boolean>
  addSubscription(
    subject: string,
    queue: string | undefined,
    handler: MessageHandler,
    refused: (error: Error) => void,
  ): ServerSubscription
  /** A unique subject for replies. */
  newInbox(): string
  /** A share of the inbox of all requests. */
  route(route: ReplyHandler): InboxShare
  /** Adds a listener; returns a function that removes it. */
  listen(listener: ConnectionListener): () => void
  notify(kind: Notice['kind'], text: string): void
  readonly elections: Elections
}

/** Called with changes of the connection. */
export interface ConnectionListener {
  onLost?(): void
  onReconnect?(): void
  /** The connection is lost for good. */
  onEnd(failure: unknown): void
  /** The server refused a message to this subject; returns true if this listener had published it. */
  onRefused?(subject: string, failure: unknown): boolean
  /** The bus is about to close. */
  close(): Promise<void>
}

export interface ReplyHandler {
  /** A reply: the number after the route's prefix, and a buffer with headers and payload. */
  arrived(index: number, data: Uint8Array, headerSize: number): void
  refused(failure: unknown): void
}

export interface InboxShare {
  /** A number follows it. */
  readonly prefix: string
  close(): void
}

/** Whether the server has at least this version. */
export function isSince(session: JetStreamSession, ...wanted: readonly number[]): boolean {
  const has = session.version()
  for (const [i, part] of wanted.entries()) if (has[i] !== part) return (has[i] ?? 0) > part
  return true
}
