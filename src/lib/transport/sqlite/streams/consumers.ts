/** The durable consumers of the file's streams. */
import {interruptedError} from '../../../core/errors.ts'
import type {Outgoing} from '../../../core/message.ts'
import {consumerInUse, noGroup, otherConsumer} from '../../shared/stream-errors.ts'
import {
  changedConsumer,
  checkConsumerChange,
  checkWorker,
  consumerConfig,
  differences,
  startWithin,
} from '../../shared/stream-settings.ts'
import type {
  ConsumeOptions,
  ConsumerChanges,
  ConsumerConfig,
  ConsumerInfo,
  ConsumerSettings,
  Consumers,
  Consuming,
  DeliverPolicy,
  FailedMessage,
  Start,
} from '../../streams-contract.ts'
import {type Clients, presenceOf} from '../clients.ts'
import type {Lock} from '../db.ts'
import {Backlog} from './backlog.ts'
import type {Catalogue, KeptStream, State} from './catalogue.ts'
import type {ConsumedMessages} from './consumed.ts'
import type {Durable, Durables} from './durable.ts'
import {InFlight, type InFlightStatements} from './in-flight.ts'
import {SqliteMember} from './member.ts'
import type {StreamView, StreamViews} from './view.ts'

export interface ConsumersDeps {
  readonly lock: Lock
  readonly clients: Clients
  readonly catalogue: Catalogue
  readonly views: StreamViews
  readonly durables: Durables
  readonly statements: InFlightStatements
  readonly consumed: ConsumedMessages
  /** Members that are woken after every commit. */
  readonly members: Set<SqliteMember>
  /** The stream after removing messages that are too old. Fails with `notFound`. */
  readonly settle: (stream: string) => Promise<KeptStream>
  readonly notify: (stream: KeptStream) => void
  /** Removes expired messages while a member is open, which may wait for the markers. */
  readonly expireWhile: (stream: KeptStream, isOpen: () => boolean) => void
  readonly watch: (patterns: readonly string[]) => void
  /** Publishes an advisory. */
  readonly publish: (advisory: Outgoing) => void
  /** Translates errors of SQLite. */
  readonly failure: (error: unknown) => unknown
}

export class SqliteConsumers implements Consumers {
  readonly #deps: ConsumersDeps

  constructor(deps: ConsumersDeps) {
    this.#deps = deps
  }

  async add(name: string, settings: ConsumerSettings): Promise<ConsumerInfo> {
    const {catalogue, durables, lock, settle} = this.#deps
    const stream = await settle(name)
    const {url, config} = stream
    consumerConfig(settings, config.subjects)
    await lock.write(() => {
      const deliver = startWithin(settings.deliver, endOf(catalogue.state(stream)))
      const wanted = consumerConfig({...settings, deliver}, config.subjects)
      const same = durables.find(stream, wanted.name)
      if (same === undefined) this.#checkWorker(stream, wanted)
      if (same === undefined) return this.#begin(stream, durables.add(stream, wanted), wanted.deliver)
      const differing = differences(same.config, wanted)
      if (differing !== '') throw otherConsumer(url, {stream: name, config: wanted}, differing)
    })
    return this.info(name, settings.name)
  }

