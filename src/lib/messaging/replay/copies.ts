/** A stream of another bus as a sink, resumable without loss or doubles. */
import {hash} from 'node:crypto'
import {BusError, isFailure} from '../../core/errors.ts'
import type {Message, Outgoing} from '../../core/message.ts'
import {isoTime} from '../../core/time/timestamp.ts'
import type {Transport} from '../../transport/contract.ts'
import {type Stored, type StreamInfo, storeHeaders} from '../../transport/streams-contract.ts'
import type {Copied, CopySink, Refusal} from '../sinks/sink.ts'
import {type CopyPosition, copyHeaders, sequenceOf, TargetCopies} from './copy-position.ts'
import {asCopied, type CopyOptions, copyBatch, copyDepth, Storing} from './copy-storage.ts'
import {targetStream} from './target-stream.ts'

/** Copies between two updates of the position that they carry. */
const claimEvery = 500

export interface IntoSink extends CopySink {
  readonly stream: string
  /** The target had copies of the source when it began. */
  readonly isResumed: boolean
  /** The highest sequence of the source that was copied before; 0 for none. */
  readonly lastCopied: number
}

/** What is copied, and how. */
export interface IntoOptions extends CopyOptions {
  /** Makes the target's stream where there is none. */
  readonly create: boolean
  /** Messages come in the order of the source, and none between them is left out. */
  readonly isWhole: boolean
  /** Up to where a consumer has acknowledged everything; undefined for a range of the stream. */
  readonly floor?: (() => Promise<number>) | undefined
  /** Rejects when a target with messages from elsewhere is not to be written to. */
  readonly confirm: (question: string) => Promise<void>
}

/**
 * Copies messages into the stream of another bus that keeps their subjects. What that has already is ignored. Fails
 * with `notFound` without such a stream, with `usage` when it is the source itself.
 */
export async function intoSink(
  source: {readonly bus: Transport; readonly info: StreamInfo},
  target: Transport,
  options: IntoOptions,
): Promise<IntoSink> {
  const {info} = source
  const stream = await targetStream(source, target, options.create)
  if (stream.id === info.id) {
    throw new BusError('usage', `${stream.config.name} of ${target.url} is the stream that is copied`, {
      try: ['--into another bus', '--republish, to publish under other subjects'],
    })
  }
  const id = shortId(info)
  const {name} = stream.config
  const copies = new TargetCopies(target, name, id)
  const found = await copies.find((await options.floor?.()) ?? 0)
  for (const copy of found) await mustBeOf(source, copy, target)
  if (found.length === 0 && stream.state.messages > 0) {
    const has = `${stream.state.messages} ${stream.state.messages === 1 ? 'message' : 'messages'} from elsewhere`
    await options.confirm(`copy stream ${info.config.name} into stream ${name} of ${target.url}, which has ${has}`)
  }
  return new StreamCopier({id, targetId: shortId(stream), info, target, name, copies}, options, found.length > 0)
}

function shortId({id}: StreamInfo): string {
  return hash('sha256', id, 'base64url').slice(0, 22)
}

/** Two copies of a bus file have the same id; what is in their streams tells them apart. */
async function mustBeOf(
  {bus, info}: {readonly bus: Transport; readonly info: StreamInfo},
  {seq, time}: {readonly seq: number; readonly time: string | undefined},
  target: Transport,
): Promise<void> {
  const {name} = info.config
  const original = await messageAt(bus, name, seq)
  // What was removed since cannot be compared.
  if (original === undefined ? seq <= (await bus.streams.info(name)).state.lastSeq : isoTime(original.time) === time)
    return
  throw new BusError('remote', `${target.url} has a copy of #${seq} of ${name} that is of another history of it`, {
    data: {seq},
    try: ['another target: this bus was copied or set back'],
  })
}

async function messageAt(bus: Transport, stream: string, seq: number): Promise<Message | undefined> {
  try {
    return await bus.streams.get(stream, seq)
  } catch (error) {
    if (isFailure(error, 'notFound')) return undefined
    throw error
  }
}

interface CopierParts {
  /** The source's id, in short. */
  readonly id: string
  /** The same of the target's stream. */
  readonly targetId: string
  readonly info: StreamInfo
  readonly target: Transport
  /** The target's stream. */
  readonly name: string
  readonly copies: TargetCopies
}

class StreamCopier implements IntoSink {
  readonly batch = copyBatch
  readonly depth = copyDepth
  readonly stream: string
  readonly isResumed: boolean
  readonly lastCopied: number
  readonly #parts: CopierParts
  readonly #options: IntoOptions
  readonly #position: CopyPosition
  readonly #storing: Storing
  #claim: string
  #sinceClaim = 0
  #looked: Promise<ReadonlySet<Message>> = Promise.resolve(new Set())
  /** The last message that was given for the first time. */
  #last: number | undefined
  /** Of those that were refused: the message before it. */
  readonly #before = new Map<number, number>()

