/**
 * The clients of a bus file and their subscriptions. A request without a live listener fails immediately, instead of at its
 * timeout. On one host a client is alive while its process is; the start time distinguishes it from a later process with the
 * same number. A client elsewhere (another container on the same volume), or one whose process cannot be examined, is alive as
 * long as its heartbeat is recent.
 */
import {overlaps, SubjectTrie} from '../../core/subject.ts'
import type {Interest} from '../contract.ts'
import type {ClientFacts} from '../examination.ts'
import type {Db, Lock} from './db.ts'
import {hostIdentity, ownStart, processState} from './identity.ts'

const beatMs = 10_000
const deadAfterMs = 30_000
/** How long a process that was alive is not checked again. */
const trustMs = 5

interface Client {
  readonly id: number
  readonly host: string
  readonly pid: number
  readonly started: string
  readonly beat: number
}

/** The patterns of one subscription of this connection; without patterns it only announces the client. */
export interface OwnInterest {
  readonly patterns: readonly string[]
  readonly queue: string | undefined
}

const presenceToken = '$CONSUMER.'

/** The pattern that shows others that a client takes from a consumer. */
export function presenceOf(stream: string, consumer: string): string {
  return `${presenceToken}${stream}.${consumer}`
}

export class Clients {
  /** This connection's number, which is random, so that nobody has to assign it; 48 bits, a name in 36 characters. */
  readonly id = 1 + Math.floor(Math.random() * (2 ** 48 - 1))
  readonly #db: Db
  readonly #lock: Lock
  readonly #name: string | undefined
  readonly #rows = new Map<OwnInterest, number[]>()
  #presence: OwnInterest | undefined
  #generation: {get(): unknown} | undefined
  #find: {get(id: number): unknown} | undefined
  #host: string | undefined
  #beat: NodeJS.Timeout | undefined
  #seen: {generation: number; trie: SubjectTrie<Client>; queues: Map<string, [pattern: string, Client][]>} | undefined
  #alive = new Map<number, number>()

  constructor(db: Db, lock: Lock, name: string | undefined) {
    this.#db = db
    this.#lock = lock
    this.#name = name
  }

