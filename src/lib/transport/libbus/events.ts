import type {Message} from '../../core/message.ts'
import type {Db} from '../sqlite/db.ts'
import {limitedColumn} from '../sqlite/rows.ts'
import {type EventRow, eventMessage} from './rows.ts'

/** A read ends after this many bytes, even if more messages were requested. */
const mostBytes = 4 * 1024 * 1024

/** Called with a range of events that were removed before they were read. */
type OnGap = (first: number, last: number) => void

/** The table of events, read in the order of ids, which is the order of commits. */
export class Events {
  readonly #end
  readonly #oldest
  readonly #all
  readonly #one
  readonly #some
  /** Runs `work` on one snapshot. */
  readonly read: <T>(work: () => T) => T

  constructor(db: Db) {
    const select = `SELECT id, ${limitedColumn('subject')}, ${limitedColumn('data')}, created_at FROM bus_events WHERE`
    const kept = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'").get() !== undefined
    const last = 'coalesce((SELECT max(id) FROM bus_events), 0)'
    // Events that were cleaned up count too, because ids are not reused.
    const handedOut = "coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'bus_events'), 0)"
    this.#end = db.prepare<[], number>(`SELECT ${kept ? `max(${last}, ${handedOut})` : last}`).pluck()
    this.#oldest = db.prepare<[], number | null>('SELECT min(id) FROM bus_events').pluck()
    this.#all = db.prepare<[number, number], EventRow>(`${select} id > +? AND id <= +? ORDER BY id`).raw()
    this.#one = db
      .prepare<[number, number, string], EventRow>(`${select} id > +? AND id <= +? AND subject = +? ORDER BY id`)
      .raw()
    // The plus before the subject prevents SQLite from using an index that would require sorting all later rows.
    this.#some = db
      .prepare<[number, number, string], EventRow>(
        `${select} id > +? AND id <= +? AND +subject IN (SELECT value FROM json_each(?)) ORDER BY id`,
      )
      .raw()
    this.read = (work) => db.transaction(work)
  }

  /** The last assigned id. */
  end(): number {
    return this.#end.get() ?? 0
  }

  oldest(): number | undefined {
    return this.#oldest.get() ?? undefined
  }

  rows(subjects: readonly string[], after: number, upTo: number): IterableIterator<EventRow> {
    const [first = '>', ...others] = subjects
    if (first === '>') return this.#all.iterate(after, upTo)
    if (others.length === 0) return this.#one.iterate(after, upTo, first)
    return this.#some.iterate(after, upTo, JSON.stringify(subjects))
  }
}

/** The position of one subscription in the events. */
export class EventReader {
  readonly #events: Events
  readonly #subjects: readonly string[]
  readonly #onGap: OnGap
  #cursor: number
  #upTo = Number.MAX_SAFE_INTEGER

  /** Starts after the current last event. */
  constructor(events: Events, subjects: readonly string[], onGap: OnGap) {
    this.#events = events
    this.#subjects = subjects
    this.#onGap = onGap
    this.#cursor = events.end()
  }

  /** Takes no further events. */
  drain(): void {
    this.#upTo = this.#events.end()
  }

  /** The next messages, at most `max`. */
  next(max: number): Message[] {
    return this.#events.read(() => this.#next(max))
  }

  #next(max: number): Message[] {
    const end = Math.min(this.#events.end(), this.#upTo)
    if (end <= this.#cursor) return []
    const oldest = this.#events.oldest() ?? end + 1
    if (oldest > this.#cursor + 1) this.#onGap(this.#cursor + 1, oldest - 1)
    const taken: Message[] = []
    let bytes = 0
    for (const row of this.#events.rows(this.#subjects, this.#cursor, end)) {
      const message = eventMessage(row)
      taken.push(message)
      bytes += message.payload.length
      this.#cursor = row[0]
      if (taken.length >= max || bytes >= mostBytes) return taken
    }
    this.#cursor = end
    return taken
  }
}
