/** Failed messages as the source of a replay: those that were handled leave the list, the others stay on it. */
import type {Message} from '../../core/message.ts'
import type {ReplaySource} from '../replay/source.ts'
import type {FailedList} from './failed.ts'

export interface FailedSourceOptions {
  /** Take at most this many messages. */
  readonly count?: number | undefined
  /** Called for a message that is gone, so that nothing can be done about it. */
  readonly onGone: (seq: number) => void
}

export class FailedSource implements ReplaySource {
  readonly total = undefined
  readonly redelivered = 0
  readonly exhausted = 0
  readonly #list: FailedList
  readonly #options: FailedSourceOptions
  readonly #ready: Message[] = []
  readonly #forgetting = new Set<Promise<void>>()
  #left: number
  #failure: {error: unknown} | undefined
  #isEnding = false

  constructor(list: FailedList, options: FailedSourceOptions) {
    this.#list = list
    this.#options = options
    this.#left = options.count ?? Number.POSITIVE_INFINITY
  }

  async take(max: number): Promise<readonly Message[]> {
    while (this.#ready.length === 0 && !this.#isEnding && this.#left > 0) {
      const page = await this.#list.next()
      if (page.length === 0) return []
      for (const {seq, message} of page) {
        if (message === undefined) this.#options.onGone(seq)
        else this.#ready.push(message)
      }
    }
    if (this.#failure !== undefined) throw this.#failure.error
    const taken = this.#isEnding ? [] : this.#ready.splice(0, Math.min(max, this.#left))
    this.#left -= taken.length
    return taken
  }

  end(): void {
    this.#isEnding = true
  }

  drain(): boolean {
    this.end()
    return false
  }

  done(messages: readonly Message[]): void {
    const forgetting = this.#list
      .forget(messages.map(({seq = 0}) => seq))
      .catch((error: unknown) => {
        this.#failure ??= {error}
      })
      .finally(() => this.#forgetting.delete(forgetting))
    this.#forgetting.add(forgetting)
  }

  term(): void {}
  leave(): void {}

  async flush(): Promise<void> {
    await Promise.all(this.#forgetting)
    if (this.#failure !== undefined) throw this.#failure.error
  }

  finish(): Promise<void> {
    return this.flush()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#list[Symbol.asyncDispose]()
  }
}