  constructor(parts: CopierParts, options: IntoOptions, isResumed: boolean) {
    this.#parts = parts
    this.#options = options
    this.#position = parts.copies.position
    this.#storing = new Storing(parts.target)
    this.#claim = this.#position.claim()
    this.stream = parts.name
    this.isResumed = isResumed
    this.lastCopied = this.#position.last
  }

  async copy(messages: readonly Message[]): Promise<Copied> {
    const refused = new Map<Message, Refusal>()
    const before = new Map<Message, number>()
    const toStore: [Message, Outgoing][] = []
    for (const message of messages) {
      const after = this.#precedes(message)
      if (after !== undefined) before.set(message, after)
    }
    // One after the other, so that the order stays.
    this.#looked = this.#looked.then(() => this.#comeBack(messages))
    const isBack = await this.#looked
    for (const message of messages)
      if (!this.#position.has(message.seq ?? 0) && !isBack.has(message)) toStore.push([message, this.#copyOf(message)])
    let stored = 0
    const duplicates: [Message, Stored][] = []
    await this.#storing.store(toStore, refused, (message, at) => {
      if (at.duplicate) return void duplicates.push([message, at])
      this.#position.sent(message.seq ?? 0, at.seq)
      stored++
    })
    stored += await this.#settleDuplicates(duplicates, refused)
    for (const message of messages) this.#join(message, before.get(message), refused.has(message))
    await this.#look(stored)
    return {refused, alreadyThere: messages.length - refused.size - stored}
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#storing[Symbol.asyncDispose]()
  }

  /** Those that came from the target, and are still there: two streams may be copied into each other. */
  async #comeBack(messages: readonly Message[]): Promise<ReadonlySet<Message>> {
    const {target, targetId, name} = this.#parts
    const back = new Set<Message>()
    const copies = messages.filter((message) => sequenceOf(message, targetId) !== undefined)
    await Promise.all(
      copies.map(async (message) => {
        const seq = sequenceOf(message, targetId) ?? 0
        const original = await messageAt(target, name, seq)
        if (original !== undefined && isoTime(original.time) === message.header(copyHeaders.time)) back.add(message)
      }),
    )
    return back
  }

  /** The message before this one in the source, where that is known. */
  #precedes({seq = 0}: Message): number | undefined {
    if (!this.#options.isWhole) return undefined
    const earlier = this.#before.get(seq)
    if (earlier !== undefined) return earlier
    const last = this.#last ?? seq - 1
    this.#last = seq
    return last
  }

  #join({seq = 0}: Message, before: number | undefined, isRefused: boolean): void {
    if (before === undefined) return
    if (isRefused) this.#before.set(seq, before)
    else {
      this.#before.delete(seq)
      this.#position.joined(before, seq)
    }
  }

  /** A message id that the target knows need not stand for a message that it has, or for ours. */
  async #settleDuplicates(duplicates: [Message, Stored][], refused: Map<Message, Refusal>): Promise<number> {
    if (duplicates.length === 0) return 0
    const {id, target, name} = this.#parts
    const missing: [Message, Outgoing][] = []
    await Promise.all(
      duplicates.map(async ([message, {seq: at}]) => {
        const known = await messageAt(target, name, at)
        const isOurs = known !== undefined && sequenceOf(known, id) === message.seq
        if (isOurs && known.header(copyHeaders.time) === isoTime(message.time))
          this.#position.found(message.seq ?? 0, at)
        else missing.push([message, this.#copyOf(message, `/${crypto.randomUUID()}`)])
      }),
    )
    let stored = 0
    await this.#storing.store(missing, refused, (message, at) => {
      this.#position.sent(message.seq ?? 0, at.seq)
      stored++
    })
    return stored
  }

  /** What the next copies carry. */
  async #look(stored: number): Promise<void> {
    this.#sinceClaim += stored
    if (this.#sinceClaim < claimEvery) return
    this.#sinceClaim = 0
    await this.#parts.copies.catchUp()
    const floor = await this.#options.floor?.()
    if (floor !== undefined) this.#position.raiseFloor(floor)
    this.#claim = this.#position.claim()
  }

  /** A copy with where it came from; its message id is its place, so that no copy is stored twice. */
  #copyOf(message: Message, more = ''): Outgoing {
    const {subject, payload, headers, seq = 0} = message
    const {id, info} = this.#parts
    return {
      subject,
      data: payload,
      headers: [
        [storeHeaders.msgId, `${id}/${seq}${more}`],
        [copyHeaders.stream, info.config.name],
        [copyHeaders.source, id],
        [copyHeaders.seq, String(seq)],
        [copyHeaders.time, isoTime(message.time)],
        [copyHeaders.copied, this.#claim],
        ...asCopied(headers, this.#options),
      ],
    }
  }
}
