/** Listens for commits of other processes: by the bells, and by looking now and then for what no bell told. */

import type {Log} from './log.ts'
import type {Bells} from './wake-files.ts'

const safetyMs = 100
const deafMs = 2
/** So many commits that no bell told make a file system deaf. */
const deafAfter = 3
/** So often it looks whether the file is still there. */
const checkMs = 1000
/** In the middle of a conversation looking at the file for so long beats sleeping until the bell. */
const spinMs = 1

export interface EarsParts {
  /** Reads whatever is new, and answers whether there was anything. */
  readonly wake: () => boolean
  /** Throws when the file is no longer the one that was opened. */
  readonly check: () => void
  /** Told of what either throws. */
  readonly failed: (error: unknown) => void
}

export class Ears {
  readonly #bells: Bells
  readonly #log: Log
  readonly #parts: EarsParts
  #timer: NodeJS.Timeout | undefined
  #version = 0
  #checkAt = 0
  #missed = 0
  #spinUntil = 0
  #isSpinning = false

  constructor(bells: Bells, log: Log, parts: EarsParts) {
    this.#bells = bells
    this.#log = log
    this.#parts = parts
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
    if (this.#hasChanged()) this.#parts.wake()
    setImmediate(this.#spin)
  }

  readonly #heard = (): void => {
    if (this.#missed >= deafAfter) this.#start(safetyMs)
    this.#missed = 0
    this.#parts.wake()
  }

  #start(everyMs: number): void {
    if (everyMs === safetyMs && this.#timer !== undefined && this.#missed < deafAfter) return
    clearInterval(this.#timer)
    this.#timer = setInterval(() => this.#look(), everyMs)
  }

  #look(): void {
    if (this.#hasChanged() && this.#parts.wake() && ++this.#missed === deafAfter) this.#start(deafMs)
  }

  /** Has anybody else committed since the last look? */
  #hasChanged(): boolean {
    try {
      this.#checkNowAndThen()
      const version = this.#log.version()
      if (version === this.#version) return false
      this.#version = version
      return true
    } catch (error) {
      this.#parts.failed(error)
      return false
    }
  }

  #checkNowAndThen(): void {
    const now = performance.now()
    if (now < this.#checkAt) return
    this.#checkAt = now + checkMs
    this.#parts.check()
  }
}
