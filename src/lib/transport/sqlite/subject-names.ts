/**
 * Names of subjects by their numbers, looked up when they are needed: a file may have seen a million of them. A number is
 * never given to another subject, so what is known stays true, also when names are removed (unused-names.ts).
 */
import {hasWildcard} from '../../core/subject.ts'
import {type Db, damageError} from './db.ts'

/** Most subjects that are remembered. */
export const mostKnownSubjects = 2 ** 18
/** Names for one look where the numbers that are asked for come in a row. */
const block = 256

export class KnownSubject {
  readonly id: number
  readonly name: string
  /** Whether somebody wants its messages, as of a change of what is wanted (log.ts). */
  isWanted = false
  wantedAsOf = 0

  constructor(id: number, name: string) {
    this.id = id
    this.name = name
  }
}

export class SubjectNames {
  /** Each at its number modulo the length, which doubles when two of them meet. */
  #known: (KnownSubject | undefined)[] = new Array(1024)
  readonly #one
  readonly #block
  #next = 0

  constructor(db: Db) {
    this.#one = db.prepare('SELECT name FROM subject WHERE id = ?').pluck()
    this.#block = db.prepare(`SELECT id, name FROM subject WHERE id >= +? ORDER BY id LIMIT ${block}`).raw()
  }

  /** Within the transaction that the number was read in: a subject, or one whose message was refused. */
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

/** The names that a pattern can match lie between these two, both of them included, in the order of SQLite. */
export function nameRange(pattern: string): [from: string, to: string] {
  if (!hasWildcard(pattern)) return [pattern, pattern]
  const tokens = pattern.split('.')
  const prefix = tokens.slice(0, tokens.findIndex(hasWildcard)).map((token) => `${token}.`)
  return prefix.length === 0 ? ['', '\u{10ffff}'] : [prefix.join(''), `${prefix.join('').slice(0, -1)}/`]
}
