/** A plugin whose connections are in the test itself, and a gateway that uses it. */
import {onTestFinished} from 'vitest'
import {EventManager} from '../../../../src/lib/protocols/event-delivery/manager.ts'
import type {Callbacks, EventDelivery, EventPlugin} from '../../../../src/lib/protocols/event-delivery/plugin.ts'
import {openRegistry} from '../../../../src/lib/protocols/event-delivery/registry.ts'
import {type EventSubscription, parseOptions} from '../../../../src/lib/protocols/event-delivery/subscription.ts'
import type {Transport} from '../../../../src/lib/transport/contract.ts'
import {open} from '../../../../src/lib/transport/open.ts'

/** One application: what it received, and how it answers. */
export class Application {
  readonly id: string
  readonly got: EventDelivery[] = []
  readonly #callbacks: Callbacks
  #wake: () => void = () => undefined

  constructor(id: string, callbacks: Callbacks) {
    this.id = id
    this.#callbacks = callbacks
  }

  /** Called with each delivery; may throw. */
  onDelivery: (delivery: EventDelivery) => void = () => undefined

  take(delivery: EventDelivery): void {
    this.got.push(delivery)
    this.#wake()
    this.onDelivery(delivery)
  }

  /** The payloads received, once there are this many. */
  async payloads(count: number): Promise<string> {
    while (this.got.length < count) {
      const {promise, resolve} = Promise.withResolvers<void>()
      this.#wake = resolve
      await promise
    }
    return this.got.flatMap(({events}) => events.map(({message}) => message.text)).join(' ')
  }

  /** Answers the (first) event with this payload, or without one the oldest in flight; the latest delivery of it. */
  answer(payload: string | undefined, more: object = {}): void {
    const found = this.got.findLast(({events}) => events[0]?.message.text === payload)
    const subscription = (found ?? this.got[0])?.subscription ?? {namespace: 'ORDERS', name: 'app'}
    this.#callbacks.deliveryResponse(this.id, {id: found?.id, subscription, ...more})
  }

  ack(...payloads: string[]): void {
    for (const payload of payloads) this.answer(payload)
  }

  reject(payload: string, more: object = {}): void {
    this.answer(payload, {rejected: true, info: 'no', ...more})
  }

  close(): void {
    this.#callbacks.connectionClosed(this.id)
  }
}

export function directPlugin(name = 'direct') {
  const applications = new Map<string, Application>()
  let callbacks: Callbacks | undefined
  const given = (): Callbacks => {
    if (callbacks === undefined) throw new Error('not yet')
    return callbacks
  }
  const plugin: EventPlugin<object> = {
    name,
    capabilities: {batchDelivery: true},
    initConfig: (config) => config,
    async init(_config, ours) {
      callbacks = ours
    },
    validateOptions: (options) => parseOptions(options, {withData: true}),
    deliveryRequest: (id, delivery) => applications.get(id)?.take(delivery),
    async [Symbol.asyncDispose]() {},
  }
  return {
    plugin,
    callbacks: given,
    connect(id: string, matches: (subscription: EventSubscription) => boolean = () => true): Application {
      const application = new Application(id, given())
      applications.set(id, application)
      given().registerConnection(id, matches)
      return application
    },
  }
}

/** A gateway on a bus with the stream ORDERS, and by default one durable subscription `app`. */
export async function gateway(bus: Transport, options?: unknown, filter = {}) {
  const registry = await openRegistry(bus.streams)
  if (options !== undefined) {
    const wish = {namespace: 'ORDERS', name: 'app', transport: 'direct', filter}
    await registry.add({...wish, options: parseOptions(options, {withData: true})})
  }
  const said: string[] = []
  const manager = await EventManager.start(bus, {warn: (line) => said.push(line)})
  const {plugin, callbacks, connect} = directPlugin()
  await manager.use(plugin, {})
  return {manager, registry, said, callbacks, connect, [Symbol.asyncDispose]: () => manager[Symbol.asyncDispose]()}
}

export async function memoryBus(): Promise<Transport> {
  const bus = await open(`memory:${crypto.randomUUID()}`)
  onTestFinished(() => bus.close())
  await bus.streams.add({name: 'ORDERS', subjects: ['orders.>']})
  return bus
}

export async function store(bus: Transport, from: number, to: number, subject = 'orders.new'): Promise<void> {
  for (let n = from; n <= to; n++) await bus.streams.publish({subject, data: `${n}`})
}
