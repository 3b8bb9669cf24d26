/** A stream of another bus as a sink, resumable without losing or duplicating messages. */
import {hash} from 'node:crypto'
import {BusError} from '../../core/errors.ts'
import type {Message, Outgoing} from '../../core/message.ts'
import {isoTime} from '../../core/time/timestamp.ts'
import type {Transport} from '../../transport/contract.ts'
import {type StreamInfo, storeHeaders, unlessMissing} from '../../transport/streams-contract.ts'
import type {Copied, CopySink, Refusal} from '../sinks/sink.ts'
import {type CopyPosition, copiedFrom, copyHeaders, sequenceOf, TargetCopies} from './copy-position.ts'
import {asCopied, type CopyOptions, copyBatch, Storing} from './copy-storage.ts'
import {targetStream} from './target-stream.ts'

/** Copies between two updates of the position that they carry. */
const claimEvery = 500

export interface IntoSink extends CopySink {
  readonly stream: string
  /** What its copies have in `Bus-Source`. */
  readonly sourceId: string
  /** Whether the target had copies of the source at the start. */
  readonly isResumed: boolean
  /** The highest sequence of the source that was copied before; 0 for none. */
  readonly lastCopied: number
}

/** The options of a copy. */
export interface IntoOptions extends CopyOptions {
  /** Creates the stream of the target if it does not exist. */
  readonly create: boolean
  /**
   * Set if the messages arrive in the order of the source, and between the first and the last none is missing that matches one
   * of these patterns (without patterns, none at all). Undefined if something else selects messages.
   */
  readonly filters: readonly string[] | undefined
  /** The sequence up to which a consumer has acknowledged everything; undefined for a range of the stream. */
  readonly floor?: (() => Promise<number>) | undefined
  /** Rejects if messages may not be written to a target with messages from elsewhere. */
  readonly confirm: (question: string) => Promise<void>
  /** Called for each copy that is stored: its sequences in the source and in the target. */
  readonly onStored?: ((seq: number, at: number) => void) | undefined
}

/**
 * Copies messages into the stream of another bus that stores their subjects. Messages that it already has are ignored. Fails
 * with `notFound` without such a stream, with `usage` if it is the source itself.
 */
export async function intoSink(
  source: {readonly bus: Transport; readonly info: StreamInfo},
  target: Transport,
  options: IntoOptions,
): Promise<IntoSink> {
  const {info} = source
  const stream = await targetStream(source, target, options.create)
  if (stream.id === info.id) {
    const sentence = `${stream.config.name} of ${target.url} is the source itself, or was restored from a backup of it`
    throw new BusError('usage', sentence, {
      try: ['--into another bus', '--republish, to publish under other subjects'],
    })
  }
  const id = shortId(info)
  const {name, dedupeMs, discard, maxMsgs, maxBytes, maxMsgsPerSubject, maxAgeMs} = stream.config
  const limits = [maxMsgs, maxBytes, maxMsgsPerSubject, maxAgeMs]
  const isForgetful = discard === 'old' && limits.some((limit) => limit !== undefined)
  const copies = new TargetCopies(target, name, id, options.filters)
  const found = await copies.find((await options.floor?.()) ?? 0)
  for (const copy of found) await mustBeOf(source, copy, target)
  if (found.length === 0 && stream.state.messages > 0) {
    const has = `${stream.state.messages} ${stream.state.messages === 1 ? 'message' : 'messages'} from elsewhere`
    await options.confirm(`copy stream ${info.config.name} into stream ${name} of ${target.url}, which has ${has}`)
  }
  return new StreamCopier(
    {id, targetId: shortId(stream), info, target, name, dedupeMs, isForgetful, copies},
    options,
    found.length > 0,
  )
}

function shortId({id}: StreamInfo): string {
  return hash('sha256', id, 'base64url').slice(0, 22)
}

/** Two copies of a bus file have the same id; the contents of their streams distinguish them. */
async function mustBeOf(
  {bus, info}: {readonly bus: Transport; readonly info: StreamInfo},
  {seq, time}: {readonly seq: number; readonly time: string | undefined},
  target: Transport,
): Promise<void> {
  const {name} = info.config
  const original = await bus.streams.get(name, seq).catch(unlessMissing)
  // Messages removed in the meantime cannot be compared.
  if (original === undefined ? seq <= (await bus.streams.info(name)).state.lastSeq : isoTime(original.time) === time)
    return
  throw new BusError('remote', `${target.url} has a copy of #${seq} of ${name} that differs from the original`, {
    data: {seq},
    try: ['another target: the source was copied or restored to an earlier state'],
  })
}

