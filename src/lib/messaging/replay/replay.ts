/**
 * Replays messages from a source into a sink, at a pace; each is settled only after the sink has taken it. So a message that
 * was not handled is never acknowledged, whatever ends the replay.
 */
import {BusError, isFailure} from '../../core/errors.ts'
import type {Message} from '../../core/message.ts'
import {reworded} from '../../core/rewording.ts'
import type {Pace} from '../../core/time/pace.ts'
import {sleep} from '../../core/time/timer.ts'
import type {Copied, CopySink, Refusal, Sink} from '../sinks/sink.ts'
import type {ReplaySource} from './source.ts'

/** What happens to a message that its sink refuses. */
export interface Policy {
  /**
   * `retry`: try again with growing pauses, up to `maxAttempts`; then the message is given up if `onGivenUp` is set, otherwise
   * the replay stops. `skip`: leave it and continue with the next one. `term`: give it up. `stop`: end the replay.
   */
  readonly onError: 'retry' | 'skip' | 'term' | 'stop'
  readonly maxAttempts: number
}

export interface ReplayOptions {
  readonly policy: Policy
  readonly pace?: Pace | undefined
  /** Selects the messages to pass to the sink; the others are settled. */
  readonly keep?: ((batch: readonly Message[]) => readonly Message[] | Promise<readonly Message[]>) | undefined
  /** Takes no more messages and finishes those in progress. */
  readonly stop?: AbortSignal | undefined
  /** Like `stop`, but does not handle delivered messages that would lose a delivery. */
  readonly quit?: AbortSignal | undefined
  /** Records a message before it is given up. */
  readonly onGivenUp?: ((message: Message, reason: string) => void) | undefined
  /** Called when the sink asks for a longer pause than usual before the next attempt. */
  readonly onWaiting?: ((refusal: Refusal, waitMs: number) => void) | undefined
  readonly onProgress?: ((counts: ReplayCounts) => void) | undefined
}

export interface ReplayCounts {
  read: number
  /** Taken by the sink in this run. */
  handled: number
  /** The sink had them before. */
  alreadyThere: number
  /** Excluded by `keep`. */
  unmatched: number
  /** Refused at least once. */
  failed: number
  /** Left unacknowledged. */
  skipped: number
  givenUp: number
}

export interface Unhandled {
  readonly subject: string
  readonly seq: number | undefined
  readonly reason: string
  readonly fate: 'skipped' | 'given up' | 'stopped'
}

export interface Replayed extends ReplayCounts {
  readonly ms: number
  /** The source was read to its end. */
  readonly complete: boolean
  /** The first hundred messages that were not handled. */
  readonly unhandled: readonly Unhandled[]
}

const longestPauseMs = 30_000
const mostListed = 100
/** With more bytes than this on their way to the sink, nothing more is read. */
const mostBytes = 8 * 1024 * 1024

/** Replays until the source ends or the signal aborts. Fails as source and sink do, after settling handled messages. */
export async function replay(source: ReplaySource, sink: Sink | CopySink, options: ReplayOptions): Promise<Replayed> {
  const run = new Run(source, sink, options)
  return run.all()
}

class Run implements ReplayCounts {
  readonly #source: ReplaySource
  readonly #sink: Sink | CopySink
  readonly #options: ReplayOptions
  readonly #started = performance.now()
  readonly #unhandled: Unhandled[] = []
  readonly #underWay = new Set<Promise<void>>()
  /** Bytes of the messages that are on their way. */
  #bytes = 0
  readonly #stopped = new AbortController()
  /** Only messages that were already delivered are handled now, without pauses. */
  readonly #draining = new AbortController()
  #failure: {error: unknown} | undefined
  /** The message that ended the replay. */
  #stop: {readonly message: Message; readonly reason: string} | undefined
  read = 0
  handled = 0
  alreadyThere = 0
  unmatched = 0
  failed = 0
  skipped = 0
  givenUp = 0

