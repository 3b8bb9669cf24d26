/** The tables of requests and replies, from both sides: a request is deleted by who answers it, before it is handled. */
import type {Message} from '../../core/message.ts'
import {busy, type Db, type Lock} from '../sqlite/db.ts'
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
      .prepare<[string], RequestRow>('DELETE FROM bus_requests WHERE id = ? RETURNING id, subject, data, created_at')
      .raw()
    // libbus replaces: here the first reply counts.
    this.#reply = db.prepare<[string, Uint8Array]>('INSERT OR IGNORE INTO bus_replies (request_id, data) VALUES (?, ?)')
    this.#replies = db
      .prepare<[string], [id: string, data: Data]>(
        'SELECT request_id, data FROM bus_replies WHERE request_id IN (SELECT value FROM json_each(?))',
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

  /** What the requester does when it waits no more. */
  forget(id: string): void {
    this.#forgetRequest.run(id)
    this.#forgetReply.run(id)
  }

  /** The ids of what is asked on these subjects (a JSON list), oldest first. */
  pending(subjects: string, limit: number): string[] {
    return this.#any.get(subjects) === undefined ? [] : this.#ids.all(subjects, limit)
  }

  take(id: string): Message | undefined {
    const row = this.#take.get(id)
    return row && requestMessage(row)
  }
}

/** One server of requests. */
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

  /** Takes nothing that comes from now on. */
  drain(): void {
    this.#left = this.#requested.pending(this.#subjects, -1)
  }

  /**
   * Claims the oldest request, which is gone from the table when it is given. One at a time, as libbus does: a request
   * that is claimed before it can be handled is lost with this server, and handled after its requester has given up.
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
