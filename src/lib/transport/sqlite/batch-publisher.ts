/**
 * Publishes by group commit: everything published in one turn of the event loop is one transaction, so a single message waits
 * for nothing and a thousand cost little more than one.
 */
import type {Outgoing} from '../../core/message.ts'
import {BatchWriter, type WrittenBatch} from './batch-writer.ts'
import type {FileConnection} from './connection.ts'
import {busy} from './db.ts'
import {hasDue, prune, restartLog} from './retention.ts'
import type {StoreOutcome} from './streams/intake.ts'

const batchMessages = 1000
const batchBytes = 1024 * 1024
/** Batches per turn of the event loop. */
const batchesPerTurn = 8
const pruneEveryMs = 10_000
/** After this many bytes the length of the write-ahead log is checked. */
const logLookBytes = 8 * 1024 * 1024

/** Receives the outcomes of its messages, in their order, after the commit. */
export interface CommitListener {
  settled(outcome: (index: number) => StoreOutcome, count: number): void
  failed(error: unknown, count: number): void
}

/** Events of the publishing half of a connection for the reading half. */
export interface PublishEvents {
  /** Something was committed, which subscribers of this connection can read immediately. */
  changed(): void
  /** Messages could not be committed. Returns the error as one sentence. */
  failed(error: unknown): unknown
  /** Nobody serves this request. */
  noResponders(request: Outgoing): void
}

/** Consecutive messages of one listener, by their indexes among all that were pushed. */
interface Watched {
  readonly listener: CommitListener
  from: number
  to: number
}

interface Flush {
  upTo: number
  readonly settled: PromiseWithResolvers<void>
}

export class BatchPublisher {
  readonly #connection: FileConnection
  readonly #events: PublishEvents
  readonly #writer: BatchWriter
  readonly #flushes: Flush[] = []
  readonly #watched: Watched[] = []
  #queue: Outgoing[] = []
  #first = 0
  #pushed = 0
  #done = 0
  /** The number of queued messages that a commit or a failure is removing: they can no longer be withdrawn. */
  #settling = 0
  #armed = false
  #error: unknown
  #busySince: number | undefined
  #nextPrune = performance.now()
  #sinceLogLook = 0

  constructor(connection: FileConnection, events: PublishEvents) {
    this.#connection = connection
    this.#events = events
    this.#writer = new BatchWriter(connection)
  }

  /** Whether the subject was published before, so that it needs no check. */
  knows(subject: string): boolean {
    return this.#writer.knows(subject)
  }

