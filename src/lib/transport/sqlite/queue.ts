/**
 * Queue groups: one cursor for each group and pattern, in the file; a member claims the next messages in one short write
 * transaction, and no more than it can handle now. A pattern without a live member starts at the end when it gets one. If
 * patterns of a group overlap, a message belongs to the first of them, in alphabetical order, among those that existed when it
 * was published: so each message goes to one member, and a new member takes nothing from the others.
 */
import type {Message} from '../../core/message.ts'
import {matches} from '../../core/subject.ts'
import type {Clients} from './clients.ts'
import {busy, type Db, type Lock} from './db.ts'
import {type Cursor, everything, type Gap, type Log, type LogEntry, type LogPage} from './log.ts'

/** Pages per claim, so that the lock is held briefly. */
const mostPages = 16
const leastRows = 32

export interface QueueDeps {
  readonly db: Db
  readonly lock: Lock
  readonly log: Log
  readonly clients: Clients
  /** Called when messages were removed before the group read them. */
  readonly missed: (gap: Gap) => void
}

interface Place {
  readonly pattern: string
  /** Up to here there is nothing for this pattern; known only to this member. */
  scanned: number
  /** The next sequence for the group at this member's last check. */
  next: number
}

/** A pattern of the group, and the sequences that may belong to it: once it has no members, only those already claimed. */
type Owner = readonly [pattern: string, first: number, next: number]

export class QueueMember {
  readonly #deps: QueueDeps
  readonly #name: string
  readonly #places: Place[]
  readonly #statements
  /** Gaps up to this sequence have been reported. */
  #reported = 0
  /** The end of its messages, once it drains. */
  end: Cursor = everything

  constructor(deps: QueueDeps, name: string, patterns: readonly string[]) {
    this.#deps = deps
    this.#name = name
    this.#places = patterns.map((pattern) => ({pattern, scanned: 0, next: 1}))
    this.#statements = {
      next: deps.db.prepare('SELECT next FROM qgroup WHERE name = ? AND pattern = ?').pluck(),
      owners: deps.db.prepare('SELECT pattern, first, next FROM qgroup WHERE name = +? ORDER BY pattern').raw(),
      // A group without members for a long time no longer has a row (unused-names.ts).
      move: deps.db.prepare(
        `INSERT INTO qgroup(name, pattern, first, next) VALUES (?, ?, ?, ?)
         ON CONFLICT(name, pattern) DO UPDATE SET next = max(next, excluded.next)`,
      ),
    }
  }

  /** Within the write transaction that announces its interests, before it does. */
  join(end: Cursor): void {
    const live = this.#deps.clients.patternsOf(this.#name)
    const insert = this.#deps.db.prepare(
      'INSERT OR REPLACE INTO qgroup(name, pattern, first, next) VALUES (?, ?, ?, ?)',
    )
    for (const place of this.#places) {
      place.next = end.seq + 1
      if (!live.includes(place.pattern)) insert.run(this.#name, place.pattern, place.next, place.next)
    }
  }

  /** Up to `max` messages that now belong to this member, oldest first; `busy` if another process holds the lock. */
  claim(max: number): Message[] | typeof busy {
    const places = this.#places.filter((place) => this.#hasMore(place))
    if (places.length === 0) return []
    const taken = this.#deps.lock.tryWrite(() => this.#take(places, max))
    if (taken === busy) return busy
    for (const [place, next] of taken.moved) place.next = next
    return taken.messages
  }

  /** Checks without the lock, so that an idle group never writes. */
  #hasMore(place: Place): boolean {
    return this.#deps.lock.read(() => {
      this.#lookForGap(this.#from(place))
      for (;;) {
        const page = this.#page(this.#from(place), leastRows)
        if (page.entries.some((entry) => matches(place.pattern, entry.message.subject))) return true
        place.scanned = page.cursor.seq
        if (!page.isFull) return false
      }
    })
  }

  #lookForGap(from: number): void {
    const gap = from < this.#reported ? undefined : this.#deps.log.gap(from, this.end.seq)
    if (gap === undefined) return
    this.#reported = gap.last
    if (gap.messages > 0) this.#deps.missed(gap)
  }

  #take(places: readonly Place[], max: number): {messages: Message[]; moved: [Place, next: number][]} {
    const live = new Set(this.#deps.clients.patternsOf(this.#name))
    const rows = this.#statements.owners.all(this.#name) as Owner[]
    const owners = rows.map(
      ([pattern, first, next]): Owner => [pattern, first, live.has(pattern) ? Number.POSITIVE_INFINITY : next],
    )
    const offers = places.map((place) => ({place, ...this.#offer(place, owners, max)}))
    const taken = offers
      .flatMap(({entries}) => entries)
      .sort((a, b) => a.cursor.seq - b.cursor.seq)
      .slice(0, max)
    const last = taken.length < max ? Number.POSITIVE_INFINITY : (taken.at(-1)?.cursor.seq ?? 0)
    const moved = offers.map(({place, entries, seq}): [Place, number] => {
      const left = entries.find((entry) => entry.cursor.seq > last)
      const next = left === undefined ? seq + 1 : left.cursor.seq
      this.#statements.move.run(this.#name, place.pattern, place.next, next)
      return [place, next]
    })
    return {messages: taken.map((entry) => entry.message), moved}
  }

  /** The next messages of one pattern, at most `max`, and the end of their range. */
  #offer(place: Place, owners: readonly Owner[], max: number): {entries: LogEntry[]; seq: number} {
    const entries: LogEntry[] = []
    let seq = this.#from(place)
    for (let pages = 0; pages < mostPages; pages++) {
      const page = this.#page(seq, Math.max(max, leastRows))
      for (const entry of page.entries) {
        if (!owns(place.pattern, owners, entry)) continue
        entries.push(entry)
        if (entries.length === max) return {entries, seq: entry.cursor.seq}
      }
      seq = page.cursor.seq
      if (!page.isFull) break
    }
    return {entries, seq}
  }

  #from(place: Place): number {
    place.next = Number(this.#statements.next.get(this.#name, place.pattern) ?? place.next)
    return Math.max(place.scanned, place.next - 1)
  }

  #page(seq: number, rows: number): LogPage {
    return this.#deps.log.page({seq, passing: 0}, this.end, {all: false, passing: false, rows})
  }
}

function owns(pattern: string, owners: readonly Owner[], {message, cursor}: LogEntry): boolean {
  if (!matches(pattern, message.subject)) return false
  const owner = owners.find(
    ([other, first, next]) => first <= cursor.seq && cursor.seq < next && matches(other, message.subject),
  )
  return owner === undefined || owner[0] === pattern
}
