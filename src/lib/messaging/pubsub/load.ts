import {BusError, type FailureKind} from '../../core/errors.ts'
import type {Message, Outgoing} from '../../core/message.ts'
import type {Transport} from '../../transport/contract.ts'

export interface Load {
  readonly count: number
  /** Requests in flight at the same time. */
  readonly concurrency: number
  /** Milliseconds for each request. */
  readonly timeoutMs: number
  /** Makes the next request. */
  readonly next: () => Outgoing
  /** Told the milliseconds of each request that was answered, before the reply is judged. */
  readonly onLatency: (ms: number) => void
  /** Judges a reply: throws what is wrong with it. A promise is waited for. */
  readonly judge?: ((reply: Message, ms: number) => Promise<void> | undefined) | undefined
  /** Told after each request how many are done. */
  readonly onProgress?: ((done: number) => void) | undefined
  /** Ends the run; what is in flight then counts as not made. */
  readonly signal?: AbortSignal | undefined
}

export interface LoadResult {
  /** Requests that came to an end, well or not. */
  readonly requests: number
  readonly ok: number
  /** How many failed in each way. */
  readonly errors: Readonly<Partial<Record<FailureKind, number>>>
  /** The first failure of each kind. */
  readonly examples: readonly BusError[]
  /** Milliseconds for the whole run. */
  readonly ms: number
}

/** A request that fails so says something about the one who serves, and the run goes on; any other failure ends it. */
const counted: ReadonlySet<FailureKind> = new Set(['noResponders', 'timeout', 'remote', 'expectation'])

/**
 * Sends `count` requests, `concurrency` at a time. Each costs what the transport's `request` costs, a clock reading and
 * nothing else. Fails with `noResponders` when that is so before anything was answered.
 */
export async function runLoad(bus: Transport, load: Load): Promise<LoadResult> {
  const started = performance.now()
  const errors = new Map<FailureKind, {count: number; example: BusError}>()
  const options = {timeoutMs: load.timeoutMs}
  let sent = 0
  let done = 0
  let ok = 0
  let answered = false
  let stopped = false

  const failed = (error: unknown) => {
    if (!(error instanceof BusError && counted.has(error.kind))) throw error
    if (error.kind === 'noResponders' && !answered) throw error
    const entry = errors.get(error.kind) ?? {count: 0, example: error}
    entry.count++
    errors.set(error.kind, entry)
  }
  const work = async () => {
    while (sent < load.count && !stopped) {
      sent++
      const message = load.next()
      const from = performance.now()
      try {
        const reply = await bus.request(message, options)
        if (stopped) return
        answered = true
        const ms = performance.now() - from
        load.onLatency(ms)
        const verdict = load.judge?.(reply, ms)
        if (verdict !== undefined) await verdict
        ok++
      } catch (error) {
        if (stopped) return
        failed(error)
      }
      done++
      load.onProgress?.(done)
    }
  }
  const workers = Array.from({length: Math.min(load.concurrency, load.count)}, work)
  const all = Promise.all(workers)
  try {
    await (load.signal === undefined ? all : Promise.race([all, aborted(load.signal)]))
  } finally {
    stopped = true
  }
  return {
    requests: done,
    ok,
    errors: Object.fromEntries([...errors].map(([kind, {count}]) => [kind, count])),
    examples: [...errors.values()].map(({example}) => example),
    ms: performance.now() - started,
  }
}

/** The failure of a run that was cut short or in which a request failed; of several kinds the gravest. */
export function failureOfLoad(result: LoadResult, asked: number): BusError | undefined {
  if (result.requests < asked) {
    return new BusError('interrupted', `interrupted after ${result.requests} of ${asked} requests`)
  }
  const gravestFirst: FailureKind[] = ['noResponders', 'timeout', 'remote', 'expectation']
  const kind = gravestFirst.find((candidate) => result.errors[candidate] !== undefined)
  if (kind === undefined) return undefined
  const example = result.examples.find((error) => error.kind === kind)
  const failures = result.requests - result.ok
  return new BusError(kind, `${failures} of ${result.requests} requests failed, as this one: ${example?.message}`, {
    try: example?.try ?? [],
    data: {...example?.data, errors: result.errors},
  })
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), {once: true})
  })
}