  async update(name: string, consumer: string, changes: ConsumerChanges): Promise<ConsumerInfo> {
    await this.#change(name, consumer, (stream, {config, pausedUntil}) => [
      consumerConfig(changedConsumer(config, changes), stream.config.subjects),
      pausedUntil,
    ])
    return this.info(name, consumer)
  }

  async pause(name: string, consumer: string, untilMs?: number): Promise<ConsumerInfo> {
    await this.#change(name, consumer, (_, {config}) => [
      config,
      untilMs === undefined ? undefined : Math.ceil(untilMs),
    ])
    return this.info(name, consumer)
  }

  async unpin(name: string, consumer: string, group: string): Promise<void> {
    const {settle, durables} = this.#deps
    durables.get(await settle(name), consumer)
    throw noGroup(consumer, group)
  }

  async #change(
    name: string,
    consumer: string,
    change: (stream: KeptStream, durable: Durable) => [ConsumerConfig, number | undefined],
  ): Promise<void> {
    const {durables, clients, lock, settle, notify} = this.#deps
    const stream = await settle(name)
    await lock.write(() => {
      const durable = durables.get(stream, consumer)
      const {filters} = durable.config
      const [config, pausedUntil] = change(stream, durable)
      checkConsumerChange(stream.url, durable.config, config)
      this.#checkWorker(stream, config)
      const isFiltered = filters.join(' ') !== config.filters.join(' ')
      const inFlight = this.#inFlight(stream, durable)
      if (isFiltered && (clients.listens(presenceOf(name, consumer)) || inFlight.all().length > 0))
        throw consumerInUse(stream.url, name, consumer)
      durables.change(durable, config, pausedUntil)
      if (isFiltered) this.#recount(stream, durable)
    })
    if (stream.config.retention === 'interest') await this.#sweep(stream)
    notify(stream)
  }

  /** Within a write transaction: refuses a consumer that a work queue cannot have. */
  #checkWorker({config: {name}}: KeptStream, wanted: ConsumerConfig): void {
    const {catalogue, durables} = this.#deps
    const stream = catalogue.find(name)
    if (stream.config.retention !== 'workqueue') return
    const all = durables.list(stream).map(({config}) => config)
    checkWorker(stream.config, wanted, all)
  }

  /** With retention interest, removes what no consumer needs any more, in steps; the first one with the change that causes it. */
  async #sweep(stream: KeptStream, change: () => void = () => {}): Promise<void> {
    const {consumed, lock} = this.#deps
    let next = await lock.write(() => {
      change()
      return consumed.sweep(stream)
    })
    while (next !== undefined) {
      const from = next
      next = await lock.write(() => consumed.sweep(stream, from))
    }
  }

  /** Within a write transaction: its position is one among other messages now. */
  #recount(stream: KeptStream, durable: Durable): void {
    const {catalogue, durables, views} = this.#deps
    const state = catalogue.state(stream)
    const place = durables.place(durable)
    durables.move(durable, {...place, passed: state.stored - views.of(stream).countFrom(state, place.next)})
  }

  async info(name: string, consumer: string): Promise<ConsumerInfo> {
    const {durables, views, settle} = this.#deps
    const stream = await settle(name)
    const durable = durables.get(stream, consumer)
    return this.#view(stream, durable).read((state) => this.#describe(state, durable, views.of(stream)))
  }

  async list(name: string): Promise<readonly ConsumerInfo[]> {
    const stream = await this.#deps.settle(name)
    return Promise.all(this.#deps.durables.list(stream).map(({config}) => this.info(name, config.name)))
  }

  async remove(name: string, consumer: string): Promise<void> {
    const {durables, settle, notify} = this.#deps
    const stream = await settle(name)
    await this.#sweep(stream, () => durables.remove(durables.get(stream, consumer)))
    notify(stream)
  }

  async reset(name: string, consumer: string, to: Start | undefined): Promise<ConsumerInfo> {
    const {durables, clients, settle, notify} = this.#deps
    const stream = await settle(name)
    await this.#sweep(stream, () => {
      const durable = durables.get(stream, consumer)
      if (clients.listens(presenceOf(name, consumer))) throw consumerInUse(stream.url, name, consumer)
      this.#inFlight(stream, durable).clear()
      durables.restart(durable)
      this.#begin(stream, durable, to ?? 'new')
    })
    notify(stream)
    return this.info(name, consumer)
  }

  async consume(name: string, consumer: string, options: ConsumeOptions = {}): Promise<Consuming> {
    const {durables, clients, lock, members, settle, notify, watch} = this.#deps
    lock.checkWritable()
    const stream = await settle(name)
    const durable = durables.get(stream, consumer)
    if (options.signal?.aborted) throw interruptedError()
    watch(stream.config.subjects)
    const presence = {patterns: [presenceOf(name, consumer)], queue: undefined}
    await lock.write(() => {
      clients.attend()
      clients.add(presence)
    })
    const joined = await this.info(name, consumer)
    const own = {stream, durable, joined, view: this.#view(stream, durable), inFlight: this.#inFlight(stream, durable)}
    const member = new SqliteMember(
      {
        ...this.#deps,
        ...own,
        notify: () => notify(stream),
        leave: () => clients.remove(presence),
        onClose: (self) => members.delete(self),
        onUnwritten: (self) => members.add(self),
      },
      options,
    )
    members.add(member)
    this.#deps.expireWhile(stream, () => !member.ended)
    return member
  }

  async failures(name: string, consumer: string, afterSeq: number): Promise<readonly FailedMessage[]> {
    const {durables, views, lock, settle, publish} = this.#deps
    const stream = await settle(name)
    const durable = durables.get(stream, consumer)
    const view = this.#view(stream, durable)
    const inFlight = this.#inFlight(stream, durable)
    const now = Date.now()
    if (!lock.isReadOnly && view.read(() => inFlight.hasExhausted(now))) {
      await lock.write(() => {
        inFlight.takeAdvisories()
        inFlight.giveUpDue(this.#deps.catalogue.state(stream), now)
      })
      for (const advisory of inFlight.takeAdvisories()) publish(advisory)
    }
    return view.read((state) => inFlight.failures(state, views.of(stream), afterSeq))
  }

  async forget(name: string, consumer: string, seqs: readonly number[]): Promise<void> {
    const {durables, lock, settle} = this.#deps
    const stream = await settle(name)
    await lock.write(() => this.#inFlight(stream, durables.get(stream, consumer)).forget(seqs))
  }

  #view(stream: KeptStream, durable: Durable): StreamView {
    return this.#deps.views.of(stream, durable.config.filters)
  }

  #inFlight(stream: KeptStream, durable: Durable): InFlight {
    return new InFlight(this.#deps.statements, this.#deps.clients, durable, this.#view(stream, durable))
  }

  /** Within a write transaction: sets the start of a consumer. */
  #begin(stream: KeptStream, durable: Durable, deliver: DeliverPolicy): void {
    const all = this.#deps.views.of(stream)
    const view = this.#view(stream, durable)
    const isLasts = deliver === 'lastPerSubject'
    view.read((state) => {
      const next = firstOf(view, state, deliver)
      const inFlight = this.#inFlight(stream, durable)
      for (const seq of isLasts ? view.lasts(state.last) : [])
        inFlight.add({lo: seq, hi: seq, messages: 1, tries: 0, owner: null, due: 0})
      const delivered = isLasts ? 0 : (all.last(state, next - 1) ?? 0)
      const passed = state.stored - all.countFrom(state, next)
      this.#deps.durables.move(durable, {next, passed, delivered, active: null})
    })
  }

  #describe(state: State, durable: Durable, all: StreamView): ConsumerInfo {
    const view = this.#view(all.stream, durable)
    const inFlight = this.#inFlight(all.stream, durable)
    const place = this.#deps.durables.place(durable)
    let [waiting, out, again] = [0, 0, 0]
    let undelivered: number | undefined
    for (const {lo, hi, tries} of inFlight.all()) {
      const messages = view.count(state, lo, hi)
      if (tries === 0) waiting += messages
      else out += messages
      if (tries === 0) undelivered = Math.min(lo, undelivered ?? lo)
      if (tries > 1) again += messages
    }
    const lowest = inFlight.lowest()
    const givenUp = inFlight.givenUp()
    // Until a message is delivered that was stored later than the last ones of each subject.
    const isLasts = durable.config.deliver === 'lastPerSubject' && place.delivered === 0
    const deliveredSeq = isLasts ? floorBelow(all, state, undelivered ?? place.next) : place.delivered
    const backlog = new Backlog(durable, view)
    backlog.follow(state, place)
    return {
      stream: all.stream.config.name,
      config: durable.config,
      created: durable.created,
      deliveredSeq,
      ackFloor: lowest === undefined ? deliveredSeq : floorBelow(all, state, lowest),
      pending: waiting + backlog.count,
      ackPending: out,
      redelivered: again,
      ...(givenUp > 0 && {givenUp}),
      ...(place.active === null ? {} : {lastActive: place.active}),
      ...((durable.pausedUntil ?? 0) > Date.now() && {pausedUntil: durable.pausedUntil}),
    }
  }
}

/** The sequence after the last message. */
function endOf({first, last}: State): number {
  return Math.max(first, last + 1)
}

function firstOf(view: StreamView, state: State, deliver: DeliverPolicy): number {
  const end = endOf(state)
  if (deliver === 'all') return state.first
  if (deliver === 'new' || deliver === 'lastPerSubject') return end
  if (deliver === 'last') return view.newest() ?? end
  return Math.min(end, Math.max(state.first, view.begin(state, deliver)))
}

/** The last sequence of the stream before an unacknowledged one. */
function floorBelow(all: StreamView, state: State, lowest: number): number {
  return all.last(state, lowest - 1) ?? (state.stored === state.messages ? 0 : lowest - 1)
}
