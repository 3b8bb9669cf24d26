/**
 * Connects subscriptions, connections and plugins: which subscriptions match, which connection is served, and how answers are
 * handled.
 */
import {randomUUID} from 'node:crypto'
import {BusError, isFailure} from '../../core/errors.ts'
import {sleep} from '../../core/time/timer.ts'
import type {Transport} from '../../transport/contract.ts'
import {ReplySender} from '../../transport/reply-sender.ts'
import type {StreamInfo} from '../../transport/streams-contract.ts'
import {ByteBudget} from './byte-budget.ts'
import {DeliveryQueue, type Member} from './delivery-queue.ts'
import type {SubscriptionRef} from './event.ts'
import {compileEventFilter} from './filter.ts'
import {Leases} from './leases.ts'
import {limitLog} from './log-limit.ts'
import {Offsets} from './offsets.ts'
import type {Callbacks, DeliveryResponse, EventDelivery, EventPlugin} from './plugin.ts'
import {openRegistry, type Registry, type Snapshot} from './registry.ts'
import {checkSubscriptionName, type EventSubscription, lockFirstEvent} from './subscription.ts'

interface Connection {
  readonly plugin: EventPlugin
  matches: (subscription: EventSubscription) => boolean
  readonly ephemeral: DeliveryQueue[]
  readonly budget: ByteBudget
  /** Instructions of its filters, in total. */
  instructions: number
}

type Ref = Pick<SubscriptionRef, 'namespace' | 'name'>
type Stored = {readonly offsets: Offsets; readonly leases: Leases}

const troublePauseMs = 1000
const mostInFlight = 65_536
const mostInFlightBytes = 16 * 1024 * 1024
/**
 * Largest number of instructions of all ephemeral subscriptions of a connection, because each event passes through all of them.
 */
const mostInstructions = 4000
/** Names of missing subscriptions that were reported, of which clients can invent any number. */
const mostReported = 1000

/** The limits of a gateway, and the callbacks for events. */
export interface ManagerOptions {
  /** Called with rejections, takeovers and problems. */
  readonly warn: (line: string) => void
  /** Largest number of unacknowledged events per subscription, whatever its `readAhead`; default 65,536. */
  readonly maxInFlight?: number | undefined
  /** Largest number of bytes in flight to a WebSocket client, or for any other subscription; default 16 MiB. */
  readonly maxInFlightBytes?: number | undefined
  /**
   * Streams of the bus itself, such as `KV_settings`, that clients may read with ephemeral subscriptions; none by default. From
   * other streams they get no event whose topic begins with `$`.
   */
  readonly systemNamespaces?: readonly string[] | undefined
}

/** The gateway: `start` it on a bus, then add plugins with `use`. Several gateways on one bus share the subscriptions. */
export class EventManager implements AsyncDisposable {
  readonly #bus: Transport
  readonly #replies: ReplySender
  readonly #registry: Registry
  readonly #stored: Stored
  readonly #warn: (line: string) => void
  readonly #maxInFlight: number
  readonly #systemNamespaces: readonly string[]
  readonly #maxInFlightBytes: number
  readonly #plugins = new Map<string, EventPlugin>()
  readonly #connections = new Map<string, Connection>()
  readonly #durable = new Map<string, DeliveryQueue>()
  /** Missing subscriptions that a client has started, and that were reported. */
  readonly #reported = new Set<string>()
  readonly #stop = new AbortController()
  #following: Promise<void> | undefined

