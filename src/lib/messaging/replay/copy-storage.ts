/** What both kinds of copies have in common: their headers, and storing them with a stream's acknowledgements. */
import {directivesAsData, directivesRestored} from '../../core/directives.ts'
import {BusError} from '../../core/errors.ts'
import {type Headers, headerOf, type Message, type Outgoing} from '../../core/message.ts'
import type {Transport} from '../../transport/contract.ts'
import {type Stored, type StreamPublisher, storeHeaders} from '../../transport/streams-contract.ts'
import type {Refusal} from '../sinks/sink.ts'
import {copyHeaders} from './copy-position.ts'

/** Messages for one `copy`, at most. */
export const copyBatch = 512
/** How many `copy` may be under way at once. */
export const copyDepth = 4

/** What copies are like. */
export interface CopyOptions {
  /** Headers that ask something of a store are carried out at the target; otherwise they become data. */
  readonly obeyHeaders: boolean
  /** Acknowledgements are not waited for any more. */
  readonly signal?: AbortSignal | undefined
}

/** Messages that a stream acknowledges, each by itself. */
export class Storing implements AsyncDisposable {
  readonly #publisher: StreamPublisher
  readonly #open = new Map<number, (outcome: Stored | {readonly error: unknown}) => void>()
  #pushed = 0

  constructor(bus: Transport, {signal}: CopyOptions) {
    this.#publisher = bus.streams.publisher({
      signal,
      window: copyDepth * copyBatch,
      onStored: (index, stored) => this.#settle(index, stored),
      onRefused: (index, error) => this.#settle(index, {error}),
    })
  }

  /** Resolves when each is stored or refused; rejects when the bus fails. */
  async store(
    messages: readonly (readonly [Message, Outgoing])[],
    refused: Map<Message, Refusal>,
    onStored?: (message: Message, stored: Stored) => void,
  ): Promise<void> {
    if (messages.length === 0) return
    const all = Promise.withResolvers<void>()
    // Waited for below, unless `push` fails before.
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

/** Kinds of failures that are of one message; all others are of the bus. */
const ofMessage: ReadonlySet<string> = new Set(['usage', 'remote', 'notFound', 'denied'])

export function copyRefusal(error: unknown): Refusal {
  if (!(error instanceof BusError) || !ofMessage.has(error.kind)) throw error
  return {reason: error.message, isFinal: error.kind === 'usage'}
}

/** The headers of a message as its copy has them, without those of an earlier copy. */
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
/** What an earlier copy has of its own; the message's own id is kept through all copies. */
const ofCopy: ReadonlySet<string> = new Set(
  [storeHeaders.msgId, ...Object.values(copyHeaders).filter((name) => name !== copyHeaders.msgId)].map((name) =>
    name.toLowerCase(),
  ),
)
