/** Stored messages in the bus file. */

import {interruptedError} from '../../../core/errors.ts'
import type {Message, Outgoing} from '../../../core/message.ts'
import {checkPattern, hasWildcard, overlaps} from '../../../core/subject.ts'
import type {WaitBounds} from '../../shared/bounded.ts'
import type {StoredStreams} from '../../shared/lazy-streams.ts'
import type {Mailbox} from '../../shared/mailbox.ts'
import {checkErasable, checkPurgeable, noMessage} from '../../shared/stream-errors.ts'
import {changedStream, checkPurge, checkRead, checkStreamChange, streamConfig} from '../../shared/stream-settings.ts'
import type {
  OnSubjectPage,
  PurgeOptions,
  ReadOptions,
  Stored,
  StoredBatch,
  StreamChanges,
  StreamInfo,
  StreamSettings,
  StreamState,
} from '../../streams-contract.ts'
import type {Subscription} from '../../subscription.ts'
import type {Clients} from '../clients.ts'
import {type Db, damageError, type Lock} from '../db.ts'
import type {Log} from '../log.ts'
import {isTime} from '../rows.ts'
import {wakeFileOf} from '../wake-files.ts'
import type {Catalogue, KeptStream, State} from './catalogue.ts'
import {ConsumedMessages} from './consumed.ts'
import {SqliteConsumers} from './consumers.ts'
import {Durables} from './durable.ts'
import {prepareInFlight} from './in-flight.ts'
import type {Limits, Removal, RemovalRange} from './limits.ts'
import type {SqliteMember} from './member.ts'
import {readRange} from './range.ts'
import {publishOne, type StoreQueue} from './stream-publisher.ts'
import {subjectPages} from './subject-pages.ts'
import {type StreamView, StreamViews} from './view.ts'

/** The interval at which a reader that waits for markers checks for expired messages. */
const markerCheckMs = 500

export interface StreamsDeps {
  readonly url: string
  readonly db: Db
  readonly lock: Lock
  readonly log: Log
  readonly clients: Clients
  readonly catalogue: Catalogue
  readonly limits: Limits
  readonly queue: StoreQueue
  /** Translates errors of SQLite. */
  readonly failure: (error: unknown) => unknown
  readonly touch: (wakeFile: string) => void
  /** Watches for commits that concern these subjects. */
  readonly watch: (patterns: readonly string[]) => void
  /** Readers and members that are woken after every commit. */
  readonly readers: Set<Mailbox>
  readonly members: Set<SqliteMember>
}

export class SqliteStreams implements StoredStreams {
  readonly consumers: SqliteConsumers
  readonly #deps: StreamsDeps
  readonly #views: StreamViews
  readonly #durables: Durables
  readonly #consumed: ConsumedMessages

  constructor(deps: StreamsDeps) {
    this.#deps = deps
    this.#views = new StreamViews(deps)
    this.#durables = new Durables(deps.db)
    this.#consumed = new ConsumedMessages({...deps, views: this.#views, durables: this.#durables})
    this.consumers = new SqliteConsumers({
      ...deps,
      views: this.#views,
      durables: this.#durables,
      consumed: this.#consumed,
      statements: prepareInFlight(deps.db),
      settle: (name) => this.#settle(name),
      notify: (stream) => this.#notify(stream),
      expireWhile: (stream, isOpen) => this.#expireWhile(stream, isOpen),
      publish: (advisory) => deps.queue.publish(advisory),
    })
  }

  async add(settings: StreamSettings): Promise<StreamInfo> {
    const {lock, catalogue, log} = this.#deps
    const config = streamConfig(settings)
    await lock.write(() => catalogue.add(config, log.end().seq))
    return this.info(config.name)
  }

