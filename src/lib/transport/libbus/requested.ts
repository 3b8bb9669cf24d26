/** The tables of requests and replies, from both sides: a server deletes the row of a request before it answers. */
import type {Message} from '../../core/message.ts'
import {busy, type Db, type Lock} from '../sqlite/db.ts'
import {limitedColumn} from '../sqlite/rows.ts'
import {blobOf, type Data, type RequestRow, requestMessage} from './rows.ts'

export class Requested {
  readonly #add
  readonly #any
  readonly #ids
  readonly #take
  readonly #reply
  readonly #replies
  readonly #forgetRequest
  readonly #forgetReply

  constructor(db: Db) {
    const wanted = 'FROM bus_requests WHERE subject IN (SELECT value FROM json_each(?))'
    this.#add = db.prepare<[string, string, Uint8Array]>(
      'INSERT INTO bus_requests (id, subject, data) VALUES (?, ?, ?)',
    )
    this.#any = db.prepare<[string]>(`SELECT 1 ${wanted} LIMIT 1`)
    this.#ids = db.prepare<[string, number], string>(`SELECT id ${wanted} ORDER BY created_at, rowid LIMIT +?`).pluck()
    this.#take = db
      .prepare<[string], RequestRow>(
        `DELETE FROM bus_requests WHERE id = ? RETURNING id, ${limitedColumn('subject')}, ${limitedColumn('data')}, created_at`,
      )
      .raw()
    // libbus replaces an earlier reply; here the first one counts.
    this.#reply = db.prepare<[string, Uint8Array]>('INSERT OR IGNORE INTO bus_replies (request_id, data) VALUES (?, ?)')
    this.#replies = db
      .prepare<[string], [id: string, data: Data]>(
        `SELECT request_id, ${limitedColumn('data')} FROM bus_replies WHERE request_id IN (SELECT value FROM json_each(?))`,
      )
      .raw()
    this.#forgetRequest = db.prepare<[string]>('DELETE FROM bus_requests WHERE id = ?')
    this.#forgetReply = db.prepare<[string]>('DELETE FROM bus_replies WHERE request_id = ?')
  }

  ask(id: string, subject: string, data: Uint8Array | string | undefined): void {
    this.#add.run(id, subject, blobOf(data))
  }

  answer(id: string, data: Uint8Array | string | undefined): void {
    this.#reply.run(id, blobOf(data))
  }

  replies(ids: Iterable<string>): [id: string, data: Data][] {
    return this.#replies.all(JSON.stringify([...ids]))
  }

  /** Removes the rows of a request that is no longer waited for. */
  forget(id: string): void {
    this.#forgetRequest.run(id)
    this.#forgetReply.run(id)
  }

  /** The ids of pending requests on these subjects (a JSON list), oldest first. */
  pending(subjects: string, limit: number): string[] {
    return this.#any.get(subjects) === undefined ? [] : this.#ids.all(subjects, limit)
  }

  take(id: string): Message | undefined {
    const row = this.#take.get(id)
    return row && requestMessage(row)
  }
}

/** Claims requests for one server. */
export class Server {
  readonly #requested: Requested
  readonly #lock: Lock
  readonly #subjects: string
  #left: string[] | undefined

  constructor(requested: Requested, lock: Lock, subjects: readonly string[]) {
    this.#requested = requested
    this.#lock = lock
    this.#subjects = JSON.stringify(subjects)
  }

  /** Takes no further requests. */
  drain(): void {
    this.#left = this.#requested.pending(this.#subjects, -1)
  }

  /**
   * Claims the oldest request, which removes it from the table. One at a time, as in libbus: a request that is claimed too
   * early is lost if this server ends, and may be handled after its requester has given up.
   */
  claim(): Message[] | typeof busy {
    if ((this.#left ?? this.#requested.pending(this.#subjects, 1)).length === 0) return []
    let passed = 0
    const claimed = this.#lock.tryWrite((): Message[] => {
      passed = 0
      for (const id of this.#left ?? this.#requested.pending(this.#subjects, 1)) {
        passed++
        const request = this.#requested.take(id)
        if (request !== undefined) return [request]
      }
      return []
    })
    if (claimed !== busy) this.#left?.splice(0, passed)
    return claimed
  }
}
