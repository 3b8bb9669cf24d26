/** Asks the NATS services on a bus about themselves (ADR-32): each instance replies to `$SRV.PING`, `INFO` and `STATS`. */
import {isFailure} from '../core/errors.ts'
import {isObject, objectIn} from '../core/text/json-text.ts'
import type {Transport} from '../transport/contract.ts'
import {ask} from './pubsub/request.ts'

export interface DiscoveryOptions {
  /** Only the instances of this service. */
  readonly name?: string | undefined
  /** How long to wait for the first instance. */
  readonly timeoutMs: number
  /** How long to wait for each further instance; default 300. */
  readonly idleMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** What an instance replied. Nothing in it is verified. */
export interface ServiceReply {
  /** Milliseconds until it arrived. */
  readonly ms: number
  readonly text: string
  /** Undefined if the reply is not the document of a service: it has neither a name and an id, nor endpoints. */
  readonly instance: ServiceInstance | undefined
}

/** An instance as it describes itself; what it does not tell, or tells in another form, is absent. */
export interface ServiceInstance {
  readonly name: string
  readonly id: string
  readonly version?: string | undefined
  readonly description?: string | undefined
  readonly metadata?: Readonly<Record<string, unknown>> | undefined
  /** An ISO time. */
  readonly started?: string | undefined
  readonly endpoints: readonly ServiceEndpoint[]
}

/** An endpoint of an instance. The counters are in the replies to `STATS` only. */
export interface ServiceEndpoint {
  readonly name?: string | undefined
  /** May have wildcards. */
  readonly subject?: string | undefined
  readonly queue?: string | undefined
  readonly metadata?: Readonly<Record<string, unknown>> | undefined
  readonly requests?: number | undefined
  readonly errors?: number | undefined
  readonly lastError?: string | undefined
  /** Milliseconds per request. */
  readonly averageMs?: number | undefined
  /** Details of its own. */
  readonly data?: unknown
}

/** The names that ADR-32 allows. Instances of other names exist, and are selected from all. */
const plainName = /^[\w-]+$/

/**
 * The replies of all instances, as they arrive; none if there is no instance. Replies of other services are left out if there is
 * a name. Fails as `requestMany` and `flush` do.
 */
export async function* askServices(
  bus: Transport,
  verb: 'PING' | 'INFO' | 'STATS',
  {name, timeoutMs, idleMs = 300, signal}: DiscoveryOptions,
): AsyncGenerator<ServiceReply> {
  const subject = name !== undefined && plainName.test(name) ? `$SRV.${verb}.${name}` : `$SRV.${verb}`
  let isAnswered = false
  try {
    for await (const {message, ms} of ask(bus, {message: {subject}, timeoutMs, idleMs, signal})) {
      isAnswered = true
      const {text} = message
      const instance = instanceIn(text)
      if (name === undefined || instance === undefined || instance.name === name) yield {ms, text, instance}
    }
  } catch (error) {
    const isNobody = isFailure(error, 'noResponders') || (isFailure(error, 'timeout') && !isAnswered)
    if (!isNobody) throw error
  }
  // A server that does not answer is not a bus without services.
  if (!isAnswered) await bus.flush()
}

/** All instances that describe themselves. */
export async function discoverServices(bus: Transport, options: DiscoveryOptions): Promise<ServiceInstance[]> {
  const found: ServiceInstance[] = []
  for await (const {instance} of askServices(bus, 'INFO', options)) if (instance !== undefined) found.push(instance)
  return found
}

/** The subjects of its endpoints. */
export function endpointSubjects({endpoints}: ServiceInstance): string[] {
  return endpoints.map(({subject}) => subject).filter((subject) => subject !== undefined)
}

function instanceIn(reply: string): ServiceInstance | undefined {
  const json = objectIn(reply)
  const [name = '', id = ''] = [text(json?.['name']), text(json?.['id'])]
  const endpoints = Array.isArray(json?.['endpoints']) ? json['endpoints'] : []
  const isDocument = (name !== '' && id !== '') || endpoints.length > 0
  if (json === undefined || !isDocument) return undefined
  return {
    name,
    id,
    version: text(json['version']),
    description: text(json['description']),
    metadata: filled(json['metadata']),
    started: text(json['started']),
    endpoints: endpoints.filter(isObject).map(endpointIn),
  }
}

/** Times in the documents are nanoseconds. */
function endpointIn(json: Record<string, unknown>): ServiceEndpoint {
  const average = number(json['average_processing_time'])
  return {
    name: text(json['name']),
    subject: text(json['subject']),
    queue: text(json['queue_group']),
    metadata: filled(json['metadata']),
    requests: number(json['num_requests']),
    errors: number(json['num_errors']),
    lastError: text(json['last_error']),
    averageMs: average === undefined ? undefined : average / 1e6,
    data: json['data'] ?? undefined,
  }
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function number(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 ? value : undefined
}

function filled(value: unknown): Record<string, unknown> | undefined {
  return isObject(value) && Object.keys(value).length > 0 ? value : undefined
}
