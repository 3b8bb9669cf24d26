/** The load generator: makes many calls, a limited number at a time, and counts how they fail. */
import {BusError, type FailureKind} from '../core/errors.ts'
import type {Message, Outgoing} from '../core/message.ts'
import type {Transport} from '../transport/contract.ts'

export interface CallLoad<A> {
  /** Calls in flight at the same time. */
  readonly concurrency: number
  /** Resolves with true when the call with this index is due, with false at the end of the run. */
  readonly due: (index: number) => boolean | Promise<boolean>
  readonly call: (index: number) => Promise<A>
  /** Called with each answer. Throws if the answer is wrong; a promise is awaited. */
  readonly onAnswer: (answer: A) => Promise<void> | undefined
  /** Called for each counted failure. */
  readonly onFailure?: ((kind: FailureKind) => void) | undefined
  /** Called after each call with the number of finished calls. */
  readonly onProgress?: ((done: number) => void) | undefined
  /** Ends the run. Calls in flight are then not counted. */
  readonly signal?: AbortSignal | undefined
}

export interface RequestLoad extends Pick<CallLoad<Message>, 'concurrency' | 'onProgress' | 'signal'> {
  readonly count: number
  /** Timeout of each request. */
  readonly timeoutMs: number
  readonly ackIsReply?: boolean | undefined
  /** Makes the next request. */
  readonly next: () => Outgoing
  /** Called with the latency of each answered request, before the reply is judged. */
  readonly onLatency: (ms: number) => void
  /** Throws if a reply is wrong. A promise is awaited. */
  readonly judge?: ((reply: Message, ms: number) => Promise<void> | undefined) | undefined
}

export interface LoadResult {
  /** Requests that are done, successful or not. */
  readonly requests: number
  readonly ok: number
  /** Failures by kind. */
  readonly errors: Readonly<Partial<Record<FailureKind, number>>>
  /** The first failure of each kind. */
  readonly examples: readonly BusError[]
  /** Duration of the whole run. */
  readonly ms: number
}

/** Failures of the service, the most serious first. They are counted; any other failure ends the run. */
const countedKinds: readonly FailureKind[] = ['noResponders', 'timeout', 'remote', 'expectation']

/** Sends `count` requests. The overhead for each is one clock reading. Fails as `runCalls` does. */
export function runRequests(bus: Transport, load: RequestLoad): Promise<LoadResult> {
  const {count, next, onLatency, judge} = load
  const {timeoutMs, ackIsReply} = load
  const options = {timeoutMs, ackIsReply}
  return runCalls({
    ...load,
    due: (index) => index < count,
    async call() {
      const message = next()
      const from = performance.now()
      const reply = await bus.request(message, options)
      return {reply, ms: performance.now() - from}
    },
    onAnswer({reply, ms}) {
      onLatency(ms)
      return judge?.(reply, ms)
    },
  })
}

/** Makes calls until none is due. Fails with `noResponders` if nobody responds before the first answer. */
export async function runCalls<A>(load: CallLoad<A>): Promise<LoadResult> {
  const {signal} = load
  const run = new CallRun(load)
  const aborted = Promise.withResolvers<void>()
  const abort = () => aborted.resolve()
  signal?.addEventListener('abort', abort)
  if (signal?.aborted) abort()
  try {
    await Promise.race([run.all(), aborted.promise])
  } finally {
    run.stopped = true
    signal?.removeEventListener('abort', abort)
  }
  return run.result()
}

class CallRun<A> {
  /** Calls that end from now on do not count. */
  stopped = false
  readonly #load: CallLoad<A>
  readonly #started = performance.now()
  readonly #errors = new Map<FailureKind, {count: number; example: BusError}>()
  #done = 0
  #ok = 0
  #inFlight = 0
  #answered = false
  #onEnded = () => {}
  #failure: {readonly error: unknown} | undefined

  constructor(load: CallLoad<A>) {
    this.#load = load
  }

  async all(): Promise<void> {
    const {due, concurrency} = this.#load
    for (let index = 0; !this.stopped; index++) {
      const isDue = due(index)
      if (!(typeof isDue === 'boolean' ? isDue : await isDue)) break
      this.#inFlight++
      void this.#one(index)
      if (this.#inFlight >= concurrency) await this.#ended()
    }
    while (this.#inFlight > 0 && !this.stopped) await this.#ended()
    if (this.#failure !== undefined) throw this.#failure.error
  }

  result(): LoadResult {
    const errors = [...this.#errors]
    return {
      requests: this.#done,
      ok: this.#ok,
      errors: Object.fromEntries(errors.map(([kind, {count}]) => [kind, count])),
      examples: errors.map(([, {example}]) => example),
      ms: performance.now() - this.#started,
    }
  }

  /** Does not reject. */
  async #one(index: number): Promise<void> {
    try {
      await this.#call(index)
    } catch (error) {
      this.#failure ??= {error}
      this.stopped = true
    }
    this.#inFlight--
    this.#onEnded()
  }

  async #call(index: number): Promise<void> {
    const {call, onAnswer, onProgress} = this.#load
    try {
      const answer = await call(index)
      if (this.stopped) return
      this.#answered = true
      const verdict = onAnswer(answer)
      if (verdict !== undefined) await verdict
      this.#ok++
    } catch (error) {
      if (this.stopped) return
      this.#count(error)
    }
    this.#done++
    onProgress?.(this.#done)
  }

  /** Counts a failure of the service; throws any other. */
  #count(error: unknown): void {
    if (!(error instanceof BusError && countedKinds.includes(error.kind))) throw error
    if (error.kind === 'noResponders' && !this.#answered) throw error
    const entry = this.#errors.get(error.kind) ?? {count: 0, example: error}
    entry.count++
    this.#errors.set(error.kind, entry)
    this.#load.onFailure?.(error.kind)
  }

  /** Resolves when the next call has ended. */
  #ended(): Promise<void> {
    const {promise, resolve} = Promise.withResolvers<void>()
    this.#onEnded = resolve
    return promise
  }
}

/** The most serious kind of the failures that were counted. */
export function gravestOf(errors: Readonly<Record<string, number>>): FailureKind | undefined {
  return countedKinds.find((kind) => errors[kind] !== undefined)
}

/** The failure of a run that was interrupted or in which requests failed: the most serious kind that occurred. */
export function failureOfLoad(result: LoadResult, asked: number): BusError | undefined {
  if (result.requests < asked) {
    return new BusError('interrupted', `interrupted after ${result.requests} of ${asked} requests`)
  }
  const kind = gravestOf(result.errors)
  if (kind === undefined) return undefined
  const example = result.examples.find((error) => error.kind === kind)
  const failures = result.requests - result.ok
  return new BusError(kind, `${failures} of ${result.requests} requests failed, for example: ${example?.message}`, {
    try: example?.try ?? [],
    data: {...example?.data, errors: result.errors},
  })
}
