/** Buses as sinks: another subject of the same bus, or a stream of another one, resumable without loss or doubles. */
import {hash} from 'node:crypto'
import {directivesAsData, directivesRestored} from '../../core/directives.ts'
import {BusError, isFailure} from '../../core/errors.ts'
import {type Headers, headerOf, type Message, type Outgoing} from '../../core/message.ts'
import {checkSubject} from '../../core/subject.ts'
import {splitPlaceholders, unknownPlaceholder} from '../../core/text/placeholders.ts'
import {isoTime} from '../../core/time/timestamp.ts'
import type {Transport} from '../../transport/contract.ts'
import {type Stored, type StreamInfo, type StreamPublisher, storeHeaders} from '../../transport/streams-contract.ts'
import type {Copied, CopySink, Refusal} from '../sinks/sink.ts'
import {type CopyPosition, copyHeaders, sequenceOf, TargetCopies} from './copy-position.ts'
import {keeping, targetStream} from './target-stream.ts'

const batch = 512
const depth = 4
/** Copies between two updates of the position that they carry. */
const claimEvery = 500

/** Subjects of which it is remembered whether a stream keeps them. */
const mostSubjects = 10_000

/** What copies are like. */
export interface CopyOptions {
  /** Headers that ask something of a store are carried out at the target; otherwise they become data. */
  readonly obeyHeaders: boolean
}

export interface RepublishOptions extends CopyOptions {
  /** Says which subjects would be replayed again, without end. */
  readonly wouldReturn: (subject: string) => boolean
}

/**
 * Publishes each message on this bus under another subject, `copy.{subject}`. Where a stream keeps the subject its
 * acknowledgement is waited for. Throws `usage`.
 */
export function republishSink(bus: Transport, template: string, options: RepublishOptions): CopySink {
  return new RepublishSink(bus, compileSubject(template), options)
}

class RepublishSink implements CopySink {
  readonly batch = batch
  readonly depth = depth
  readonly #bus: Transport
  readonly #subjectOf: (message: Message) => string
  readonly #options: RepublishOptions
  /** Whether a stream keeps a subject. */
  readonly #kept = new Map<string, boolean>()
  #storing: Storing | undefined

  constructor(bus: Transport, subjectOf: (message: Message) => string, options: RepublishOptions) {
    this.#bus = bus
    this.#subjectOf = subjectOf
    this.#options = options
  }

  async copy(messages: readonly Message[]): Promise<Copied> {
    const refused = new Map<Message, Refusal>()
    const copies: [Message, Outgoing][] = []
    for (const message of messages) {
      try {
        const {payload, headers} = message
        const subject = this.#checked(this.#subjectOf(message))
        copies.push([message, {subject, data: payload, headers: asCopied(headers, this.#options)}])
      } catch (error) {
        refused.set(message, refusalOf(error))
      }
    }
    await this.#learn(copies.map(([, {subject}]) => subject))
    const isKept = ({subject}: Outgoing) => this.#kept.get(subject) === true
    for (const [message, copy] of copies) {
      try {
        if (!isKept(copy)) this.#bus.publish(copy)
      } catch (error) {
        refused.set(message, refusalOf(error))
      }
    }
    const toStore = copies.filter(([, copy]) => isKept(copy))
    if (toStore.length > 0) {
      this.#storing ??= new Storing(this.#bus)
      await this.#storing.store(toStore, refused)
    }
    await this.#bus.flush()
    return {refused, alreadyThere: 0}
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#storing?.[Symbol.asyncDispose]()
  }

  async #learn(subjects: readonly string[]): Promise<void> {
    if (this.#kept.size > mostSubjects) this.#kept.clear()
    const fresh = [...new Set(subjects)].filter((subject) => !this.#kept.has(subject))
    await Promise.all(
      fresh.map(async (subject) => {
        this.#kept.set(subject, (await keeping(this.#bus, subject)).length > 0)
      }),
    )
  }

  #checked(subject: string): string {
    if (!this.#options.wouldReturn(subject)) return subject
    throw new EndlessError(subject)
  }
}

/** A mistake of the user, which no message is to be blamed for. */
class EndlessError extends BusError {
  constructor(subject: string) {
    super('usage', `"${subject}" is a subject of what is replayed: it would never end`, {
      try: ['another subject', 'a replay without --follow'],
    })
  }
}

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
  readonly batch = batch
  readonly depth = depth
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

/** Messages that a stream acknowledges, each by itself. */
class Storing implements AsyncDisposable {
  readonly #publisher: StreamPublisher
  readonly #open = new Map<number, (outcome: Stored | {readonly error: unknown}) => void>()
  #pushed = 0

  constructor(bus: Transport) {
    this.#publisher = bus.streams.publisher({
      window: depth * batch,
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
        if ('error' in outcome) refused.set(message, refusalOf(outcome.error))
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

function refusalOf(error: unknown): Refusal {
  if (!(error instanceof BusError) || error instanceof EndlessError || !ofMessage.has(error.kind)) throw error
  return {reason: error.message, isFinal: error.kind === 'usage'}
}

/** The headers of a message as its copy has them, without those of an earlier copy. */
function asCopied(headers: Headers, {obeyHeaders}: CopyOptions): Headers {
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

function compileSubject(template: string): (message: Message) => string {
  const what = '--republish'
  const parts = splitPlaceholders(template, what)
  for (const part of parts) {
    if (typeof part !== 'string' && part.name !== 'subject') throw unknownPlaceholder(what, part, 'there is {subject}')
  }
  checkSubject(parts.map((part) => (typeof part === 'string' ? part : 'a')).join(''))
  let last = ''
  let made = ''
  return ({subject}) => {
    if (subject !== last) {
      made = checkSubject(parts.map((part) => (typeof part === 'string' ? part : subject)).join(''))
      last = subject
    }
    return made
  }
}
