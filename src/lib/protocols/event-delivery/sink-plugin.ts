/**
 * The plugin for applications that are called rather than connect: webhooks, programs, stdout. Each is a `Sink`, as in
 * `consumer replay`; this plugin passes deliveries to it and translates its results into responses.
 */
import {isFailure} from '../../core/errors.ts'
import {Message} from '../../core/message.ts'
import type {Refusal, Sink} from '../../messaging/sinks/sink.ts'
import {deliveryWriter} from './event.ts'
import type {Callbacks, DeliveryResponse, EventDelivery, EventPlugin} from './plugin.ts'
import {type EventSubscription, type Options, parseOptions} from './subscription.ts'

/** The parts that turn a sink into a plugin. */
export interface SinkPluginParts {
  readonly name: string
  /** Checks options that only this plugin knows. Throws `usage`. */
  readonly checkOptions?: ((options: Options) => void) | undefined
  /** Opens the destination of a subscription's deliveries. */
  open(subscription: EventSubscription): Target | Promise<Target>
}

/** The destination of one subscription's deliveries. */
export interface Target {
  readonly sink: Sink
  /** Acknowledge before the sink has handled the event. */
  readonly isHasty?: boolean | undefined
  /** The reply to a handled message. */
  readonly replyTo?: ((message: Message) => DeliveryResponse['reply']) | undefined
}

/** The callbacks for failures. */
export interface SinkPluginConfig {
  readonly warn: (line: string) => void
}

/** A plugin that calls applications: it passes deliveries to one sink per subscription. */
export function sinkPlugin(parts: SinkPluginParts): EventPlugin<SinkPluginConfig> {
  return new SinkPlugin(parts)
}

class SinkPlugin implements EventPlugin<SinkPluginConfig> {
  readonly name: string
  readonly capabilities = {batchDelivery: true}
  readonly #parts: SinkPluginParts
  readonly #targets = new Map<string, {readonly subscription: EventSubscription; readonly target: Promise<Target>}>()
  #callbacks: Callbacks | undefined
  #warn: (line: string) => void = () => undefined

  constructor(parts: SinkPluginParts) {
    this.#parts = parts
    this.name = parts.name
  }

  initConfig(given: Partial<SinkPluginConfig>): SinkPluginConfig {
    return {warn: () => undefined, ...given}
  }

  /** All its subscriptions share one connection, which always exists. */
  async init({warn}: SinkPluginConfig, callbacks: Callbacks): Promise<void> {
    this.#callbacks = callbacks
    this.#warn = warn
    callbacks.registerConnection(this.name, () => true)
  }

  validateOptions(json: unknown): Options {
    const options = parseOptions(json, {withData: true})
    this.#parts.checkOptions?.(options)
    return options
  }

  deliveryRequest(connection: string, delivery: EventDelivery): void {
    void this.#hand(connection, delivery)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#callbacks = undefined
    for (const {target} of this.#targets.values()) await closed(target)
  }

  async #hand(connection: string, {id, subscription, events}: EventDelivery): Promise<void> {
    const {namespace, name} = subscription
    const answer = (response: Partial<DeliveryResponse>) =>
      this.#callbacks?.deliveryResponse(connection, {id, subscription: {namespace, name}, ...response})
    const [first] = events
    if (first === undefined) return
    try {
      const {sink, isHasty, replyTo} = await this.#target(subscription)
      const message = messageOf({id, subscription, events})
      if (isHasty) answer({})
      const refusal = await sink.take([message])
      if (refusal?.verdict === 'term') this.#say(subscription, first.sequence, refusal)
      else if (refusal !== undefined && isHasty) this.#say(subscription, first.sequence, refusal)
      else if (refusal !== undefined)
        return void answer({rejected: true, info: refusal.reason, retryAfterMs: refusal.retryAfterMs})
      if (!isHasty) answer({reply: replyTo?.(message)})
    } catch (error) {
      // Its sink was closed, because the subscription has changed or the gateway ends.
      if (isFailure(error, 'interrupted')) return
      answer({rejected: true, info: (error as Error).message})
    }
  }

  #say({name}: EventSubscription, sequence: number, {reason}: Refusal): void {
    this.#warn(`subscription ${name}: event ${sequence} was not handled, and is given up: ${reason}`)
  }

  /** A changed subscription gets a new target. */
  async #target(subscription: EventSubscription): Promise<Target> {
    const {id} = subscription
    const known = this.#targets.get(id)
    if (known?.subscription === subscription) return known.target
    const target = Promise.resolve().then(() => this.#parts.open(subscription))
    this.#targets.set(id, {subscription, target})
    // The next delivery tries again.
    target.catch(() => this.#targets.get(id)?.target === target && this.#targets.delete(id))
    if (known !== undefined) await closed(known.target)
    return target
  }
}

async function closed(target: Promise<Target>): Promise<void> {
  await target.then(
    ({sink}) => sink[Symbol.asyncDispose](),
    () => undefined,
  )
}

/** The message itself; without data its event as JSON, and for a batch the events as an array. */
function messageOf({subscription, events}: EventDelivery): Message {
  const {batch, withData} = subscription.options
  const [first] = events
  if (first === undefined) throw new Error('a delivery has an event')
  if (!batch && withData) return first.message
  const json = events.map(deliveryWriter(subscription, withData))
  const {headers, seq, time} = first.message
  return new Message(first.topic, batch ? `[${json.join(',')}]` : (json[0] ?? ''), headers, undefined, seq, time)
}
