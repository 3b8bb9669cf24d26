/** How long to wait for a server that does not respond: less once the command has to end. */
import type {NatsProtocol} from './protocol.ts'

/** The minimum wait once the command has to end, in milliseconds; longer on a slow network. */
const leastLeavingMs = 900

export interface ServerWait {
  /** Resolves when the server has sent nothing for this long. */
  readonly promise: Promise<void>
  readonly stop: () => void
}

export class ServerTimeout {
  /** The wait while the command runs, in milliseconds. */
  readonly limitMs: number
  readonly #leavingMs: number
  readonly #protocol: NatsProtocol
  readonly #signal: AbortSignal | undefined

  /** `dialMs`: how long connecting took; `signal`: aborts when the command has to end. */
  constructor(protocol: NatsProtocol, limitMs: number, dialMs: number, signal: AbortSignal | undefined) {
    this.limitMs = limitMs
    this.#leavingMs = Math.max(leastLeavingMs, dialMs)
    this.#protocol = protocol
    this.#signal = signal
  }

  /** The wait as of now, in milliseconds. */
  get currentMs(): number {
    return this.#signal?.aborted ? this.#leavingMs : this.limitMs
  }

  /** Waits for the silence of the server; the limit is shorter once the signal aborts. */
  wait(): ServerWait {
    const signal = this.#signal
    const first = this.#protocol.idleFor(this.currentMs)
    if (signal === undefined || signal.aborted) return {promise: first, stop: first.stop}
    const {promise, resolve} = Promise.withResolvers<void>()
    const waits = [first]
    const leave = () => {
      const last = this.#protocol.idleFor(this.#leavingMs)
      waits.push(last)
      void last.then(resolve)
    }
    signal.addEventListener('abort', leave)
    void first.then(resolve)
    const stop = () => {
      signal.removeEventListener('abort', leave)
      for (const wait of waits) wait.stop()
    }
    return {promise, stop}
  }

  /** The same with the shorter limit, whether or not the command has to end. */
  waitToLeave(): ServerWait {
    const idle = this.#protocol.idleFor(Math.min(this.currentMs, this.#leavingMs))
    return {promise: idle, stop: idle.stop}
  }
}
