/**
 * Compares the messages of two streams, or of a stream and a backup, in little memory: both are read side by side, and a message waits for
 * its equal on the other side. Two messages are the same if they have the same message id, or without one, the same subject and
 * payload; headers that a copy adds do not count. A message that is very far from its equal counts as missing on both sides.
 */
import {hash} from 'node:crypto'
import {headerOf, type Message} from '../../core/message.ts'
import {storeHeaders} from '../../transport/streams-contract.ts'
import {copyHeaders} from '../replay/copy-position.ts'
import {asCopied} from '../replay/copy-storage.ts'

/** The largest number of messages of each side that wait for their equals. */
const mostWaiting = 200_000
const mostSubjects = 1000
const mostListed = 10
const pageSize = 512

/** Where messages come from: up to `max` at a time, and none at the end. */
export interface MessagePages {
  take(max: number): Promise<readonly Message[]>
}

/** How many messages only one side has, and how many both have with different contents. */
export interface DifferenceCounts {
  left: number
  right: number
  changed: number
}

/** A message that differs; `right` is its sequence there. */
export interface DifferingMessage {
  readonly subject: string
  readonly left?: number | undefined
  readonly right?: number | undefined
}

export interface Difference extends Readonly<DifferenceCounts> {
  /** Messages that are the same. */
  readonly same: number
  /** How many of them come later on one side than on the other. */
  readonly moved: number
  /** By subject, at most a thousand of them. */
  readonly subjects: ReadonlyMap<string, Readonly<DifferenceCounts>>
  /** The first ten. */
  readonly first: readonly DifferingMessage[]
}

export interface DifferenceOptions {
  readonly signal: AbortSignal
  /** Called with the number of compared messages. */
  readonly onProgress?: ((messages: number) => void) | undefined
  /** Called with the sequence of each message that only the left side has. */
  readonly onMissing?: ((seq: number) => void) | undefined
  /** What two messages have in common if they are the same, in place of the rules above. */
  readonly keyOf?: ((message: Message, side: Side) => string) | undefined
}

/** Reads both sides to their ends, or until the signal aborts. */
export async function compareMessages(
  left: MessagePages,
  right: MessagePages,
  options: DifferenceOptions,
): Promise<Difference> {
  const run = new Comparison(options)
  let [isLeft, isRight] = [true, true]
  while ((isLeft || isRight) && !options.signal.aborted) {
    const [ours, theirs] = await Promise.all([isLeft ? left.take(pageSize) : [], isRight ? right.take(pageSize) : []])
    isLeft = ours.length > 0
    isRight = theirs.length > 0
    for (let i = 0; i < Math.max(ours.length, theirs.length); i++) {
      const [one, other] = [ours[i], theirs[i]]
      if (one !== undefined) run.add('left', one)
      if (other !== undefined) run.add('right', other)
    }
    options.onProgress?.(run.same)
  }
  return run.end()
}

type Side = 'left' | 'right'

interface Waiting {
  readonly subject: string
  readonly seq: number
  /** Of payload and headers. */
  readonly contents: string
}

class Comparison {
  readonly #options: DifferenceOptions
  readonly #waiting = {left: new Map<string, Waiting[]>(), right: new Map<string, Waiting[]>()}
  readonly #sizes = {left: 0, right: 0}
  readonly #counts: DifferenceCounts = {left: 0, right: 0, changed: 0}
  readonly #subjects = new Map<string, DifferenceCounts>()
  readonly #first: DifferingMessage[] = []
  /** The highest sequences with an equal. Equals are found in order if both sides have the same order. */
  readonly #last = {left: 0, right: 0}
  #moved = 0
  same = 0

  constructor(options: DifferenceOptions) {
    this.#options = options
  }

  add(side: Side, message: Message): void {
    const other = side === 'left' ? 'right' : 'left'
    const {subject, seq = 0} = message
    const digest = digestOf(message.payload)
    const key = this.#options.keyOf?.(message, side) ?? keyOf(message, digest)
    const entry = {subject, seq, contents: contentsOf(message, digest)}
    const found = this.#taken(other, key, entry.contents)
    if (found === undefined) {
      this.#wait(side, key, entry)
      return
    }
    const [one, two] = side === 'left' ? [entry, found] : [found, entry]
    if (one.seq < this.#last.left || two.seq < this.#last.right) this.#moved++
    this.#last.left = Math.max(this.#last.left, one.seq)
    this.#last.right = Math.max(this.#last.right, two.seq)
    if (one.contents === two.contents && one.subject === two.subject) this.same++
    else this.#differs('changed', {subject: one.subject, left: one.seq, right: two.seq})
  }

  end(): Difference {
    for (const side of ['left', 'right'] as const)
      for (const entries of this.#waiting[side].values()) for (const entry of entries) this.#missing(side, entry)
    return {...this.#counts, same: this.same, moved: this.#moved, subjects: this.#subjects, first: this.#first}
  }

  /** The waiting message with this key, if possible one with the same contents. */
  #taken(side: Side, key: string, contents: string): Waiting | undefined {
    const entries = this.#waiting[side].get(key)
    if (entries === undefined) return undefined
    const at = Math.max(
      0,
      entries.findIndex((entry) => entry.contents === contents),
    )
    const [found] = entries.splice(at, 1)
    if (entries.length === 0) this.#waiting[side].delete(key)
    this.#sizes[side]--
    return found
  }

  #wait(side: Side, key: string, entry: Waiting): void {
    const waiting = this.#waiting[side]
    const entries = waiting.get(key)
    if (entries === undefined) waiting.set(key, [entry])
    else entries.push(entry)
    if (++this.#sizes[side] <= mostWaiting) return
    const [[first, oldest] = ['', []]] = waiting
    waiting.delete(first)
    this.#sizes[side] -= oldest.length
    for (const each of oldest) this.#missing(side, each)
  }

  #missing(side: Side, {subject, seq}: Waiting): void {
    this.#differs(side, {subject, [side]: seq})
    if (side === 'left') this.#options.onMissing?.(seq)
  }

  #differs(what: keyof DifferenceCounts, message: DifferingMessage): void {
    this.#counts[what]++
    if (this.#first.length < mostListed) this.#first.push(message)
    const counts = this.#subjects.get(message.subject) ?? {left: 0, right: 0, changed: 0}
    counts[what]++
    if (this.#subjects.size < mostSubjects) this.#subjects.set(message.subject, counts)
  }
}

function keyOf(message: Message, digest: string): string {
  const id = originalId(message)
  return id === undefined ? `${message.subject} ${digest}` : `id ${id}`
}

function digestOf(payload: string | Uint8Array): string {
  return hash('sha256', payload, 'base64').slice(0, 22)
}

function contentsOf({headers}: Message, digest: string): string {
  if (headers.length === 0) return digest
  const own = asCopied(headers, {obeyHeaders: false}).filter(
    ([name, value]) => name !== copyHeaders.msgId || !ofCopies.test(value),
  )
  return own.length === 0 ? digest : digest + JSON.stringify(own)
}

/** Ids that copies have in place of their own. */
const ofCopies = /^[\w-]{22}\/(?:[^/]+\/)?\d+$/

function originalId({headers}: Message): string | undefined {
  if (headers.length === 0) return undefined
  const kept = headerOf(headers, copyHeaders.msgId)
  if (kept !== undefined) return kept
  const id = headerOf(headers, storeHeaders.msgId)
  return id !== undefined && ofCopies.test(id) ? undefined : id
}