  /** Within a write transaction. */
  add(interest: OwnInterest): void {
    if (this.#rows.size === 0) this.#enter()
    const insert = this.#db.prepare('INSERT INTO interest(client, pattern, queue) VALUES (?, ?, ?)')
    const rows = interest.patterns.map(
      (pattern) => insert.run(this.id, pattern, interest.queue ?? null).lastInsertRowid,
    )
    this.#rows.set(interest, rows.map(Number))
    this.#changed()
  }

  /** Whether others see something of this client. */
  get isPresent(): boolean {
    return this.#rows.size > 0
  }

  /** Whether others see that this interest is ours. */
  has(interest: OwnInterest): boolean {
    return this.#rows.has(interest)
  }

  /** Within a write transaction: from now on others can see whether this client is alive. */
  attend(): void {
    if (this.#presence !== undefined) return
    this.#presence = {patterns: [], queue: undefined}
    this.add(this.#presence)
  }

  /** Within a write transaction. */
  remove(interest: OwnInterest): void {
    const rows = this.#rows.get(interest)
    if (rows === undefined) return
    const remove = this.#db.prepare('DELETE FROM interest WHERE id = ? AND client = ?')
    for (const row of rows) remove.run(row, this.id)
    this.#rows.delete(interest)
    this.#changed()
    if (this.#rows.size === 0) this.#leave()
  }

  /** Within a write transaction: as if the process had ended. */
  removeAll(): void {
    this.#db.prepare('DELETE FROM interest WHERE client = ?').run(this.id)
    this.#rows.clear()
    this.#changed()
    this.#leave()
    // Unlike those of a dead process, messages in flight are redelivered after their ack wait.
    if (this.#presence !== undefined) this.#db.prepare('UPDATE flight SET owner = NULL WHERE owner = ?').run(this.id)
  }

  stop(): void {
    clearInterval(this.#beat)
  }

  /** Whether any live client listens to this subject. */
  listens(subject: string): boolean {
    return this.#load()
      .trie.match(subject)
      .some((client) => this.#isAlive(client))
  }

  /** Whether the process of this client is still alive. */
  isLive(id: number): boolean {
    if (id === this.id) return true
    this.#find ??= this.#db.prepare('SELECT id, host, pid, started, beat FROM client WHERE id = ?')
    const client = this.#find.get(id) as Client | undefined
    return client !== undefined && this.#isAlive(client)
  }

  /** The patterns to which live members of a queue group listen, sorted; every process sees the same order. */
  patternsOf(queue: string): string[] {
    const members = this.#load().queues.get(queue) ?? []
    return [...new Set(members.filter(([, client]) => this.#isAlive(client)).map(([pattern]) => pattern))].sort()
  }

  /** The patterns of live clients that overlap with `wanted`. */
  interests(wanted: string): Interest[] {
    const rows = this.#db
      .prepare(
        'SELECT c.id, c.host, c.pid, c.started, c.beat, c.name, i.pattern, i.queue FROM interest i JOIN client c ON c.id = i.client ORDER BY i.id',
      )
      .all() as (Client & {name: string | null; pattern: string; queue: string | null})[]
    return rows
      .filter(({pattern}) => !pattern.startsWith(presenceToken) && overlaps(pattern, wanted))
      .filter((row) => this.#isAlive(row))
      .map(({id, host, pid, name, pattern, queue}) => ({
        pattern,
        queue: queue ?? undefined,
        client: {
          isOwn: id === this.id,
          name: name ?? undefined,
          ...(host === this.#ownHost() && {pid}),
        },
      }))
  }

  /** The live clients with their patterns, and the numbers of dead ones. */
  census(): {live: ClientFacts[]; dead: number[]} {
    const all = this.#db.prepare('SELECT id, host, pid, started, beat, name FROM client ORDER BY id').all()
    const interests = this.#db.prepare('SELECT pattern, queue FROM interest WHERE client = ? ORDER BY id')
    const live: ClientFacts[] = []
    const dead: number[] = []
    for (const client of all as (Client & {name: string | null})[]) {
      const {id, pid, name} = client
      if (!this.#isAlive(client)) dead.push(id)
      else {
        const rows = interests.all(id) as {pattern: string; queue: string | null}[]
        const listed = rows.map(({pattern, queue}) => ({pattern, ...(queue !== null && {queue})}))
        live.push({pid, ...(name !== null && {name}), interests: listed})
      }
    }
    return {live, dead}
  }

  #enter(): void {
    this.forgetDead()
    this.#db
      .prepare('INSERT INTO client(id, host, pid, started, name, beat) VALUES (?, ?, ?, ?, ?, ?)')
      .run(this.id, this.#ownHost(), process.pid, ownStart(), this.#name ?? null, Date.now())
    this.#beat = setInterval(() => this.#keepAlive(), beatMs).unref()
  }

  #leave(): void {
    this.stop()
    this.#db.prepare('DELETE FROM client WHERE id = ?').run(this.id)
  }

  #keepAlive(): void {
    try {
      this.#lock.tryWrite(() => {
        const known = this.#db.prepare('UPDATE client SET beat = ? WHERE id = ?').run(Date.now(), this.id)
        if (known.changes === 0) this.#comeBack()
      })
    } catch {
      // The file is locked, or the disk is full: the next heartbeat tries again, and processes on this host do not rely on it.
    }
  }

  /** Other processes considered this one dead because it was stopped for long: announces its patterns again. */
  #comeBack(): void {
    const interests = [...this.#rows.keys()]
    this.#rows.clear()
    this.stop()
    for (const interest of interests) this.add(interest)
  }

  /** Within a write transaction: removes the rows of dead clients, and returns their number. */
  forgetDead(): number {
    const clients = this.#db.prepare('SELECT id, host, pid, started, beat FROM client').all() as Client[]
    const dead = clients.filter((client) => !this.#isAlive(client))
    if (dead.length === 0) return 0
    const removeClient = this.#db.prepare('DELETE FROM client WHERE id = ?')
    const removeInterest = this.#db.prepare('DELETE FROM interest WHERE client = ?')
    for (const {id} of dead) {
      removeClient.run(id)
      removeInterest.run(id)
    }
    this.#changed()
    return dead.length
  }

  #changed(): void {
    this.#db.prepare("UPDATE meta SET v = v + 1 WHERE k = 'interests'").run()
  }

  #load() {
    this.#generation ??= this.#db.prepare("SELECT v FROM meta WHERE k = 'interests'").pluck()
    const generation = this.#generation.get() as number
    if (this.#seen !== undefined && this.#seen.generation === generation) return this.#seen
    const rows = this.#db
      .prepare(
        'SELECT c.id, c.host, c.pid, c.started, c.beat, i.pattern, i.queue FROM interest i JOIN client c ON c.id = i.client',
      )
      .all() as (Client & {pattern: string; queue: string | null})[]
    const trie = new SubjectTrie<Client>()
    const queues = new Map<string, [string, Client][]>()
    for (const row of rows) {
      trie.add(row.pattern, row)
      if (row.queue === null) continue
      const members = queues.get(row.queue)
      if (members === undefined) queues.set(row.queue, [[row.pattern, row]])
      else members.push([row.pattern, row])
    }
    this.#seen = {generation, trie, queues}
    return this.#seen
  }

  #isAlive(client: Client): boolean {
    if (client.id === this.id) return true
    if (client.host !== this.#ownHost()) return this.#isBeating(client)
    const now = performance.now()
    if ((this.#alive.get(client.id) ?? 0) > now) return true
    const state = processState(client.pid, client.started)
    const alive = state === 'running' || (state === 'hidden' && this.#isBeating(client))
    if (alive) this.#alive.set(client.id, now + trustMs)
    return alive
  }

  #isBeating(client: Client): boolean {
    const beat = this.#db.prepare('SELECT beat FROM client WHERE id = ?').pluck().get(client.id)
    return typeof beat === 'number' && Date.now() - beat < deadAfterMs
  }

  #ownHost(): string {
    this.#host ??= hostIdentity()
    return this.#host
  }
}
