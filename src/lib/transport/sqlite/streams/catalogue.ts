/** The streams of the file: reloaded when `meta.streams` has changed, which a publishing process sees within its transaction. */
import {BusError} from '../../../core/errors.ts'
import {matches, SubjectTrie} from '../../../core/subject.ts'
import {shellWord} from '../../../core/text/shell-word.ts'
import {noStream, otherStream} from '../../shared/stream-errors.ts'
import {checkApartFrom, differences} from '../../shared/stream-settings.ts'
import type {StreamConfig} from '../../streams-contract.ts'
import {type Db, damageError} from '../db.ts'
import {isWhole} from '../rows.ts'
import {consumedVersion, expirySchema} from '../schema.ts'
import {storedConfigText, storedStream} from '../stored-json.ts'

export interface KeptStream {
  readonly id: number
  /** The URL of the bus. */
  readonly url: string
  readonly config: StreamConfig
  /** The configuration as it is stored. */
  readonly text: string
  /** Stores every message without checks: neither its size, nor the remaining room, nor the filters of consumers matter. */
  readonly isOpen: boolean
  /** Whether `kept` has its messages. */
  readonly isKept: boolean
}

/** The changing numbers of a stream; times in microseconds. */
export interface State {
  /** No message before it belongs to the stream; it may be missing itself. */
  readonly first: number
  readonly last: number
  readonly ts: number
  /** Message id of the last message, or empty. */
  readonly mid: string
  /** The number of messages ever stored. */
  readonly stored: number
  readonly messages: number
  readonly bytes: number
  /** 1 if messages other than the oldest were removed. */
  readonly holes: number
}

export class Catalogue {
  readonly #url: string
  readonly #db: Db
  #prepared: ReturnType<typeof prepare> | undefined
  #generation = 0
  #byName = new Map<string, KeptStream>()
  #trie = new SubjectTrie<KeptStream>()

  constructor(url: string, db: Db) {
    this.#url = url
    this.#db = db
  }