/** For each message with a known id: where it is stored, and what followed its position in the id. */
type Duplicate = readonly [message: Message, at: number, suffix: string]

interface CopierDeps {
  /** A short form of the source's id. */
  readonly id: string
  /** A short form of the target stream's id. */
  readonly targetId: string
  readonly info: StreamInfo
  readonly target: Transport
  /** The stream of the target. */
  readonly name: string
  /** How long the target remembers message ids. */
  readonly dedupeMs: number
  /** The target removes old messages to make room for new ones. */
  readonly isForgetful: boolean
  readonly copies: TargetCopies
}

class StreamCopier implements IntoSink {
  readonly batch = copyBatch
  readonly stream: string
  readonly sourceId: string
  readonly isResumed: boolean
  readonly lastCopied: number
  readonly #deps: CopierDeps
  readonly #options: IntoOptions
  readonly #position: CopyPosition
  readonly #storing: Storing
  #claim: string
  #sinceClaim = 0
  /** The update of the position that is running, if any. */
  #looking: Promise<void> | undefined
  #lookFailure: {readonly error: unknown} | undefined
  #caughtUp: Promise<void> | undefined
  /** The previous batch, if the target is forgetful. */
  #underWay: Promise<unknown> = Promise.resolve()
  #looked: Promise<ReadonlySet<Message>> = Promise.resolve(new Set())
  /** The last message that was passed for the first time. */
  #last: number | undefined
  /** For each refused message, the message before it. */
  readonly #before = new Map<number, number>()

  constructor(deps: CopierDeps, options: IntoOptions, isResumed: boolean) {
    this.#deps = deps
    this.#options = options
    this.#position = deps.copies.position
    this.#storing = new Storing(deps.target, options)
    this.#claim = this.#position.claim()
    this.stream = deps.name
    this.sourceId = deps.id
    this.isResumed = isResumed
    this.lastCopied = this.#position.last
  }

  get depth(): number {
    return this.#storing.depth
  }

  async copy(messages: readonly Message[]): Promise<Copied> {
    const before = new Map<Message, number>()
    for (const message of messages) {
      const after = this.#precedes(message)
      if (after !== undefined) before.set(message, after)
    }
    if (!this.#deps.isForgetful) return this.#copy(messages, before)
    const copying = this.#underWay.then(() => this.#copyLastLater(messages, before))
    // Its caller gets a failure.
    this.#underWay = copying.catch(() => undefined)
    return copying
  }

  /**
   * The last copy of each batch is sent once all before it are settled, and names them: the target may soon have removed them, and
   * a later run must not copy them again, which would remove newer ones.
   */
  async #copyLastLater(messages: readonly Message[], before: ReadonlyMap<Message, number>): Promise<Copied> {
    const {refused, alreadyThere} = await this.#copy(messages.slice(0, -1), before)
    this.#claim = this.#position.claim()
    const last = await this.#copy(messages.slice(-1), before)
    return {refused: new Map([...refused, ...last.refused]), alreadyThere: alreadyThere + last.alreadyThere}
  }

