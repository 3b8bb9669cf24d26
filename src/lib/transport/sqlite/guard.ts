/**
 * Whether the bus file is still the one that was opened. Who deletes or replaces it leaves the processes that have it
 * with a file that nobody else will ever see: nothing is acknowledged there. Its `-wal` is as much a part of it, and is
 * there as long as anybody has the file open; beside another file it would be taken for that one's, so it is put away.
 */
import {renameSync, rmSync, statSync} from 'node:fs'
import {resolve} from 'node:path'
import {BusError} from '../../core/errors.ts'

/** A look costs as much as a tenth of a commit: who commits without pause looks no more often. */
const restMs = 5

export class Guard {
  readonly #path: string
  readonly #full: string
  /** Beside this one SQLite has its log, when `path` is a symbolic link. */
  readonly #real: string
  readonly #was: Readonly<Record<Suffix, string | undefined>>
  #restUntil = 0
  #isLost = false

  /** For a file that is open, and where it really lies. */
  constructor(path: string, real: string) {
    this.#path = path
    this.#full = resolve(path)
    this.#real = real
    this.#was = {'': this.#identity(''), '-wal': this.#identity('-wal'), '-shm': this.#identity('-shm')}
  }

  /** Throws `connect` once the file is gone from its path. */
  readonly check = (): void => {
    const now = performance.now()
    if (now < this.#restUntil) return
    for (const suffix of ['', '-wal'] as const) {
      const is = this.#identity(suffix)
      if (is !== this.#was[suffix] && this.#was[suffix] !== undefined) this.#lost(suffix, is === undefined)
    }
    this.#restUntil = now + restMs
  }

  /** After the file was closed. */
  putAway(): void {
    if (!this.#isLost) return
    try {
      if (this.#isOurs('-shm')) rmSync(`${this.#real}-shm`)
      if (this.#isOurs('-wal')) renameSync(`${this.#real}-wal`, `${this.#real}-wal.lost`)
    } catch {
      // Another process that lost it did so first.
    }
  }

  #lost(suffix: Suffix, isGone: boolean): never {
    this.#isLost = true
    const what = `the bus file ${this.#path}${suffix} was ${isGone ? 'deleted' : 'replaced'} while it was open`
    throw new BusError('connect', what, {
      try: ['run this again: it takes the file that is there now'],
      data: {lost: true},
    })
  }

  #isOurs(suffix: Suffix): boolean {
    return this.#was[suffix] !== undefined && this.#identity(suffix) === this.#was[suffix]
  }

  #identity(suffix: Suffix): string | undefined {
    const stat = statSync(suffix === '' ? this.#full : this.#real + suffix, {throwIfNoEntry: false})
    return stat && `${stat.dev}:${stat.ino}`
  }
}

type Suffix = '' | '-wal' | '-shm'