  async update(name: string, changes: StreamChanges): Promise<StreamInfo> {
    const {lock, catalogue, limits, url} = this.#deps
    const {config: has} = await this.#settle(name)
    const config = streamConfig(changedStream(has, changes))
    checkStreamChange(url, has, config)
    const changed = await lock.write(() => {
      const stream = catalogue.find(name)
      return catalogue.change(stream, streamConfig(changedStream(stream.config, changes)))
    })
    // In steps, so that others have their turns in between.
    if (config.maxMsgs !== undefined) await this.#remove(changed, {keep: config.maxMsgs})
    await lock.write(() => {
      limits.keepLasts(changed)
      limits.enforce(changed)
    })
    for (let from = config.retention === 'interest' ? 0 : undefined; from !== undefined; ) {
      const next: number = from
      from = await lock.write(() => this.#consumed.sweep(changed, next))
    }
    this.#notify(changed)
    return this.info(name)
  }

  async info(name: string): Promise<StreamInfo> {
    const stream = await this.#settle(name)
    const view = this.#views.of(stream)
    const {db, lock} = this.#deps
    const id = `${await fileId(db, lock)}.${stream.id}`
    return view.read((state) => ({id, ...this.#describe(view, state)}))
  }

  async list(): Promise<readonly StreamInfo[]> {
    const {lock, catalogue} = this.#deps
    return Promise.all(lock.read(() => catalogue.all()).map(({config}) => this.info(config.name)))
  }

  async keeping(pattern: string): Promise<readonly string[]> {
    const {lock, catalogue} = this.#deps
    checkPattern(pattern)
    const configs = lock.read(() => catalogue.all()).map(({config}) => config)
    return configs.filter(({subjects}) => subjects.some((each) => overlaps(each, pattern))).map(({name}) => name)
  }

  async subjects(name: string, pattern?: string, onPage?: OnSubjectPage): Promise<ReadonlyMap<string, number>> {
    const stream = await this.#settle(name)
    if (onPage === undefined) {
      const view = this.#filtered(stream, pattern)
      return view.read(() => view.bySubject())
    }
    const {db, lock} = this.#deps
    const next = subjectPages(db, stream.id, pattern === undefined ? '>' : checkPattern(pattern))
    for (let page = lock.read(next); page !== undefined; page = lock.read(next)) if (page.size > 0) await onPage(page)
    return new Map()
  }

  async remove(name: string): Promise<void> {
    const {lock, catalogue, limits} = this.#deps
    const stream = await this.#settle(name)
    await lock.write(() => {
      limits.leaveToRetention(catalogue.state(stream).first)
      limits.departed.forget(stream.id)
      catalogue.remove(stream)
    })
    this.#notify(stream)
  }

  async purge(name: string, which: PurgeOptions = {}): Promise<number> {
    const stream = await this.#settle(name)
    checkPurge(which)
    checkPurgeable(stream.url, stream.config)
    return this.#remove(stream, which)
  }

  async erase(name: string, seq: number): Promise<void> {
    const {lock, limits, db} = this.#deps
    const stream = await this.#settle(name)
    checkErasable(stream.url, stream.config)
    db.pragma('secure_delete = ON')
    try {
      if (await lock.write(() => limits.erase(stream, seq))) return
    } finally {
      db.pragma('secure_delete = OFF')
    }
    throw noMessage(stream.url, name, `with the sequence ${seq}`)
  }

  /** Removes messages in steps, and returns their number. */
  async #remove(stream: KeptStream, {pattern, beforeSeq, keep = 0}: PurgeOptions): Promise<number> {
    const {lock, limits} = this.#deps
    const view = this.#filtered(stream, pattern)
    const {table: subjects} = view
    const [before, newest] = view.read((state) => {
      const kept = keep === 0 ? state.last + 1 : (view.last(state, state.last, keep - 1) ?? 0)
      return [beforeSeq ?? kept, subjects === undefined ? state.last : (view.newest() ?? 0)]
    })
    let removed = 0
    for (let from: number | undefined = 0; from !== undefined; ) {
      const range: RemovalRange = {before, from, subjects, newest}
      const step: Removal = await lock.write(() => {
        view.learn()
        return limits.remove(stream, range)
      })
      removed += step.removed
      from = step.next
    }
    return removed
  }

  publish(message: Outgoing, options: WaitBounds = {}): Promise<Stored> {
    return publishOne(this.#deps.queue, message, options)
  }

  async publishBatch(messages: readonly Outgoing[], options: WaitBounds = {}): Promise<StoredBatch> {
    const {writeBatch} = await import('./batch.ts')
    const {queue, catalogue} = this.#deps
    return writeBatch(queue, catalogue, messages, options)
  }

  async get(name: string, seq: number): Promise<Message> {
    const view = this.#views.of(await this.#settle(name))
    return view.read((state) => messageAt(view, state, seq, `with the sequence ${seq}`))
  }

  async last(name: string, pattern: string): Promise<Message> {
    const view = this.#filtered(await this.#settle(name), pattern)
    return view.read((state) => messageAt(view, state, view.newest() ?? 0, `of ${pattern}`))
  }

  async read(name: string, range: ReadOptions = {}): Promise<Subscription> {
    if (range.signal?.aborted) throw interruptedError()
    checkRead(range)
    const stream = await this.#settle(name)
    if (range.follow === true) this.#deps.watch(stream.config.subjects)
    const reading = readRange(this.#views.of(stream, range.filters), range, this.#deps)
    if (range.follow === true) this.#expireWhile(stream, () => !reading.closed)
    return reading
  }

  /** Removes expired messages while a reader is open: it may wait for their markers, and no other process may be there to write them. */
  #expireWhile(stream: KeptStream, isOpen: () => boolean): void {
    if (stream.config.markerTtlMs === undefined || this.#deps.lock.isReadOnly) return
    const timer = setInterval(() => {
      if (isOpen()) void this.#settle(stream.config.name).catch(() => {})
      else clearInterval(timer)
    }, markerCheckMs).unref()
  }

  /** The stream after removing messages that are too old. Fails with `notFound`. */
  async #settle(name: string): Promise<KeptStream> {
    const {lock, catalogue, limits} = this.#deps
    const stream = lock.read(() => catalogue.find(name))
    // Without permission to write, expired messages are still shown.
    while (!lock.isReadOnly && lock.read(() => limits.hasExpired(stream, Date.now()))) {
      const isDone = await lock.write(() => limits.expire(stream, Date.now()))
      if (stream.config.markerTtlMs !== undefined) this.#notify(stream)
      if (isDone) break
    }
    return stream
  }

  #filtered(stream: KeptStream, pattern: string | undefined): StreamView {
    return this.#views.of(stream, pattern === undefined ? [] : [checkPattern(pattern)])
  }

  #describe(view: StreamView, state: State): Omit<StreamInfo, 'id'> {
    const {db, limits} = this.#deps
    const {stream} = view
    const reclaimable = limits.departed.of(stream.id)
    const {config, created, state: described} = describe(db, view, state, this.#durables.count(stream))
    if (reclaimable === undefined) return {config, created, state: described}
    const {messages, bytes} = reclaimable
    return {config, created, state: {...described, reclaimable: {messages, bytes}}}
  }

  /** Wakes everything that waits for messages of the stream. */
  #notify({config}: KeptStream): void {
    const subject = config.subjects.find((each) => !hasWildcard(each.split('.', 1)[0] ?? ''))
    this.#deps.touch(wakeFileOf(subject ?? config.name))
  }
}

function messageAt(view: StreamView, state: State, seq: number, which: string) {
  const [row] = view.page(state, seq, seq, 1).rows
  if (row !== undefined) return view.message(row)
  const {url, config} = view.stream
  throw noMessage(url, config.name, which)
}

/** Identifies the file; one that an earlier version created gets its id now. */
async function fileId(db: Db, lock: Lock): Promise<string> {
  const find = db.prepare("SELECT v FROM meta WHERE k = 'id'").pluck()
  const known = lock.read(() => find.get()) as string | undefined
  if (known !== undefined) return known
  // A file of an earlier version, which cannot get an id now.
  if (lock.isReadOnly) return ''
  await lock.write(() => db.exec("INSERT OR IGNORE INTO meta VALUES ('id', lower(hex(randomblob(16))))"))
  return String(lock.read(() => find.get()))
}

function describe(db: Db, view: StreamView, state: State, consumers: number): Omit<StreamInfo, 'id'> {
  const {created} = db.prepare('SELECT created FROM stream WHERE id = ?').get(view.stream.id) as {created: number}
  if (!isTime(created)) throw damageError('the time of a stream')
  const time = db.prepare('SELECT ts / 1000.0 FROM msg WHERE seq = ?').pluck()
  const first = state.messages === 0 ? undefined : view.oldest(state)
  const isEmpty = first === undefined
  const firstTime = isEmpty ? undefined : time.get(first)
  const lastTime = time.get(state.last) ?? state.ts / 1000
  for (const each of [firstTime ?? 0, lastTime]) if (!isTime(Math.floor(each as number))) throw damageError('a time')
  return {
    config: view.stream.config,
    created,
    state: {
      messages: state.messages,
      bytes: state.bytes,
      firstSeq: first ?? state.last + 1,
      lastSeq: state.last,
      ...(typeof firstTime === 'number' ? {firstTime} : {}),
      ...(state.last > 0 && typeof lastTime === 'number' ? {lastTime} : {}),
      subjects: view.subjects(),
      consumers,
    } satisfies StreamState,
  }
}