  get #statements() {
    this.#prepared ??= prepare(this.#db)
    return this.#prepared
  }

  /** The stream that stores a subject, as of the last `refresh`. */
  keeper(subject: string): KeptStream | undefined {
    return this.#trie.size === 0 ? undefined : this.#trie.match(subject)[0]
  }

  /** All streams, sorted by name, as they are now. */
  all(): KeptStream[] {
    this.refresh()
    return [...this.#byName.values()]
  }

  /** Fails with `notFound`. */
  find(name: string): KeptStream {
    const kept = this.now(name)
    if (kept !== undefined) return kept
    throw noStream(this.#url, name)
  }

  /** Fails with `notFound` if the stream was removed in the meantime. */
  state(stream: KeptStream): State {
    const state = this.#statements.state.get(stream.id) as (State & {readonly end: number}) | undefined
    if (state === undefined) {
      throw new BusError('notFound', `the stream ${JSON.stringify(stream.config.name)} was removed`)
    }
    const {first, last, ts, stored, messages, bytes, end} = state
    // Nothing is stored after the end of the log: a range beyond it would be searched for a very long time.
    if (![first, last, ts, stored, messages, bytes].every(isWhole) || last > end)
      throw damageError('the counters of a stream')
    return state
  }

  /** The stream with this name as it is now, if there is one. */
  now(name: string): KeptStream | undefined {
    this.refresh()
    return this.#byName.get(name)
  }

  refresh(generation: number = this.#statements.generation.get() as number): void {
    if (generation === this.#generation) return
    const rows = this.#db.prepare('SELECT id, config FROM stream ORDER BY name').raw().all() as [number, string][]
    const known = new Map([...this.#byName.values()].map((kept) => [kept.id, kept]))
    this.#byName = new Map()
    this.#trie = new SubjectTrie()
    for (const [id, text] of rows) {
      const same = known.get(id)
      const kept = same?.text === text ? same : fromRow(this.#url, id, text)
      this.#byName.set(kept.config.name, kept)
      for (const pattern of kept.config.subjects) this.#trie.add(pattern, kept)
    }
    this.#generation = generation
  }

  /** Within a write transaction. Throws `usage` if it conflicts with an existing stream. */
  add(config: StreamConfig, end: number): void {
    this.refresh()
    const same = this.#byName.get(config.name)
    if (same !== undefined) {
      const differing = differences(same.config, config)
      if (differing === '') return
      throw otherStream(this.#url, config.name, differing)
    }
    const others = [...this.#byName.values()].map((stream) => stream.config)
    checkApartFrom(this.#url, config, others)
    this.#db
      .prepare(
        `INSERT INTO stream(name, config, created, first, last, ts, mid, stored, messages, bytes, holes)
         VALUES (?, ?, ?, ?, 0, 0, '', 0, 0, 0, 0)`,
      )
      .run(config.name, storedConfigText(config), Date.now(), end + 1)
    this.#prepareFor(config)
    this.#statements.changed.run()
  }

  /** Within a write transaction: gives the stream another configuration. */
  change({id, config: has}: KeptStream, config: StreamConfig): KeptStream {
    const others = this.all().flatMap((stream) => (stream.id === id ? [] : stream.config))
    checkApartFrom(this.#url, config, others)
    const held = 'SELECT h.messages, s.name FROM held h JOIN subject s ON s.id = h.sid WHERE h.stream = ?'
    const isSame = config.subjects.join(' ') === has.subjects.join(' ')
    for (const [messages, name] of isSame
      ? []
      : (this.#db.prepare(held).raw().iterate(id) as Iterable<[number, string]>)) {
      if (config.subjects.some((pattern) => matches(pattern, name))) continue
      throw new BusError(
        'usage',
        `the stream ${config.name} has ${messages} messages of "${name}", which it would not store`,
        {
          try: [`bus stream subjects ${shellWord(config.name)}`, 'purge those subjects first'],
        },
      )
    }
    this.#db.prepare('UPDATE stream SET config = ? WHERE id = ?').run(storedConfigText(config), id)
    this.#prepareFor(config)
    if (isKept(config) !== isKept(has)) {
      this.#db.exec(`DELETE FROM kept WHERE sid IN (SELECT sid FROM held WHERE stream = ${id})`)
      const all = `SELECT m.sid, m.seq FROM msg m JOIN held h ON h.sid = m.sid JOIN stream t ON t.id = h.stream
                   WHERE h.stream = ${id} AND m.seq >= t.first AND m.seq >= h.first`
      if (isKept(config)) this.#db.exec(`INSERT INTO kept(sid, seq) ${all}`)
    }
    this.#statements.changed.run()
    return this.find(config.name)
  }

  /** Earlier versions of busline would not remove the messages that these streams have to remove. They refuse the file from now on. */
  #prepareFor({retention, allowTtl}: StreamConfig): void {
    if (retention === 'limits' && !allowTtl) return
    if (allowTtl) this.#db.exec(expirySchema)
    if (Number(this.#db.pragmaValue('user_version')) < consumedVersion)
      this.#db.pragma(`user_version = ${consumedVersion}`)
  }

  /** Within a write transaction: removes the stream and everything that belongs to it. Its messages are then outside streams. */
  remove(stream: KeptStream): void {
    const {id} = stream
    this.forgetSubjects(stream)
    if (stream.config.allowTtl) this.#db.prepare('DELETE FROM expiry WHERE stream = ?').run(id)
    for (const sql of [
      'DELETE FROM dedup WHERE stream = ?',
      'DELETE FROM flight WHERE consumer IN (SELECT id FROM consumer WHERE stream = ?)',
      'DELETE FROM dead WHERE consumer IN (SELECT id FROM consumer WHERE stream = ?)',
      'DELETE FROM consumer WHERE stream = ?',
      'DELETE FROM stream WHERE id = ?',
    ]) {
      this.#db.prepare(sql).run(id)
    }
    this.#statements.changed.run()
  }

  /**
   * Within a write transaction: removes the counters of the stream's subjects, or of those in a temporary table. Emptying a
   * table is much faster than deleting rows from it.
   */
  forgetSubjects({id}: KeptStream, subjects?: string): void {
    const isOnly = subjects === undefined && this.#db.prepare('SELECT count(*) FROM stream').pluck().get() === 1
    const these = `stream = ${id} ${subjects === undefined ? '' : `AND sid IN temp.${subjects}`}`
    this.#db.exec(`DELETE FROM kept ${isOnly ? '' : `WHERE sid IN (SELECT sid FROM held WHERE ${these})`}`)
    this.#db.exec(`DELETE FROM held ${isOnly ? '' : `WHERE ${these}`}`)
  }
}

function fromRow(url: string, id: number, text: string): KeptStream {
  const config = storedStream(text)
  const {discard, maxMsgs, maxBytes, maxMsgSize} = config
  const isRefusing = discard === 'new' && (maxMsgs ?? maxBytes ?? config.discardNewPerSubject) !== undefined
  return {
    id,
    url,
    config,
    text,
    isOpen: maxMsgSize === undefined && !isRefusing && !config.sealed && config.retention !== 'interest',
    isKept: isKept(config),
  }
}

/** Whether messages of one subject must be found without reading the others. */
function isKept({maxMsgsPerSubject, allowRollup}: StreamConfig): boolean {
  return maxMsgsPerSubject !== undefined || allowRollup === true
}

/** Called only if there is a stream, so that a file without streams costs nothing. */
function prepare(db: Db) {
  return {
    generation: db.prepare("SELECT v FROM meta WHERE k = 'streams'").pluck(),
    changed: db.prepare("UPDATE meta SET v = v + 1 WHERE k = 'streams'"),
    state: db.prepare(
      'SELECT first, last, ts, mid, stored, messages, bytes, holes, (SELECT ifnull(max(seq), 0) FROM msg) AS end FROM stream WHERE id = ?',
    ),
  }
}
