/** Notices the commits of other processes: through wake files, and by polling for commits that no wake file reported. */
import type {BusFile} from './file.ts'
import type {WakeFiles} from './wake-files.ts'

const pollMs = 100
const unreliablePollMs = 2
/** After this many commits without a wake-up, wake files count as unreliable on this file system. */
const unreliableAfter = 3
/** How often it checks that the file is still there. */
const checkMs = 1000
/** During a conversation, polling for this long is faster than sleeping until the wake-up. */
const spinMs = 1

/** Called when the file changes. */
export interface ChangeListener {
  /** There was a commit: reads new messages; false if there were none for this listener. */
  changed(): boolean
  /** The file can no longer be read. */
  unreadable(error: unknown): void
}

export class ChangeWatcher {
  readonly #file: BusFile
  readonly #wakeFiles: WakeFiles
  readonly #listener: ChangeListener
  /** Changes when another connection has committed. */
  readonly #dataVersion
  #timer: NodeJS.Timeout | undefined
  #version: number | undefined
  #checkAt = performance.now() + checkMs
  #missed = 0
  #spinUntil = 0
  #isSpinning = false

  constructor(file: BusFile, wakeFiles: WakeFiles, listener: ChangeListener) {
    this.#file = file
    this.#wakeFiles = wakeFiles
    this.#listener = listener
    this.#dataVersion = file.db.prepare<[], number>('PRAGMA data_version').pluck()
    this.#version = this.#dataVersion.get()
  }

  /** To be called before the first read, so that no commit is missed. */
  watch(names: readonly string[] | 'all'): void {
    this.#wakeFiles.watch(names, this.#touched)
    this.#poll(pollMs)
  }

  /** The other side is about to answer, so this polls continuously for a moment. */
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
    this.#look()
    setImmediate(this.#spin)
  }

  readonly #touched = (): void => {
    if (this.#missed >= unreliableAfter) this.#poll(pollMs)
    this.#missed = 0
    this.#listener.changed()
  }

  #poll(everyMs: number): void {
    if (everyMs === pollMs && this.#timer !== undefined && this.#missed < unreliableAfter) return
    clearInterval(this.#timer)
    this.#timer = setInterval(this.#look, everyMs)
  }

  /** Whether another connection has committed since the last check, with messages for us. */
  readonly #look = (): void => {
    try {
      const now = performance.now()
      if (now >= this.#checkAt) {
        this.#checkAt = now + checkMs
        this.#file.check()
      }
      const version = this.#dataVersion.get()
      if (version === this.#version) return
      this.#version = version
      if (!this.#listener.changed() || this.#isSpinning) return
      if (++this.#missed === unreliableAfter) this.#poll(unreliablePollMs)
    } catch (error) {
      this.#listener.unreadable(error)
    }
  }
}