  constructor(source: ReplaySource, sink: Sink | CopySink, options: ReplayOptions) {
    this.#source = source
    this.#sink = sink
    this.#options = options
  }

  async all(): Promise<Replayed> {
    const {stop, quit} = this.#options
    const abort = () => this.#stopped.abort()
    const drain = () => {
      if (this.#source.drain()) this.#draining.abort()
      else abort()
    }
    this.#stopped.signal.addEventListener('abort', () => this.#source.end())
    stop?.addEventListener('abort', drain)
    quit?.addEventListener('abort', abort)
    if (stop?.aborted || quit?.aborted) abort()
    let complete = false
    try {
      complete = await this.#pump()
    } catch (error) {
      this.#fail(error)
    } finally {
      stop?.removeEventListener('abort', drain)
      quit?.removeEventListener('abort', abort)
    }
    await Promise.all(this.#underWay)
    await this.#source.finish().catch((error) => this.#fail(error))
    const {read, handled, alreadyThere, unmatched, failed, skipped, givenUp} = this
    const ms = performance.now() - this.#started
    const done = {read, handled, alreadyThere, unmatched, failed, skipped, givenUp, ms, unhandled: this.#unhandled}
    if (this.#stop !== undefined) throw stoppedAt(this.#stop, this.#source.ackPolicy, done)
    const isCutShort = stop?.aborted === true && isFailure(this.#failure?.error, 'interrupted')
    if (this.#failure !== undefined && !isCutShort) throw withCounts(this.#failure.error, done)
    return {...done, complete: complete && !isCutShort}
  }

  /** True when the source has ended. */
  async #pump(): Promise<boolean> {
    const {batch: most} = this.#sink
    const {keep, pace} = this.#options
    while (!this.#stopped.signal.aborted) {
      const taken = await this.#source.take(pace === undefined ? most : 1)
      if (taken.length === 0) return !this.#stopped.signal.aborted && !this.#draining.signal.aborted
      this.read += taken.length
      const batch = keep === undefined ? taken : await this.#kept(taken, keep)
      if (batch.length === 0) continue
      if (!(await this.#wait(batch))) {
        for (const message of batch) this.#source.leave(message)
        return false
      }
      this.#begin(batch)
      while (this.#underWay.size >= this.#sink.depth || this.#bytes > mostBytes) await Promise.race(this.#underWay)
    }
    return false
  }

  async #kept(taken: readonly Message[], keep: NonNullable<ReplayOptions['keep']>): Promise<readonly Message[]> {
    const batch = await keep(taken)
    if (batch.length === taken.length) return batch
    const kept = new Set(batch)
    const others = taken.filter((message) => !kept.has(message))
    this.#source.done(others)
    this.unmatched += others.length
    return batch
  }

  /** False if it was stopped before the message was due. */
  async #wait([message]: readonly Message[]): Promise<boolean> {
    const {pace} = this.#options
    if (pace === undefined || message === undefined) return true
    const elapsed = performance.now() - this.#started
    const due = pace({timeMs: message.time}, elapsed)
    const signal = AbortSignal.any([this.#stopped.signal, this.#draining.signal])
    for (let left = due - elapsed; left > 0 && !signal.aborted; ) {
      await sleep(Math.ceil(left), signal)
      left = due - (performance.now() - this.#started)
    }
    return !this.#stopped.signal.aborted
  }

  #begin(batch: readonly Message[]): void {
    const bytes = batch.reduce((sum, {payload}) => sum + payload.length, 0)
    this.#bytes += bytes
    const work = this.#handle(batch)
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#underWay.delete(work)
        this.#bytes -= bytes
      })
    this.#underWay.add(work)
  }

  async #handle(batch: readonly Message[]): Promise<void> {
    const {refused, alreadyThere} = await this.#give(batch)
    this.#taken(refused.size === 0 ? batch : batch.filter((message) => !refused.has(message)), alreadyThere)
    for (const [message, refusal] of refused) await this.#refused(message, refusal)
  }

  async #give(batch: readonly Message[]): Promise<Copied> {
    if ('copy' in this.#sink) return this.#sink.copy(batch)
    const refusal = await this.#sink.take(batch)
    const [message] = batch
    return {refused: new Map(refusal && message && [[message, refusal]]), alreadyThere: 0}
  }

  #taken(messages: readonly Message[], alreadyThere: number): void {
    this.#source.done(messages)
    this.alreadyThere += alreadyThere
    this.handled += messages.length - alreadyThere
    this.#options.onProgress?.(this)
  }

  async #refused(message: Message, first: Refusal): Promise<void> {
    this.failed++
    const {onError, maxAttempts} = this.#options.policy
    let refusal = first
    for (let attempt = 1; onError === 'retry' && isWorthRetrying(refusal) && attempt < maxAttempts; attempt++) {
      const pause = Math.min(longestPauseMs, 100 * 2 ** attempt)
      const waitMs = Math.max(pause, refusal.retryAfterMs ?? 0)
      const isLonger = waitMs > pause
      if (isLonger && !this.#draining.signal.aborted) this.#options.onWaiting?.(refusal, waitMs)
      await sleep(waitMs, AbortSignal.any([this.#stopped.signal, this.#draining.signal]))
      if (this.#stopped.signal.aborted) return this.#source.leave(message)
      // An earlier attempt than the sink asked for would fail.
      if (isLonger && this.#draining.signal.aborted) break
      const {refused, alreadyThere} = await this.#give([message])
      const again = refused.get(message)
      if (again === undefined) return this.#taken([message], alreadyThere)
      refusal = again
    }
    if (this.#failure !== undefined) this.#source.leave(message)
    else this.#settle(message, refusal)
  }

  #settle(message: Message, {reason, verdict}: Refusal): void {
    const {policy, onGivenUp} = this.#options
    const mayGiveUp = policy.onError === 'term' || (policy.onError === 'retry' && onGivenUp !== undefined)
    if (verdict === 'term' || (verdict === undefined && mayGiveUp)) {
      onGivenUp?.(message, reason)
      this.#source.term(message, reason)
      this.givenUp++
      this.#list(message, reason, 'given up')
    } else if (verdict === 'leave' || policy.onError === 'skip') {
      this.#source.leave(message)
      this.skipped++
      this.#list(message, reason, 'skipped')
    } else {
      this.#source.leave(message)
      this.#list(message, reason, 'stopped')
      if (this.#failure === undefined) this.#stop = {message, reason}
      this.#fail(undefined)
    }
  }

  #list({subject, seq}: Message, reason: string, fate: Unhandled['fate']): void {
    if (this.#unhandled.length < mostListed) this.#unhandled.push({subject, seq, reason, fate})
  }

  #fail(error: unknown): void {
    this.#failure ??= {error}
    this.#stopped.abort()
  }
}

function isWorthRetrying({verdict, isFinal}: Refusal): boolean {
  return verdict === undefined && isFinal !== true
}

/** So that it can be said how far the replay came. */
function withCounts(error: unknown, done: Omit<Replayed, 'complete'>): unknown {
  return error instanceof BusError && done.read > 0 ? reworded(error, error.message, {...done}) : error
}

function stoppedAt(
  {message, reason}: {readonly message: Message; readonly reason: string},
  ackPolicy: ReplaySource['ackPolicy'],
  done: Omit<Replayed, 'complete'>,
): BusError {
  const {subject, seq} = message
  const isLost = ackPolicy === 'none'
  const fate = isLost ? ', which will not be redelivered' : ackPolicy && ', which is not acknowledged'
  return new BusError('remote', `stopped at message ${seq} on "${subject}"${fate ?? ''}: ${reason}`, {
    data: {seq, subject, reason, ...done},
    try: [...(isLost ? [] : ['--on-error skip or term']), '--dead FILE, to set such messages aside and continue'],
  })
}
