/** The longest wait of setTimeout, 24.8 days; with a longer one it fires immediately. */
const longestMs = 2 ** 31 - 1

/** A timeout of any length, in milliseconds. It keeps the process alive until it fires or is cancelled, unless `unref` is called. */
export class Timer implements Disposable {
  readonly #ms: number
  readonly #action: () => void
  #handle: NodeJS.Timeout
  #isUnref = false

  constructor(ms: number, action: () => void) {
    this.#ms = ms
    this.#action = action
    this.#handle = this.#start(ms)
  }

  /** Restarts the whole wait, even after it fired. */
  refresh(): void {
    if (!(this.#ms > longestMs)) {
      this.#handle.refresh()
      return
    }
    this.cancel()
    this.#handle = this.#start(this.#ms)
    if (this.#isUnref) this.#handle.unref()
  }

  cancel(): void {
    clearTimeout(this.#handle)
  }

  unref(): this {
    this.#isUnref = true
    this.#handle.unref()
    return this
  }

  [Symbol.dispose](): void {
    this.cancel()
  }

  #start(ms: number): NodeJS.Timeout {
    if (!(ms > longestMs)) return setTimeout(this.#action, ms)
    return setTimeout(() => {
      this.#handle = this.#start(ms - longestMs)
      if (this.#isUnref) this.#handle.unref()
    }, longestMs)
  }
}

/** Calls `end` when `restart` was not called for `ms`. What arrived while the process was too busy to read is read first. */
export class IdleTimer implements Disposable {
  readonly #timer: Timer
  #end: NodeJS.Immediate | undefined

  constructor(ms: number, end: () => void) {
    this.#timer = new Timer(ms, () => {
      this.#end = setImmediate(end)
    })
  }

  restart(): void {
    clearImmediate(this.#end)
    this.#timer.refresh()
  }

  [Symbol.dispose](): void {
    clearImmediate(this.#end)
    this.#timer.cancel()
  }
}

/** Repeats an action every `ms` milliseconds, which may be any length. It keeps the process alive as a `Timer` does. */
export class Interval implements Disposable {
  readonly #timer: Timer

  constructor(ms: number, action: () => void) {
    this.#timer = new Timer(ms, () => {
      this.#timer.refresh()
      action()
    })
  }

  cancel(): void {
    this.#timer.cancel()
  }

  unref(): this {
    this.#timer.unref()
    return this
  }

  [Symbol.dispose](): void {
    this.cancel()
  }
}

/** Resolves after `ms`, which may be any length, or when the signal aborts. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  const {promise, resolve} = Promise.withResolvers<void>()
  if (signal?.aborted) return Promise.resolve()
  const timer = new Timer(ms, resolve)
  const wake = () => resolve()
  signal?.addEventListener('abort', wake)
  return promise.finally(() => {
    timer.cancel()
    signal?.removeEventListener('abort', wake)
  })
}

/** Aborts `ms` after the other signal. */
export function laterSignal(signal: AbortSignal, ms: number): AbortSignal {
  const later = new AbortController()
  const begin = () => void new Timer(ms, () => later.abort()).unref()
  if (signal.aborted) begin()
  else signal.addEventListener('abort', begin, {once: true})
  return later.signal
}

/** Resolves when one of the signals aborts; immediately if one has. */
export function whenAborted(
  ...signals: readonly (AbortSignal | undefined)[]
): {readonly promise: Promise<void>} & Disposable {
  const {promise, resolve} = Promise.withResolvers<void>()
  const abort = () => resolve()
  for (const signal of signals) {
    if (signal?.aborted) abort()
    else signal?.addEventListener('abort', abort)
  }
  const dispose = () => {
    for (const signal of signals) signal?.removeEventListener('abort', abort)
  }
  return {promise, [Symbol.dispose]: dispose}
}