  private constructor(
    bus: Transport,
    registry: Registry,
    stored: Stored,
    {warn, maxInFlight = mostInFlight, ...limits}: ManagerOptions,
  ) {
    this.#bus = bus
    this.#registry = registry
    this.#stored = stored
    this.#warn = warn
    this.#replies = new ReplySender(bus, (failure, isFirst) => {
      if (isFirst) warn(`a reply could not be sent: ${failure.message}`)
    })
    this.#maxInFlight = maxInFlight
    this.#systemNamespaces = limits.systemNamespaces ?? []
    this.#maxInFlightBytes = limits.maxInFlightBytes ?? mostInFlightBytes
  }

  /** Loads the durable subscriptions and follows their changes. Fails as the bus does. */
  static async start(bus: Transport, options: ManagerOptions): Promise<EventManager> {
    const warn = limitLog(options.warn)
    const registry = await openRegistry(bus.streams, {onInvalid: warn})
    const leases = await Leases.open(bus, registry.bucket, {self: randomUUID(), warn})
    const manager = new EventManager(
      bus,
      registry,
      {leases, offsets: new Offsets(registry.bucket, warn)},
      {...options, warn},
    )
    const snapshot = await manager.#load()
    manager.#following = manager.#follow(snapshot)
    // `ended` reports it.
    manager.#following.catch(() => undefined)
    return manager
  }

  /** Starts to accept connections through a plugin. Throws `usage` for an invalid configuration and for a name that is in use. */
  async use<Config>(plugin: EventPlugin<Config>, config: Partial<Config>): Promise<void> {
    if (this.#plugins.has(plugin.name)) throw new BusError('usage', `a plugin ${plugin.name} already exists`)
    this.#plugins.set(plugin.name, plugin as EventPlugin)
    await plugin.init(plugin.initConfig(config), this.#callbacks(plugin as EventPlugin))
  }

  /** Rejects when the bus is lost for good. */
  get ended(): Promise<void> {
    return this.#following ?? Promise.resolve()
  }

  /** Ends all deliveries, writes the offsets, and closes the plugins. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    const queues = [...this.#durable.values(), ...[...this.#connections.values()].flatMap(({ephemeral}) => ephemeral)]
    const closing = queues.map((queue) => queue.close())
    await this.#stored.offsets.close()
    await Promise.all(closing)
    for (const plugin of this.#plugins.values()) await plugin[Symbol.asyncDispose]()
    await this.#stored.leases[Symbol.asyncDispose]()
    // `ended` reports its failure.
    await this.#following?.catch(() => undefined)
  }

  #callbacks(plugin: EventPlugin): Callbacks {
    return {
      registerConnection: (connection, matches) => this.#register(plugin, connection, matches),
      connectionClosed: (connection) => this.#closed(plugin, connection),
      // A hint for the client; the subscription itself reports failures.
      whyWaiting: (connection, ref) => this.#whyWaiting(plugin, connection, ref).catch(() => undefined),
      deliveryResponse: (connection, response) => this.#respond(plugin, connection, response),
      ephemeralSubscription: async (id, namespace, filter, options) => {
        const isNamed = this.#systemNamespaces.includes(namespace)
        if (isSystemNamespace(namespace) && !isNamed)
          throw new BusError('denied', `the namespace ${namespace} belongs to the bus, and is not served to clients`)
        const compiled = await compileEventFilter(filter)
        if (options.batch && !plugin.capabilities.batchDelivery)
          throw new BusError('usage', `${plugin.name} does not deliver batches`)
        const {state} = await this.#streamInfo(namespace)
        const connection = this.#connections.get(id)
        if (connection?.plugin !== plugin) throw new BusError('usage', `there is no connection ${id}`)
        connection.instructions += compiled?.instructions ?? 0
        if (connection.instructions > mostInstructions)
          throw new BusError('usage', 'the filters of this connection are too long, or have too many repetitions')
        const uuid = randomUUID()
        const now = new Date().toISOString()
        const firstEvent = String(lockFirstEvent(options.firstEvent, state.lastSeq))
        const queue = this.#queue(
          {
            ...{id: uuid, namespace, name: uuid, transport: plugin.name, filter, ephemeral: true},
            ...{options: {...options, firstEvent}, created: now, updated: now},
          },
          {stored: undefined, hidesSystem: !isNamed},
        )
        connection.ephemeral.push(queue)
        queue.join(this.#member(id, connection))
        return queue.subscription
      },
    }
  }

  #register(plugin: EventPlugin, id: string, matches: Connection['matches']): void {
    const known = this.#connections.get(id)
    if (known !== undefined && known.plugin !== plugin)
      throw new BusError('usage', `the connection ${id} belongs to ${known.plugin.name}`)
    const connection = known ?? {
      ...{plugin, matches, ephemeral: [], instructions: 0},
      budget: new ByteBudget(this.#maxInFlightBytes),
    }
    connection.matches = matches
    this.#connections.set(id, connection)
    for (const queue of this.#durable.values()) this.#match(queue, id, connection)
  }

  async #whyWaiting(plugin: EventPlugin, connection: string, ref: Ref): Promise<string | undefined> {
    const {namespace, name} = ref
    const queue = this.#durable.get(keyOf(ref))
    if (queue?.subscription.transport === plugin.name) {
      const [first] = queue.connections
      return first === connection ? undefined : `subscription ${name}: another connection is served; standing by`
    }
    const reason =
      queue === undefined
        ? await this.#whyMissing(ref)
        : `subscription ${name} of ${namespace} is delivered by ${queue.subscription.transport}, not by ${plugin.name}`
    if (reason === undefined || this.#reported.has(keyOf(ref))) return reason
    if (this.#reported.size >= mostReported) this.#reported.clear()
    this.#reported.add(keyOf(ref))
    this.#warn(reason)
    return reason
  }

  /** Undefined for a subscription that was added just now. */
  async #whyMissing({namespace, name}: Ref): Promise<string | undefined> {
    try {
      checkSubscriptionName(name)
      await this.#streamInfo(namespace)
      await this.#registry.get(namespace, name)
      return undefined
    } catch (error) {
      if (!isFailure(error, 'notFound')) return (error as Error).message
      if (error.message.startsWith('there is no stream')) return `${error.message}: nothing is delivered`
      return `there is no subscription ${name} of ${namespace}: nothing is delivered until bus events add creates it`
    }
  }

  /** Fails with sentences that may be sent to clients: they do not name the bus. */
  async #streamInfo(namespace: string): Promise<StreamInfo> {
    try {
      return await this.#bus.streams.info(namespace)
    } catch (error) {
      if (isFailure(error, 'usage')) throw error
      if (isFailure(error, 'notFound'))
        throw new BusError('notFound', `there is no stream ${namespace}`, {cause: error})
      this.#warn(`stream ${namespace}: ${(error as Error).message}`)
      throw new BusError('remote', 'the bus of the gateway does not respond', {cause: error})
    }
  }

  #match(queue: DeliveryQueue, id: string, connection: Connection): void {
    const {subscription} = queue
    if (subscription.transport === connection.plugin.name && connection.matches(subscription))
      queue.join(this.#member(id, connection))
    else queue.leave(id)
  }

  #member(id: string, {plugin, budget}: Connection): Member {
    return {
      connection: id,
      budget: plugin.capabilities.limitsConnections ? budget : new ByteBudget(this.#maxInFlightBytes),
      deliver: (delivery: EventDelivery) => plugin.deliveryRequest(id, delivery),
      stopped: (subscription, reason) => plugin.subscriptionStopped?.(id, subscription, reason),
    }
  }

  #closed(plugin: EventPlugin, id: string): void {
    const connection = this.#connections.get(id)
    if (connection?.plugin !== plugin) return
    this.#connections.delete(id)
    for (const queue of this.#durable.values()) queue.leave(id)
    for (const queue of connection.ephemeral) void queue.close()
  }

  #respond(plugin: EventPlugin, id: string, response: DeliveryResponse): void {
    const connection = this.#connections.get(id)
    const {namespace, name} = response.subscription
    const queue =
      connection?.ephemeral.find(({subscription}) => subscription.name === name) ??
      this.#durable.get(keyOf(response.subscription))
    if (connection?.plugin === plugin && queue !== undefined) queue.respond(id, response)
    else this.#warn(`a response for the subscription ${name} of ${namespace}, which the connection did not start`)
  }

  #queue(subscription: EventSubscription, parts: {stored: Stored | undefined; hidesSystem: boolean}): DeliveryQueue {
    const deps = {bus: this.#bus, replies: this.#replies, warn: this.#warn, maxInFlight: this.#maxInFlight}
    return new DeliveryQueue(subscription, {...parts, ...deps})
  }

  async #load(): Promise<Snapshot> {
    const snapshot = await this.#registry.snapshot()
    const {subscriptions} = snapshot
    const there = new Set(subscriptions.map(keyOf))
    for (const subscription of subscriptions) await this.#put(subscription)
    for (const [key, queue] of this.#durable) if (!there.has(key)) await this.#remove(key, queue)
    return snapshot
  }

  async #follow(from: Snapshot): Promise<void> {
    let snapshot: Snapshot | undefined = from
    while (!this.#stop.signal.aborted) {
      try {
        for await (const {subscription, ...ref} of this.#registry.changes(
          snapshot ?? (await this.#load()),
          this.#stop.signal,
        )) {
          const key = keyOf(ref)
          const queue = this.#durable.get(key)
          if (subscription !== undefined) await this.#put(subscription)
          else if (queue !== undefined) await this.#remove(key, queue)
        }
      } catch (error) {
        if (this.#stop.signal.aborted) return
        if (error instanceof BusError && error.data?.['lost'] === true) throw error
        this.#warn(`changes of subscriptions: ${(error as Error).message}`)
      }
      snapshot = undefined
      await sleep(troublePauseMs, this.#stop.signal)
    }
  }

  /** A new subscription, or a changed one, which keeps its offset. */
  async #put(subscription: EventSubscription): Promise<void> {
    const key = keyOf(subscription)
    const before = this.#durable.get(key)
    if (before !== undefined && JSON.stringify(before.subscription) === JSON.stringify(subscription)) return
    if (before !== undefined) await this.#remove(key, before)
    const queue = this.#queue(subscription, {stored: this.#stored, hidesSystem: false})
    this.#durable.set(key, queue)
    this.#reported.delete(key)
    for (const [id, connection] of this.#connections) this.#match(queue, id, connection)
  }

  async #remove(key: string, queue: DeliveryQueue): Promise<void> {
    this.#durable.delete(key)
    await queue.close()
  }
}

/** Key-value buckets, object stores, and internal streams of a server. */
function isSystemNamespace(namespace: string): boolean {
  return /^(KV_|OBJ_|\$)/.test(namespace)
}

function keyOf({namespace, name}: Ref): string {
  return `${namespace}/${name}`
}
