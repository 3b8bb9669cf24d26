/** Listens for commits of other processes: by the bells, and by looking now and then for what no bell told. */
import type {Bells} from './bells.ts'
import type {Log} from './log.ts'

const safetyMs = 100
const deafMs = 2
/** So many commits that no bell told make a file system deaf. */
const deafAfter = 3
/** In the middle of a conversation looking at the file for so long beats sleeping until the bell. */
const spinMs = 1

export class Ears {
  readonly #bells: Bells
  readonly #log: Log
  readonly #wake: () => boolean
  #timer: NodeJS.Timeout | undefined
  #version = 0
  #missed = 0
  #spinUntil = 0
  #isSpinning = false

  /** `wake` reads whatever is new, and answers whether there was anything. */
  constructor(bells: Bells, log: Log, wake: () => boolean) {
    this.#bells = bells
    this.#log = log
    this.#wake = wake
  }

  /** Armed before the first read, so that nothing falls between. */
  listen(bells: readonly string[] | 'all'): void {
    this.#bells.listen(bells, this.#heard)
    this.#start(safetyMs)
  }

  /** The other side is about to answer: for a moment, watches for it without pause. */
  expect(): void {
    this.#spinUntil = performance.now() + spinMs
    if (this.#isSpinning) return
    this.#isSpinning = true
    setImmediate(this.#spin)
  }

  close(): void {
    clearInterval(this.#timer)
    this.#spinUntil = 0
  }

  readonly #spin = (): void => {
    if (performance.now() >= this.#spinUntil) {
      this.#isSpinning = false
      return
    }
    const version = this.#log.version()
    if (version !== this.#version) {
      this.#version = version
      this.#wake()
    }
    setImmediate(this.#spin)
  }

  readonly #heard = (): void => {
    if (this.#missed >= deafAfter) this.#start(safetyMs)
    this.#missed = 0
    this.#wake()
  }

  #start(everyMs: number): void {
    if (everyMs === safetyMs && this.#timer !== undefined && this.#missed < deafAfter) return
    clearInterval(this.#timer)
    this.#timer = setInterval(() => this.#look(), everyMs)
  }

  #look(): void {
    const version = this.#log.version()
    if (version === this.#version) return
    this.#version = version
    if (this.#wake() && ++this.#missed === deafAfter) this.#start(deafMs)
  }
}