  push(message: Outgoing, listener?: CommitListener): void {
    this.#queue.push(message)
    if (listener !== undefined) this.#watch(listener)
    this.#pushed++
    if (this.#armed) return
    this.#armed = true
    setImmediate(this.#run)
  }

  /** Resolves when everything pushed before is committed; rejects if some of it could not be. */
  flush(): Promise<void> {
    if (this.#error !== undefined) return Promise.reject(this.#takeError())
    if (this.#done === this.#pushed) return Promise.resolve()
    const settled = Promise.withResolvers<void>()
    this.#flushes.push({upTo: this.#pushed, settled})
    return settled.promise
  }

  /** Writes messages in a transaction of their own, unless `check` throws; undefined if another process holds the lock. */
  tryTogether<T>(batch: readonly Outgoing[], check: (outcome: WrittenBatch['outcome']) => T): T | undefined {
    const work = () => {
      const written = this.#writer.write(batch, true)
      return {written, checked: check(written.outcome)}
    }
    let result: ReturnType<typeof work> | typeof busy = busy
    try {
      result = this.#connection.file.lock.tryWrite(work)
    } finally {
      if (result === busy) this.#writer.forget()
    }
    if (result === busy) return undefined
    try {
      this.#afterCommit(
        result.written,
        batch.reduce((sum, {data}) => sum + (data?.length ?? 0), 0),
      )
    } catch (error) {
      this.#fail(error)
    }
    return result.checked
  }

  /** Withdraws the first message like this; false if it is already in the file. Not for messages with a listener. */
  withdraw(isWanted: (message: Outgoing) => boolean): boolean {
    const at = this.#queue.findIndex((message, i) => i >= this.#first + this.#settling && isWanted(message))
    if (at < 0) return false
    this.#remove(this.#done + at - this.#first, 1)
    return true
  }

  /** Withdraws the last messages of this listener, which are not in the file; returns how many. */
  withdrawAll(listener: CommitListener): number {
    let count = 0
    for (const watched of this.#watched.filter((each) => each.listener === listener).reverse()) {
      const from = Math.max(watched.from, this.#done + this.#settling)
      if (from >= watched.to) continue
      count += watched.to - from
      this.#remove(from, watched.to - from)
    }
    return count
  }

  /** Removes queued messages, starting at the index of the first among all that were pushed. */
  #remove(place: number, count: number): void {
    this.#queue.splice(this.#first + place - this.#done, count)
    this.#pushed -= count
    const moved = (at: number) => (at <= place ? at : Math.max(place, at - count))
    const watched = this.#watched.splice(0).map((each) => ({...each, from: moved(each.from), to: moved(each.to)}))
    this.#watched.push(...watched.filter(({from, to}) => from < to))
    for (const flush of this.#flushes) flush.upTo = moved(flush.upTo)
  }

  #watch(listener: CommitListener): void {
    const last = this.#watched.at(-1)
    if (last?.listener === listener && last.to === this.#pushed) last.to++
    else this.#watched.push({listener, from: this.#pushed, to: this.#pushed + 1})
  }

  /** Commits the queue, or as much as one turn allows. */
  readonly #run = (): void => {
    for (let i = 0; i < batchesPerTurn && this.#first < this.#queue.length; i++) {
      if (!this.#commitBatch()) break
    }
    this.#armed = this.#first < this.#queue.length
    if (this.#armed) setImmediate(this.#run)
    else {
      this.#queue = []
      this.#first = 0
    }
    if (this.#flushes.length > 0) this.#settleFlushes()
  }

  /** False if another process holds the lock. */
  #commitBatch(): boolean {
    const {batch, bytes} = this.#nextBatch()
    this.#settling = batch.length
    let written: WrittenBatch | undefined
    try {
      const result = this.#connection.file.lock.tryWrite(() => this.#writer.write(batch))
      if (result === busy) {
        this.#isBusy()
        return false
      }
      this.#busySince = undefined
      written = result
      this.#afterCommit(written, bytes)
    } catch (error) {
      this.#writer.forget()
      const failure = this.#fail(error)
      if (written === undefined) this.#tellFailed(batch.length, failure)
    }
    if (written !== undefined && this.#watched.length > 0) this.#tellSettled(batch.length, written.outcome)
    this.#settled(batch.length)
    return true
  }

  #nextBatch(): {batch: Outgoing[]; bytes: number} {
    let bytes = 0
    let end = this.#first
    while (end < this.#queue.length && end - this.#first < batchMessages && bytes < batchBytes) {
      bytes += this.#queue[end++]?.data?.length ?? 0
    }
    return {batch: this.#queue.slice(this.#first, end), bytes}
  }

  #afterCommit({wakeFiles, unserved}: WrittenBatch, bytes: number): void {
    for (const name of wakeFiles) this.#connection.wakeFiles.touch(name)
    this.#events.changed()
    for (const request of unserved) this.#events.noResponders(request)
    const now = performance.now()
    if (now >= this.#nextPrune && this.#prune()) this.#nextPrune = now + pruneEveryMs
    this.#sinceLogLook += bytes
    if (this.#sinceLogLook <= logLookBytes) return
    this.#sinceLogLook = 0
    restartLog(this.#connection.file.db)
  }

  /** A publishing process also removes expired rows, a few after each commit; true if no more are due. */
  #prune(): boolean {
    const {lock, db} = this.#connection.file
    const wall = Date.now()
    if (!lock.readStatement(() => hasDue(db, wall))) return true
    return lock.tryWrite(() => prune(db, this.#connection, wall)) === true
  }

  /** Another process holds the lock: after a while everything queued fails. */
  #isBusy(): void {
    this.#settling = 0
    this.#busySince ??= performance.now()
    if (!this.#connection.file.lock.isTooLate(this.#busySince)) return
    this.#busySince = undefined
    const left = this.#queue.length - this.#first
    this.#settling = left
    this.#tellFailed(left, this.#fail(this.#connection.file.lock.lockedError()))
    this.#settled(left)
  }

  #settled(count: number): void {
    this.#first += count
    this.#done += count
    this.#settling = 0
  }

  #fail(error: unknown): unknown {
    const failure = this.#events.failed(error)
    this.#error ??= failure
    return failure
  }

  #tellSettled(count: number, outcome: WrittenBatch['outcome']): void {
    for (const {listener, from, to} of this.#watchedNext(count)) listener.settled((i) => outcome(from + i), to - from)
  }

  #tellFailed(count: number, failure: unknown): void {
    for (const {listener, from, to} of this.#watchedNext(count)) listener.failed(failure, to - from)
  }

  /** The watched messages among the next `count`, by their indexes; they are then no longer watched. */
  *#watchedNext(count: number): Iterable<Watched> {
    const [begin, end] = [this.#done, this.#done + count]
    for (let next = this.#watched[0]; next !== undefined && next.from < end; next = this.#watched[0]) {
      const {listener, from} = next
      const to = Math.min(next.to, end)
      if (to === next.to) this.#watched.shift()
      else next.from = to
      yield {listener, from: from - begin, to: to - begin}
    }
  }

  #settleFlushes(): void {
    const error = this.#takeError()
    while (this.#flushes[0] !== undefined && (error !== undefined || this.#flushes[0].upTo <= this.#done)) {
      const {settled} = this.#flushes.shift() as Flush
      if (error === undefined) settled.resolve()
      else settled.reject(error)
    }
  }

  #takeError(): unknown {
    const error = this.#error
    this.#error = undefined
    return error
  }
}
