/** A broker's two steps of a pipeline: parameters in, output out. */
import {BusError} from '../../core/errors.ts'
import {reworded} from '../../core/rewording.ts'
import {parseJson} from '../../core/text/json-text.ts'
import type {Broker} from './broker.ts'

/** What a publish step is given. */
export interface PublishParams {
  readonly topic?: string | undefined
  /** Text goes as it is, bytes too, nothing as `{}`, anything else as JSON. */
  readonly payload?: unknown
}

/** What was published: the bytes of its payload. */
export interface PublishOutput {
  readonly topic: string
  readonly bytes: number
  readonly published: true
}

/** Publishes one message. Fails with the sentences of `step.broker_publish`. */
export class PublishStep {
  readonly #broker: Broker
  readonly #params: PublishParams

  constructor(broker: Broker, params: PublishParams = {}) {
    this.#broker = broker
    this.#params = params
  }

  /** Of the step's own parameters and those given here, the last that is set counts. */
  async execute(...given: readonly PublishParams[]): Promise<PublishOutput> {
    const name = 'step.broker_publish'
    const {topic, payload} = merged([this.#params, ...given])
    if (!topic) throw new BusError('usage', `${name}: topic is required`)
    const data = bytesOf(payload, name)
    await this.#broker.publish(topic, data).catch((error: unknown) => Promise.reject(named(name, error)))
    return {topic, bytes: data.length, published: true}
  }
}

/** What a subscribe step is given; `topic` may be a pattern. */
export interface SubscribeParams {
  readonly topic?: string | undefined
  readonly consumer_name?: string | undefined
  /** Milliseconds to wait for the message; default 5,000. */
  readonly timeoutMs?: number | undefined
}

/** What was taken: `topic` is the subject that it was published to. */
export interface SubscribeOutput {
  readonly topic: string
  readonly consumer: string
  /** Parsed when it is JSON, else text. */
  readonly payload: unknown
}

/** Takes the next message of a durable consumer, and acknowledges it. Fails with the sentences of `step.broker_subscribe`. */
export class SubscribeStep {
  readonly #broker: Broker
  readonly #params: SubscribeParams

  constructor(broker: Broker, params: SubscribeParams = {}) {
    this.#broker = broker
    this.#params = params
  }

  /** Of the step's own parameters and those given here, the last that is set counts. */
  async execute(...given: readonly SubscribeParams[]): Promise<SubscribeOutput> {
    const name = 'step.broker_subscribe'
    const {topic, consumer_name: consumer, timeoutMs = 5000} = merged([this.#params, ...given])
    if (!topic) throw new BusError('usage', `${name}: topic is required`)
    if (!consumer) throw new BusError('usage', `${name}: consumer_name is required`)
    const message = await this.#broker
      .next(topic, consumer, timeoutMs)
      .catch((error: unknown) => Promise.reject(named(name, error)))
    const json = parseJson(message.text)
    return {topic: message.subject, consumer, payload: json === undefined ? message.text : json}
  }
}

function merged<T extends object>(given: readonly T[]): Partial<T> {
  const set = given.flatMap((params) => Object.entries(params)).filter(([, value]) => value !== undefined)
  return Object.fromEntries(set) as Partial<T>
}

function bytesOf(payload: unknown, name: string): Uint8Array {
  if (payload instanceof Uint8Array) return payload
  if (typeof payload === 'string') return Buffer.from(payload)
  try {
    return Buffer.from(payload === undefined || payload === null ? '{}' : (JSON.stringify(payload) ?? '{}'))
  } catch (cause) {
    throw new BusError('usage', `${name}: marshal payload: ${(cause as Error).message}`, {cause})
  }
}

function named(name: string, error: unknown): unknown {
  return error instanceof BusError ? reworded(error, `${name}: ${error.message}`) : error
}
