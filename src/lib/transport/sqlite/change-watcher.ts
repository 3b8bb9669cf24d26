/**
 * Notices the commits of other processes through wake files. In addition it polls, for commits that no wake file reported: their
 * publisher was killed, or the file system reports nothing. It polls less and less often while nothing happens, so that an idle
 * process wakes up only every ten seconds.
 */
import {type FSWatcher, watch} from 'node:fs'
import type {BusFile} from './file.ts'
import type {WakeFiles} from './wake-files.ts'

/** The interval after a wake-up, which doubles while nothing happens. */
const pollMs = 100
/** Only Linux reports changes of a file without opening it: closing it again would drop the locks of SQLite. */
const isWatchable = process.platform === 'linux'
const longestPollMs = isWatchable ? 10_000 : 1000
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
  #everyMs = pollMs
  /** Whether a wake-up has ever arrived, so that polling may become rare. */
  #hasHeard = false
  /** Whether there was something since the last poll. */
  #isActive = false
  #version: number | undefined
  #checkAt = performance.now() + checkMs
  #missed = 0
  #spinUntil = 0
  #isSpinning = false
  #isClosed = false
  #guards: FSWatcher[] = []

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
    if (this.#timer === undefined) this.#pollIn(pollMs)
  }

  /** The other side is about to answer, so this polls continuously for a moment. */
  expect(): void {
    this.#spinUntil = performance.now() + spinMs
    this.#hurry()
    if (this.#isSpinning) return
    this.#isSpinning = true
    setImmediate(this.#spin)
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#endGuard()
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
    this.#missed = 0
    this.#hasHeard = true
    this.#hurry()
    this.#listener.changed()
  }

  /** Something happened, so the next poll comes soon. */
  #hurry(): void {
    this.#isActive = true
    if (this.#timer !== undefined && this.#everyMs > pollMs) this.#pollIn(pollMs)
  }

  #pollIn(ms: number): void {
    if (this.#isClosed) return
    clearTimeout(this.#timer)
    this.#everyMs = ms
    this.#timer = setTimeout(this.#poll, ms)
    if (ms <= checkMs) this.#endGuard()
    else this.#guard()
  }

  readonly #poll = (): void => {
    this.#look()
    const isRare = this.#hasHeard && !this.#isActive
    this.#isActive = false
    if (this.#missed >= unreliableAfter) this.#pollIn(unreliablePollMs)
    else this.#pollIn(isRare ? Math.min(Math.max(this.#everyMs, pollMs) * 2, longestPollMs) : pollMs)
    // Until a wake-up arrives, wake files may be unreliable: this one is for ourselves.
    if (!this.#hasHeard) this.#wakeFiles.touchWatched()
  }

  /** Whether another connection has committed since the last check, with messages for us. */
  #look(): void {
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
      this.#isActive = true
      this.#missed++
    } catch (error) {
      this.#listener.unreadable(error)
    }
  }

  /** While polls are rare, the system reports that the file was deleted, replaced or written over. */
  #guard(): void {
    if (!isWatchable || this.#guards.length > 0) return
    for (const path of [this.#file.real, `${this.#file.real}-shm`]) {
      try {
        const guard = watch(path, this.#fileChanged)
        guard.on('error', () => guard.close())
        this.#guards.push(guard)
      } catch {
        // Out of watches: the polls remain.
      }
    }
  }

  #endGuard(): void {
    for (const guard of this.#guards.splice(0)) guard.close()
  }

  /** Also after checkpoints of other processes, of which there may be many: so this does not listen again before the next poll. */
  readonly #fileChanged = (): void => {
    try {
      this.#file.check()
    } catch (error) {
      this.#listener.unreadable(error)
    }
    this.#pollIn(checkMs)
  }
}