  async #copy(messages: readonly Message[], before: ReadonlyMap<Message, number>): Promise<Copied> {
    const refused = new Map<Message, Refusal>()
    const toStore: [Message, Outgoing][] = []
    // One after the other, to keep the order.
    this.#looked = this.#looked.then(() => this.#comeBack(messages))
    const isBack = await this.#looked
    await this.#refresh()
    if (this.#lookFailure !== undefined) throw this.#lookFailure.error
    for (const message of messages)
      if (!this.#position.has(message.seq ?? 0) && !isBack.has(message)) toStore.push([message, this.#copyOf(message)])
    let stored = 0
    const duplicates: Duplicate[] = []
    await this.#storing.store(toStore, refused, (message, at) => {
      if (at.duplicate) return void duplicates.push([message, at.seq, ''])
      this.#sent(message, at.seq)
      stored++
    })
    stored += await this.#settleDuplicates(duplicates, refused)
    for (const message of messages) this.#join(message, before.get(message), refused.has(message))
    await this.#look(messages.length - refused.size)
    return {refused, alreadyThere: messages.length - refused.size - stored}
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#storing[Symbol.asyncDispose]()
    await this.#looking
  }

  #sent({seq = 0}: Message, at: number): void {
    this.#position.sent(seq, at)
    this.#options.onStored?.(seq, at)
  }

  /** Messages that came from the target and are still there: streams may be copied into each other, even in a ring. */
  async #comeBack(messages: readonly Message[]): Promise<ReadonlySet<Message>> {
    const {target, targetId, name} = this.#deps
    const back = new Set<Message>()
    const copied = messages.filter(({headers}) => headers.length > 0)
    await Promise.all(
      copied.map(async (message) => {
        const place = copiedFrom(message).find(({source}) => source === targetId)
        if (place === undefined) return
        const original = await target.streams.get(name, place.seq).catch(unlessMissing)
        if (original !== undefined && isoTime(original.time) === place.time) back.add(message)
      }),
    )
    return back
  }

  /** The message before this one in the source, if it is known. */
  #precedes({seq = 0}: Message): number | undefined {
    if (this.#options.filters === undefined) return undefined
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

  /**
   * A copy that another run stored earlier is found by reading, a later one by its message id: what is known of the target is
   * never older than half of the time for which it remembers ids.
   */
  async #refresh(): Promise<void> {
    if (this.#deps.copies.ageMs < this.#deps.dedupeMs / 2) return
    this.#caughtUp ??= this.#deps.copies.catchUp().finally(() => {
      this.#caughtUp = undefined
    })
    await this.#caughtUp
  }

  /** A duplicate message id does not prove that the target has this message. */
  async #settleDuplicates(duplicates: readonly Duplicate[], refused: Map<Message, Refusal>): Promise<number> {
    const {id, target, name} = this.#deps
    let stored = 0
    for (let open = duplicates; open.length > 0; ) {
      const missing = new Map<Message, string>()
      await Promise.all(
        open.map(async ([message, at, suffix]) => {
          const known = await target.streams.get(name, at).catch(unlessMissing)
          const isOurs = known !== undefined && sequenceOf(known, id) === message.seq
          if (isOurs && known.header(copyHeaders.time) === isoTime(message.time))
            this.#position.found(message.seq ?? 0, at)
          // The same id in each run, so that two of them do not both store it.
          else missing.set(message, `${suffix}/${at}`)
        }),
      )
      const again: Duplicate[] = []
      const copies = [...missing].map(([message, suffix]) => [message, this.#copyOf(message, suffix)] as const)
      await this.#storing.store(copies, refused, (message, at) => {
        if (at.duplicate) return void again.push([message, at.seq, missing.get(message) ?? ''])
        this.#sent(message, at.seq)
        stored++
      })
      open = again
    }
    return stored
  }

  /**
   * Starts an update of the position that the next copies carry. Copies wait for it only if it is a full window behind; once it has
   * failed, the next ones fail.
   */
  async #look(settled: number): Promise<void> {
    this.#sinceClaim += settled
    if (this.#looking !== undefined && this.#sinceClaim >= this.#storing.depth * copyBatch) await this.#looking
    if (this.#sinceClaim < claimEvery || this.#looking !== undefined) return
    this.#sinceClaim = 0
    this.#looking = this.#update()
      .catch((error: unknown) => {
        this.#lookFailure = {error}
      })
      .finally(() => {
        this.#looking = undefined
      })
  }

  async #update(): Promise<void> {
    await this.#deps.copies.catchUp()
    const floor = await this.#options.floor?.()
    if (floor !== undefined) this.#position.raiseFloor(floor)
    this.#claim = this.#position.claim()
  }

  /** A copy with its origin; its message id is derived from the origin, so that no copy is stored twice. */
  #copyOf(message: Message, more = ''): Outgoing {
    const {subject, payload, headers, seq = 0} = message
    const {id, info} = this.#deps
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
        ...copiedFrom(message).map(({source, seq, time}): [string, string] => [
          copyHeaders.via,
          `${source}/${seq}/${time}`,
        ]),
        ...asCopied(headers, this.#options),
      ],
    }
  }
}
