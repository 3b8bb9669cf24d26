/** Shared by both kinds of copies: their headers, and storing them with acknowledgements. */
import {directivesAsData, directivesRestored} from '../../core/directives.ts'
import {BusError} from '../../core/errors.ts'
import {type Headers, headerOf, type Message, type Outgoing} from '../../core/message.ts'
import type {Transport} from '../../transport/contract.ts'
import {isServer} from '../../transport/schemes.ts'
import {type Stored, type StreamPublisher, storeHeaders} from '../../transport/streams-contract.ts'
import type {Refusal} from '../sinks/sink.ts'
import {copyHeaders} from './copy-position.ts'

/** Largest number of messages per `copy`. */
export const copyBatch = 512
/** How many `copy` calls may run at the same time: in general, and for a server that is far away. */
export const nearDepth = 4
const farDepth = 16
const longMs = 100

/** The options of both kinds of copies. */
export interface CopyOptions {
  /** Keep headers that a store would act on unchanged; otherwise they become data. */
  readonly obeyHeaders: boolean
  /** Stop waiting for acknowledgements. */
  readonly signal?: AbortSignal | undefined
}

/** Stores messages, each with its own acknowledgement. */
export class Storing implements AsyncDisposable {
  readonly #publisher: StreamPublisher
  readonly #isServer: boolean
  readonly #open = new Map<number, (outcome: Stored | {readonly error: unknown}) => void>()
  #pushed = 0
  /** The shortest time that storing messages took. */
  #tookMs: number | undefined

  constructor(bus: Transport, {signal}: CopyOptions) {
    this.#isServer = isServer(bus.url)
    this.#publisher = bus.streams.publisher({
      signal,
      window: farDepth * copyBatch,
      onStored: (index, stored) => this.#settle(index, stored),
      onRefused: (index, error) => this.#settle(index, {error}),
    })
  }

  /** How many \`copy\` calls may run at the same time. What is in flight is read back by the next run after an interruption. */
  get depth(): number {
    return this.#isServer && (this.#tookMs ?? 0) >= longMs ? farDepth : nearDepth
  }

  /** Resolves when each message is stored or refused; rejects if the bus fails. */
  async store(
    messages: readonly (readonly [Message, Outgoing])[],
    refused: Map<Message, Refusal>,
    onStored?: (message: Message, stored: Stored) => void,
  ): Promise<void> {
    if (messages.length === 0) return
    const began = performance.now()
    const all = Promise.withResolvers<void>()
    // Awaited below, unless `push` fails first.
    all.promise.catch(() => {})
    let open = messages.length
    const settle = (message: Message, outcome: Stored | {readonly error: unknown}) => {
      try {
        if ('error' in outcome) refused.set(message, copyRefusal(outcome.error))
        else onStored?.(message, outcome)
      } catch (error) {
        all.reject(error)
      }
      if (--open === 0) all.resolve()
    }
    for (const [message, copy] of messages) {
      const room = this.#push(copy, (outcome) => settle(message, outcome))
      if (room !== undefined) await room
    }
    await Promise.race([all.promise, this.#publisher.flush()])
    const tookMs = performance.now() - began
    this.#tookMs = Math.min(this.#tookMs ?? tookMs, tookMs)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#publisher[Symbol.asyncDispose]()
  }

  #push(copy: Outgoing, settle: (outcome: Stored | {readonly error: unknown}) => void): Promise<void> | undefined {
    this.#open.set(this.#pushed, settle)
    try {
      const room = this.#publisher.push(copy)
      this.#pushed++
      return room
    } catch (error) {
      this.#open.delete(this.#pushed)
      settle({error})
      return undefined
    }
  }

  #settle(index: number, outcome: Stored | {readonly error: unknown}): void {
    const settle = this.#open.get(index)
    this.#open.delete(index)
    settle?.(outcome)
  }
}

/** Kinds of failures that concern one message; all others concern the bus. */
const ofMessage: ReadonlySet<string> = new Set(['usage', 'remote', 'notFound', 'denied'])

export function copyRefusal(error: unknown): Refusal {
  if (!(error instanceof BusError) || !ofMessage.has(error.kind)) throw error
  return {reason: error.message, isFinal: error.kind === 'usage'}
}

/** The headers of a message for its copy, without those of an earlier copy. */
export function asCopied(headers: Headers, {obeyHeaders}: CopyOptions): Headers {
  if (headers.length === 0) return headers
  const isCopy = headerOf(headers, copyHeaders.source) !== undefined
  const own = isCopy ? headers.filter(([name]) => !ofCopy.has(name.toLowerCase())) : headers
  const kept = obeyHeaders ? directivesRestored(own) : directivesAsData(own)
  return kept.map(([name, value]) => [isMsgId(name) ? copyHeaders.msgId : name, value])
}

function isMsgId(name: string): boolean {
  return name.toLowerCase() === msgId
}

const msgId = storeHeaders.msgId.toLowerCase()
/** Headers that belong to an earlier copy; the message's own id is kept through all copies. */
const ofCopy: ReadonlySet<string> = new Set(
  [storeHeaders.msgId, ...Object.values(copyHeaders).filter((name) => name !== copyHeaders.msgId)].map((name) =>
    name.toLowerCase(),
  ),
)
