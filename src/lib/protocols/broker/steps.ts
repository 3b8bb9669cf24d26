/** The two pipeline steps of a broker: parameters in, output out. */
import {BusError} from '../../core/errors.ts'
import {reworded} from '../../core/rewording.ts'
import {parseJson} from '../../core/text/json-text.ts'
import type {Broker, DurableCall, Handler} from './broker.ts'

abstract class Step<Params extends object, Output> {
  protected readonly broker: Broker
  readonly #params: Params
  protected abstract readonly name: string

  constructor(broker: Broker, params: Params = {} as Params) {
    this.broker = broker
    this.#params = params
  }

  /** Later parameters override earlier ones, which override those of the step. */
  async execute(...given: readonly Params[]): Promise<Output> {
    return this.named(given, (params) => this.run(params))
  }

  protected abstract run(params: Params): Promise<Output>

  /** Calls `use` with all parameters; its failures begin with the name of the step. */
  protected async named<T>(given: readonly Params[], use: (params: Params) => Promise<T>): Promise<T> {
    const all = [this.#params, ...given].flatMap((params) => Object.entries(params))
    const set = all.filter(([, value]) => value !== undefined)
    try {
      return await use(Object.fromEntries(set) as Params)
    } catch (error) {
      throw error instanceof BusError ? reworded(error, `${this.name}: ${error.message}`) : error
    }
  }
}

/** The parameters of a publish step. */
export interface PublishParams {
  readonly topic?: string | undefined
  /** Strings and bytes are sent unchanged, undefined as `{}`, anything else as JSON. */
  readonly payload?: unknown
}

/** The result of a publish step, with the size of the payload in bytes. */
export interface PublishOutput {
  readonly topic: string
  readonly bytes: number
  readonly published: true
}

/** Publishes one message. Fails with the error texts of `step.broker_publish`. */
export class PublishStep extends Step<PublishParams, PublishOutput> {
  protected readonly name = 'step.broker_publish'

  protected async run(params: PublishParams): Promise<PublishOutput> {
    const topic = required('topic', params.topic)
    const data = bytesOf(params.payload)
    await this.broker.publish(topic, data)
    return {topic, bytes: data.length, published: true}
  }
}

/** The parameters of a subscribe step; `topic` may be a pattern. */
export interface SubscribeParams {
  readonly topic?: string | undefined
  readonly consumer_name?: string | undefined
  /** Milliseconds to wait for the message; default 5,000. Only for `execute`. */
  readonly timeoutMs?: number | undefined
}

/** The result of a subscribe step; `topic` is the subject of the message. */
export interface SubscribeOutput {
  readonly topic: string
  readonly consumer: string
  /** Parsed if it is JSON, else a string. */
  readonly payload: unknown
}

/** Takes the next message of a durable consumer and acknowledges it, or subscribes to all of them. Fails with the error texts of `step.broker_subscribe`. */
export class SubscribeStep extends Step<SubscribeParams, SubscribeOutput> {
  protected readonly name = 'step.broker_subscribe'

  protected async run({topic, consumer_name, timeoutMs = 5000}: SubscribeParams): Promise<SubscribeOutput> {
    const pattern = required('topic', topic)
    const consumer = required('consumer_name', consumer_name)
    const message = await this.broker.next(pattern, consumer, timeoutMs)
    const json = parseJson(message.text)
    return {topic: message.subject, consumer, payload: json === undefined ? message.text : json}
  }

  /**
   * Calls `handler` for each message of the durable consumer, from the first of the stream on, until it is ended by the returned
   * function or by the signal. Each message is delivered until the handler succeeds.
   */
  async subscribe(params: SubscribeParams, handler: Handler, options: DurableCall = {}): Promise<() => Promise<void>> {
    return this.named([params], async ({topic, consumer_name}) =>
      this.broker.subscribeDurable(
        required('topic', topic),
        required('consumer_name', consumer_name),
        handler,
        options,
      ),
    )
  }
}

/** A broker with its two steps, under the name that a pipeline gives it. */
export class Plugin {
  readonly name: string
  readonly broker: Broker

  constructor(name: string, broker: Broker) {
    this.name = name
    this.broker = broker
  }

  publishStep(params?: PublishParams): PublishStep {
    return new PublishStep(this.broker, params)
  }

  subscribeStep(params?: SubscribeParams): SubscribeStep {
    return new SubscribeStep(this.broker, params)
  }
}

function required(name: string, value: string | undefined): string {
  if (!value) throw new BusError('usage', `${name} is required`)
  return value
}

function bytesOf(payload: unknown): Uint8Array {
  if (payload instanceof Uint8Array) return payload
  if (typeof payload === 'string') return Buffer.from(payload)
  try {
    return Buffer.from(payload === undefined || payload === null ? '{}' : (JSON.stringify(payload) ?? '{}'))
  } catch (cause) {
    throw new BusError('usage', `marshal payload: ${(cause as Error).message}`, {cause})
  }
}
