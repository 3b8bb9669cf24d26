/** The longest wait of setTimeout, 24.8 days; for a longer one it fires at once. */
const longestMs = 2 ** 31 - 1

/** A timeout of any length, in milliseconds. It keeps the process alive until it fires or is cancelled, unless `unref` is called. */
export class Timer implements Disposable {
  #handle: NodeJS.Timeout
  #isUnref = false

  constructor(ms: number, action: () => void) {
    this.#handle = this.#start(ms, action)
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

  #start(ms: number, action: () => void): NodeJS.Timeout {
    if (!(ms > longestMs)) return setTimeout(action, ms)
    return setTimeout(() => {
      this.#handle = this.#start(ms - longestMs, action)
      if (this.#isUnref) this.#handle.unref()
    }, longestMs)
  }
}

/** Resolves after `ms`, however long, or when the signal aborts, whichever is first. */
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
