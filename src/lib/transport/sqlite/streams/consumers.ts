/** The durable consumers of the file's streams. */
import {otherConsumer} from '../../shared/stream-errors.ts'
import {consumerConfig} from '../../shared/stream-settings.ts'
import type {
  ConsumeOptions,
  ConsumerInfo,
  ConsumerSettings,
  Consumers,
  Consuming,
  DeliverPolicy,
  Start,
} from '../../streams-contract.ts'
import {Backlog} from './backlog.ts'
import type {Kept, State} from './catalogue.ts'
import type {Durable, Durables} from './durable.ts'
import type {Flights} from './in-flight.ts'
import type {View, Views} from './view.ts'

export interface ConsumersParts {
  readonly views: Views
  readonly durables: Durables
  readonly flights: Flights
  /** The stream, without what is too old. Fails with `notFound`. */
  readonly settle: (stream: string) => Promise<Kept>
  readonly write: <T>(work: () => T) => Promise<T>
  readonly ring: (stream: Kept) => void
  readonly join: (stream: Kept, durable: Durable, view: View, options: ConsumeOptions) => Promise<Consuming>
}

export function makeConsumers(parts: ConsumersParts): Consumers {
  const {views, durables, flights, settle, write} = parts
  const viewOf = (stream: Kept, durable: Durable) => views.of(stream, durable.config.filters)

  async function info(name: string, consumer: string): Promise<ConsumerInfo> {
    const stream = await settle(name)
    const durable = durables.get(stream, consumer)
    const all = views.of(stream)
    return viewOf(stream, durable).read((state) => describe(parts, state, durable, all))
  }

  return {
    async add(name, settings: ConsumerSettings) {
      const stream = await settle(name)
      const config = consumerConfig(settings, stream.config.subjects)
      await write(() => {
        const same = durables.find(stream, config.name)
        if (same === undefined) {
          const durable = durables.add(stream, config)
          begin(parts, stream, durable, config.deliver)
        } else if (JSON.stringify(same.config) !== JSON.stringify(config)) {
          throw otherConsumer(stream.url, name, config.name)
        }
      })
      return info(name, config.name)
    },

    info,

    async list(name) {
      const stream = await settle(name)
      return Promise.all(durables.list(stream).map(({config}) => info(name, config.name)))
    },

    async remove(name, consumer) {
      const stream = await settle(name)
      await write(() => durables.remove(durables.get(stream, consumer)))
      parts.ring(stream)
    },

    async reset(name, consumer, to: Start | undefined) {
      const stream = await settle(name)
      await write(() => {
        const durable = durables.get(stream, consumer)
        flights.clear(durable.id)
        durables.restart(durable)
        begin(parts, stream, durable, to ?? 'new')
      })
      parts.ring(stream)
      return info(name, consumer)
    },

    async consume(name, consumer, options = {}) {
      const stream = await settle(name)
      const durable = durables.get(stream, consumer)
      return parts.join(stream, durable, viewOf(stream, durable), options)
    },
  }
}

/** Within a write transaction: puts a consumer where it begins. */
function begin(
  {views, durables, flights}: ConsumersParts,
  stream: Kept,
  durable: Durable,
  deliver: DeliverPolicy,
): void {
  const all = views.of(stream)
  const view = views.of(stream, durable.config.filters)
  view.read((state) => {
    const next = firstOf(view, state, deliver)
    if (deliver === 'lastPerSubject') {
      for (const seq of view.lasts(state.last)) {
        flights.add(durable.id, {lo: seq, hi: seq, messages: 1, tries: 0, owner: null, due: 0})
      }
    }
    const delivered = deliver === 'lastPerSubject' ? 0 : (all.last(state, next - 1) ?? 0)
    durables.move(durable, {next, passed: state.stored - all.countFrom(state, next), delivered, active: null})
  })
}

function firstOf(view: View, state: State, deliver: DeliverPolicy): number {
  const end = Math.max(state.first, state.last + 1)
  if (deliver === 'all') return state.first
  if (deliver === 'new' || deliver === 'lastPerSubject') return end
  if (deliver === 'last') return view.newest() ?? end
  return Math.min(end, Math.max(state.first, view.begin(state, deliver)))
}

function describe(parts: ConsumersParts, state: State, durable: Durable, all: View): ConsumerInfo {
  const {durables, flights} = parts
  const view = parts.views.of(all.stream, durable.config.filters)
  const place = durables.place(durable)
  let [waiting, out, again] = [0, 0, 0]
  for (const {lo, hi, tries} of flights.all(durable.id)) {
    const messages = view.count(state, lo, hi)
    if (tries === 0) waiting += messages
    else out += messages
    if (tries > 1) again += messages
  }
  const lowest = flights.lowest(durable.id)
  const backlog = new Backlog(durable, view)
  backlog.follow(state, place)
  return {
    stream: all.stream.config.name,
    config: durable.config,
    created: durable.created,
    deliveredSeq: place.delivered,
    ackFloor: lowest === undefined ? place.delivered : floorBelow(all, state, lowest),
    pending: waiting + backlog.count,
    ackPending: out,
    redelivered: again,
    ...(place.active === null ? {} : {lastActive: place.active}),
  }
}

/** The last of the stream's sequences before one that is not acknowledged. */
function floorBelow(all: View, state: State, lowest: number): number {
  return all.last(state, lowest - 1) ?? (state.stored === state.messages ? 0 : lowest - 1)
}
