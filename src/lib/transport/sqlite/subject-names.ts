/**
 * Names of subjects by number, looked up when they are needed: a file may have seen a million of them. A number is never
 * assigned to another subject, so cached names remain valid, even when names are removed (unused-names.ts).
 */
import {hasWildcard} from '../../core/subject.ts'
import {type Db, damageError} from './db.ts'
import {limitedColumn} from './rows.ts'

/** Largest number of cached subjects. */
export const mostKnownSubjects = 2 ** 18
/** Names to read at a time if the requested numbers are consecutive. */
const block = 256

export class KnownSubject {
  readonly id: number
  readonly name: string
  /** Whether its messages are wanted, as of a change of the wanted subjects (log.ts). */
  isWanted = false
  wantedAsOf = 0

  constructor(id: number, name: string) {
    this.id = id
    this.name = name
  }
}

export class SubjectNames {
  /** Each is at its number modulo the length, which doubles when two of them collide. */
  #known: (KnownSubject | undefined)[] = new Array(1024)
  readonly #one
  readonly #block
  #next = 0

  constructor(db: Db) {
    this.#one = db.prepare(`SELECT ${limitedColumn('name')} FROM subject WHERE id = ?`).pluck()
    const names = `SELECT id, ${limitedColumn('name')} FROM subject`
    this.#block = db.prepare(`${names} WHERE id >= +? ORDER BY id LIMIT ${block}`).raw()
  }

  /** Within the transaction in which the number was read: a subject, or one whose message was refused. */
  of(sid: number): KnownSubject {
    const id = Math.abs(sid)
    const known = this.#known[id % this.#known.length]
    return known?.id === id ? known : this.#find(id)
  }

  #find(id: number): KnownSubject {
    if (id === this.#next) {
      const rows = this.#block.all(id) as [number, string][]
      for (const [each, name] of rows.reverse()) this.#keep(each, name)
      this.#next = (rows[0]?.[0] ?? id) + 1
      if (rows.at(-1)?.[0] === id) return this.of(id)
    } else {
      this.#next = id + 1
      const name = this.#one.get(id) as string | undefined
      if (name !== undefined) return this.#keep(id, name)
    }
    throw damageError(`the subject ${id} has no name`)
  }

  #keep(id: number, name: string): KnownSubject {
    const {length} = this.#known
    if (this.#known[id % length] !== undefined && length < mostKnownSubjects) this.#grow()
    const subject = new KnownSubject(id, name)
    this.#known[id % this.#known.length] = subject
    return subject
  }

  #grow(): void {
    const before = this.#known
    this.#known = new Array(before.length * 2)
    for (const subject of before) if (subject !== undefined) this.#known[subject.id % this.#known.length] = subject
  }
}

/** The names that a pattern can match are between these two, inclusive, in the order of SQLite. */
export function nameRange(pattern: string): [from: string, to: string] {
  if (!hasWildcard(pattern)) return [pattern, pattern]
  const tokens = pattern.split('.')
  const prefix = tokens.slice(0, tokens.findIndex(hasWildcard)).map((token) => `${token}.`)
  return prefix.length === 0 ? ['', '\u{10ffff}'] : [prefix.join(''), `${prefix.join('').slice(0, -1)}/`]
}
