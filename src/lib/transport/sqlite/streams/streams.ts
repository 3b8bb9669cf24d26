/** Stored messages in the bus file. */
import type {Outgoing} from '../../../core/message.ts'
import {checkPattern, hasWildcard, overlaps} from '../../../core/subject.ts'
import type {StoredStreams} from '../../shared/lazy-streams.ts'
import type {Mailbox} from '../../shared/mailbox.ts'
import {interruptedError} from '../../shared/requests.ts'
import {noMessage} from '../../shared/stream-errors.ts'
import {checkPurge, checkRead, streamConfig} from '../../shared/stream-settings.ts'
import type {
  ConsumeOptions,
  PurgeOptions,
  ReadOptions,
  StreamInfo,
  StreamState,
  Streams,
} from '../../streams-contract.ts'
import type {Clients} from '../clients.ts'
import type {Db} from '../file.ts'
import type {Lock} from '../lock.ts'
import type {Log} from '../log.ts'
import {bellOf} from '../wake-files.ts'
import type {Catalogue, Kept, State} from './catalogue.ts'
import {makeConsumers} from './consumers.ts'
import {type Durable, Durables} from './durable.ts'
import {Flights} from './in-flight.ts'
import type {Limits} from './limits.ts'
import {Member} from './member.ts'
import {readRange} from './range.ts'
import {type Push, publishOne} from './stream-publisher.ts'
import {type View, Views} from './view.ts'

export interface StreamsParts {
  readonly url: string
  readonly db: Db
  readonly lock: Lock
  readonly log: Log
  readonly clients: Clients
  readonly catalogue: Catalogue
  readonly limits: Limits
  readonly push: Push
  /** Throws when the bus is closed. */
  readonly check: () => void
  /** One sentence for what SQLite says. */
  readonly failure: (error: unknown) => unknown
  readonly ring: (bell: string) => void
  /** Hears of commits that have to do with these subjects. */
  readonly listen: (patterns: readonly string[]) => void
  readonly readers: Set<Mailbox>
  readonly members: Set<Member>
}

export function makeStreams(parts: StreamsParts): StoredStreams {
  const {db, lock, catalogue, limits, clients, log} = parts
  const views = new Views({db, lock, log, catalogue})
  const durables = new Durables(db)
  const flights = new Flights(db, clients)
  const asked = <Args extends unknown[], T>(work: (...args: Args) => T | Promise<T>) => {
    return async (...args: Args): Promise<T> => {
      parts.check()
      try {
        return await work(...args)
      } catch (error) {
        throw parts.failure(error)
      }
    }
  }

  /** The stream, without what is too old. */
  async function settle(name: string): Promise<Kept> {
    const stream = lock.read(() => catalogue.find(name))
    while (lock.read(() => limits.hasExpired(stream, Date.now()))) {
      if (await lock.write(() => limits.expire(stream, Date.now()))) break
    }
    return stream
  }

  async function info(name: string): Promise<StreamInfo> {
    const stream = await settle(name)
    return views.of(stream).read((state) => describe(db, views.of(stream), state, durables.count(stream)))
  }

  function filtered(stream: Kept, pattern: string | undefined): View {
    return views.of(stream, pattern === undefined ? [] : [checkPattern(pattern)])
  }

  /** Wakes whoever waits for something of the stream. */
  function ring(stream: Kept): void {
    const subject = stream.config.subjects.find((each) => !hasWildcard(each.split('.', 1)[0] ?? ''))
    parts.ring(bellOf(subject ?? stream.config.name))
  }

  async function join(stream: Kept, durable: Durable, view: View, options: ConsumeOptions): Promise<Member> {
    if (options.signal?.aborted) throw interruptedError()
    parts.listen(stream.config.subjects)
    await lock.write(() => clients.attend())
    const shared = {lock, clients, catalogue, durables, flights, failure: parts.failure}
    const onClose = (self: Member) => void parts.members.delete(self)
    const onUnwritten = (self: Member) => void parts.members.add(self)
    const own = {ring: () => ring(stream), onClose, onUnwritten}
    const member = new Member({...shared, ...own}, stream, durable, view, options)
    parts.members.add(member)
    return member
  }

  return {
    add: asked(async (settings) => {
      const config = streamConfig(settings)
      await lock.write(() => catalogue.add(config, log.end().seq))
      return info(config.name)
    }),
    info: asked(info),
    list: asked(() => Promise.all(lock.read(() => catalogue.all()).map(({config}) => info(config.name)))),
    keeping: asked((pattern) => {
      checkPattern(pattern)
      const kept = lock.read(() => catalogue.all())
      return kept
        .filter(({config}) => config.subjects.some((each) => overlaps(each, pattern)))
        .map(({config}) => config.name)
    }),
    subjects: asked(async (name, pattern) => {
      const stream = await settle(name)
      const view = filtered(stream, pattern)
      return view.read(() => view.bySubject())
    }),
    remove: asked(async (name) => {
      const stream = await settle(name)
      await lock.write(() => {
        limits.leaveToRetention(catalogue.state(stream).first)
        catalogue.remove(stream)
      })
      ring(stream)
    }),
    purge: asked(async (name, which = {}) => {
      const stream = await settle(name)
      return purge(parts, views, stream, which)
    }),
    publish: asked((message: Outgoing, options = {}) => publishOne(parts.url, parts.push, message, options.timeoutMs)),
    get: asked(async (name, seq) => {
      const stream = await settle(name)
      const view = views.of(stream)
      return view.read((state) => messageAt(view, state, seq, `with the sequence ${seq}`))
    }),
    last: asked(async (name, pattern) => {
      const stream = await settle(name)
      const view = filtered(stream, pattern)
      return view.read((state) => messageAt(view, state, view.newest() ?? 0, `of ${pattern}`))
    }),
    read: asked(async (name, range: ReadOptions = {}) => {
      if (range.signal?.aborted) throw interruptedError()
      checkRead(range)
      const stream = await settle(name)
      if (range.follow === true) parts.listen(stream.config.subjects)
      return readRange(views.of(stream, range.filters), range, parts)
    }),
    consumers: wrap(
      makeConsumers({views, durables, flights, settle, ring, join, write: (work) => lock.write(work)}),
      asked,
    ),
  }
}

