import type {Message, Outgoing} from '../../../core/message.ts'
import type {Notice, RequestOptions} from '../../contract.ts'
import type {MessageHandler, ServerSubscription} from '../protocol.ts'
import type {Elections} from './elections.ts'

/** What streams need of the connection that they are on. */
export interface JetStreamSession {
  readonly url: string
  readonly isUp: boolean
  readonly maxPayload: number
  /** `[2, 10, 4]`, of the server that one is connected to. */
  version(): readonly number[]
  /** Throws when the bus is closed or lost for good. */
  check(): void
  request(message: Outgoing, options?: RequestOptions): Promise<Message>
  /** Publishes what is confirmed by its reply, as `Transport.publish` does otherwise. */
  send(message: Outgoing): void
  /** As `send`, with a reply subject of our own making. */
  store(message: Outgoing, reply: string): void
  /** Publishes a word to a subject that the server gave, with a reply subject of our own making. */
  answer(subject: Uint8Array, word: string, reply?: string): void
  /** Resolves when there is a connection; rejects when there will be none. */
  ready(): Promise<void>
  /** The server has answered to all that was sent; false when the connection was lost before. */
  answered(): Promise<boolean>
  addSubscription(
    subject: string,
    queue: string | undefined,
    handler: MessageHandler,
    refused: (error: Error) => void,
  ): ServerSubscription
  /** A subject of our own that nobody uses. */
  newInbox(): string
  /** A share of the inbox of all requests. */
  route(route: ReplyHandler): InboxShare
  /** Adds a listener; answers how to remove it. */
  listen(listener: ConnectionListener): () => void
  notify(kind: Notice['kind'], text: string): void
  readonly elections: Elections
}

/** Told how the connection fares. */
export interface ConnectionListener {
  onLost?(): void
  onReconnect?(): void
  /** The connection is gone for good. */
  onEnd(failure: unknown): void
  /** The server refuses what was published there; true when it was this one's. */
  onRefused?(subject: string, failure: unknown): boolean
  /** The bus is about to close. */
  close(): Promise<void>
}

export interface ReplyHandler {
  /** A reply: what stands after the route's prefix, a number, and headers and payload in one. */
  arrived(index: number, data: Uint8Array, headerSize: number): void
  refused(failure: unknown): void
}

export interface InboxShare {
  /** To be followed by a number. */
  readonly prefix: string
  close(): void
}

/** Is the server at least of this version? */
export function isSince(session: JetStreamSession, ...wanted: readonly number[]): boolean {
  const has = session.version()
  for (const [i, part] of wanted.entries()) if (has[i] !== part) return (has[i] ?? 0) > part
  return true
}
