/**
 * Removes names of subjects that are no longer used. Only streams know how many messages a subject has: counting all
 * messages would cost as much as publishing them. So after enough messages were removed (`meta.removed`), the names are
 * examined, in steps that are part of a publisher's pruning. First `idle` gets each name that no stream has. Then the log
 * is read from the point up to which it was pruned (before it every message is in a stream), and the names that occur are
 * deleted from `idle`. Finally the remaining names are removed, while new messages are still examined. `meta.sweep` is the
 * progress.
 *
 * No number is assigned to a second subject: the newest name is kept, and the next number is one more. Publishers in other
 * processes cache numbers of subjects until `meta.streams` changes, which they see within each of their transactions.
 */
import {overlaps} from '../../core/subject.ts'
import type {Db} from './db.ts'
import {isWhole} from './rows.ts'
import {optional, storedObject} from './stored-json.ts'

/** Names or messages per step. */
const looks = 5000
/** Removing a name takes as long as several look-ups. */
const chunk = 500
/** Largest number of log rows and names to examine for each removed message. */
const looksPerMessage = 16

/** SQL: whether there is something to do. */
export const hasUnusedNames = `(EXISTS (SELECT 1 FROM meta WHERE k = 'sweep')
  OR ifnull((SELECT v FROM meta WHERE k = 'removed'), 0) * ${looksPerMessage} >
     ifnull((SELECT max(seq) FROM msg), 0) - (SELECT v FROM meta WHERE k = 'pruned')
     + ifnull((SELECT v FROM meta WHERE k = 'names'), 0))`

/** Within a write transaction: messages were removed, or a subject left its stream. */
export function countRemoved(db: Db, messages: number): void {
  if (messages === 0) return
  db.prepare("INSERT INTO meta VALUES ('removed', ?) ON CONFLICT(k) DO UPDATE SET v = v + excluded.v").run(messages)
}

/** Within a write transaction: one step; true if there is no more to do. */
export function removeUnusedNames(db: Db): boolean {
  if (db.prepare(`SELECT ${hasUnusedNames}`).pluck().get() !== 1) return true
  return new NameSweep(db).step()
}

/** The progress: names up to `id` were examined, `names` of which are left, and then the log up to `seq`. */
interface Progress {
  readonly id: number
  readonly names: number
  readonly seq?: number | undefined
}

const progressChecks = {id: isWhole, names: isWhole, seq: optional(isWhole)}

type Walked = [last: number | null, rows: number]

class NameSweep {
  readonly #db: Db

  constructor(db: Db) {
    this.#db = db
  }

  /** True when it is finished. */
  step(): boolean {
    const text = this.#value('sweep') as string | undefined
    let progress =
      text === undefined ? this.#begin() : storedObject<Progress>(text, progressChecks, 'the progress of a sweep')
    if (progress.seq === undefined) progress = this.#collect(progress)
    if (progress.seq !== undefined) progress = this.#compare(progress, progress.seq)
    if (progress.seq === undefined || !this.#isEnd(progress.seq)) return this.#pause(progress)
    const names = progress.names - this.#remove()
    if (this.#db.prepare('SELECT EXISTS (SELECT 1 FROM idle)').pluck().get() === 1)
      return this.#pause({...progress, names})
    this.#db.exec("DELETE FROM meta WHERE k = 'sweep'")
    this.#set('names', names)
    return true
  }

  #begin(): Progress {
    // A file of an earlier version has none.
    this.#db.exec('CREATE TABLE IF NOT EXISTS idle(sid INTEGER PRIMARY KEY) STRICT')
    this.#set('removed', 0)
    return {id: 0, names: 0}
  }

  /** The next names that may be unused. */
  #collect({id, names}: Progress): Progress {
    const [last, rows] = this.#walk(
      `SELECT max(id), count(*) FROM (SELECT id FROM subject WHERE id > ? ORDER BY id LIMIT ${looks})`,
      id,
    )
    if (last !== null) {
      this.#db
        .prepare(`INSERT INTO idle SELECT id FROM subject WHERE id > ? AND id <= ? AND ${isNotHeld('subject.id')}`)
        .run(id, last)
    }
    const isAll = rows < looks
    return {id: last ?? id, names: names + rows, seq: isAll ? (this.#value('pruned') as number) : undefined}
  }

  /** Removes the names that the next messages have from the list. */
  #compare(progress: Progress, seq: number): Progress {
    const [last] = this.#walk(
      `SELECT max(seq), count(*) FROM (SELECT seq FROM msg WHERE seq > ? ORDER BY seq LIMIT ${looks})`,
      seq,
    )
    if (last === null) return progress
    this.#db
      .prepare('DELETE FROM idle WHERE sid IN (SELECT abs(sid) FROM msg WHERE seq > ? AND seq <= ?)')
      .run(seq, last)
    return {...progress, seq: last}
  }

  #isEnd(seq: number): boolean {
    return this.#db.prepare('SELECT EXISTS (SELECT 1 FROM msg WHERE seq > ?)').pluck().get(seq) === 0
  }

  /** Returns the number of removed names. */
  #remove(): number {
    const first = `(SELECT sid FROM idle ORDER BY sid LIMIT ${chunk})`
    const {changes} = this.#db
      .prepare(
        `DELETE FROM subject WHERE id IN ${first} AND id < (SELECT max(id) FROM subject) AND ${isNotHeld('subject.id')}`,
      )
      .run()
    this.#db.prepare(`DELETE FROM idle WHERE sid IN ${first}`).run()
    if (changes > 0) this.#db.exec("UPDATE meta SET v = v + 1 WHERE k = 'streams'")
    return changes
  }

  #pause(progress: Progress): false {
    this.#set('sweep', JSON.stringify(progress))
    return false
  }

  #walk(sql: string, from: number): Walked {
    return this.#db.prepare(sql).raw().get(from) as Walked
  }

  #value(key: string): unknown {
    return this.#db.prepare('SELECT v FROM meta WHERE k = ?').pluck().get(key)
  }

  #set(key: string, value: string | number): void {
    this.#db.prepare('INSERT OR REPLACE INTO meta VALUES (?, ?)').run(key, value)
  }
}

function isNotHeld(sid: string): string {
  return `NOT EXISTS (SELECT 1 FROM held WHERE held.sid = ${sid})`
}

type Group = [name: string, pattern: string, next: number]

const isListenedTo = '(name, pattern) IN (SELECT queue, pattern FROM interest WHERE queue IS NOT NULL)'

/**
 * The patterns of queue groups to which nobody listens, and whose messages are gone: a member that comes back late knows the
 * next message to read. Messages that a group has taken are not taken again through another of its patterns that is further
 * behind.
 */
export function unusedGroups(db: Db): readonly Group[] {
  const idle = db
    .prepare(
      `SELECT name, pattern, next FROM qgroup
       WHERE next <= (SELECT v FROM meta WHERE k = 'pruned') + 1 AND NOT ${isListenedTo} LIMIT ${chunk}`,
    )
    .raw()
    .all() as Group[]
  if (idle.length === 0) return []
  const used = db.prepare(`SELECT name, pattern, next FROM qgroup WHERE ${isListenedTo}`).raw().all() as Group[]
  return idle.filter(
    ([name, pattern, next]) =>
      !used.some(([other, wanted, place]) => other === name && place < next && overlaps(wanted, pattern)),
  )
}

/** Within a write transaction. */
export function removeUnusedGroups(db: Db): void {
  const remove = db.prepare('DELETE FROM qgroup WHERE name = ? AND pattern = ?')
  for (const [name, pattern] of unusedGroups(db)) remove.run(name, pattern)
}