/** Each of the functions behind the same border. */
function wrap(
  consumers: Streams['consumers'],
  asked: <A extends unknown[], T>(work: (...args: A) => Promise<T>) => (...args: A) => Promise<T>,
): Streams['consumers'] {
  const {add, info, list, remove, reset, consume} = consumers
  return {
    add: asked(add),
    info: asked(info),
    list: asked(list),
    remove: asked(remove),
    reset: asked(reset),
    consume: asked(consume),
  }
}

function messageAt(view: View, state: State, seq: number, which: string) {
  const [row] = view.page(state, seq, seq, 1).rows
  if (row !== undefined) return view.message(row)
  const {url, config} = view.stream
  throw noMessage(url, config.name, which)
}

function describe(db: Db, view: View, state: State, consumers: number): StreamInfo {
  const {created} = db.prepare('SELECT created FROM stream WHERE id = ?').get(view.stream.id) as {created: number}
  const time = db.prepare('SELECT ts / 1000.0 FROM msg WHERE seq = ?').pluck()
  const first = state.messages === 0 ? undefined : view.oldest(state)
  const isEmpty = first === undefined
  const firstTime = isEmpty ? undefined : time.get(first)
  const lastTime = time.get(state.last) ?? state.ts / 1000
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

async function purge(
  {lock, catalogue, limits}: StreamsParts,
  views: Views,
  stream: Kept,
  which: PurgeOptions,
): Promise<number> {
  const {pattern, beforeSeq, keep} = which
  checkPurge(which)
  const view = views.of(stream, pattern === undefined ? [] : [pattern])
  if (view.table === undefined && beforeSeq === undefined && (keep ?? 0) === 0)
    return lock.write(() => limits.removeAll(stream))
  const before = view.read((state) => {
    if (beforeSeq !== undefined) return beforeSeq
    return keep === undefined || keep === 0 ? state.last + 1 : (view.last(state, state.last, keep - 1) ?? 0)
  })
  let removed = 0
  for (;;) {
    const step = await lock.write(() => {
      view.learn()
      catalogue.state(stream)
      return limits.remove(stream, ({seq}) => seq < before, {subjects: view.table})
    })
    removed += step.removed
    if (step.isDone) return removed
  }
}
