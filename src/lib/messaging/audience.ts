/** Who receives what is published to a subject, as far as the bus tells: subscribers, streams, their consumers, and services. */
import {type BusError, isFailure} from '../core/errors.ts'
import {overlaps} from '../core/subject.ts'
import type {Interest, Transport} from '../transport/contract.ts'
import type {InterestOptions} from '../transport/server-requests.ts'
import {discoverServices} from './service-discovery.ts'

export interface Audience {
  /** Without our own; undefined if the bus does not tell. */
  readonly subscribers: readonly Interest[] | undefined
  readonly streams: readonly KeepingStream[]
  readonly consumers: readonly MatchingConsumer[]
  readonly services: readonly ServingInstance[]
  /** Why something is not known. */
  readonly failures: readonly BusError[]
  /** Subscribers that the bus does not show. */
  readonly unseen: string | undefined
}

/** A stream that stores the subject. */
export interface KeepingStream {
  readonly stream: string
  /** Its subjects that match. */
  readonly subjects: readonly string[]
  readonly messages: number
}

/** A consumer of such a stream whose filters match. */
export interface MatchingConsumer {
  readonly stream: string
  readonly consumer: string
  /** Those that match; none if it has no filters. */
  readonly filters: readonly string[]
  readonly durable: boolean
  readonly pending: number
  readonly ackPending: number
  /** The sum of both. */
  readonly lag: number
}

/** An endpoint of an instance of a NATS service. */
export interface ServingInstance {
  readonly service: string
  readonly id: string
  readonly version?: string | undefined
  readonly subject: string
  readonly queue?: string | undefined
}

/** The audience of a subject or pattern. Fails only as `flush` does; what a login may not ask is in `failures`. */
export async function findAudience(bus: Transport, wanted: string, options: InterestOptions = {}): Promise<Audience> {
  const failures: BusError[] = []
  const [interests, {streams, consumers}] = await Promise.all([
    bus.interests?.(wanted, options),
    findKeepers(bus, wanted, failures),
  ])
  const isKnown = interests !== undefined && 'known' in interests
  if (interests !== undefined && 'unknown' in interests) failures.unshift(interests.unknown)
  const subscribers = isKnown ? interests.known.filter(({client}) => !client.isOwn) : undefined
  // A service has a subscription, so that it need not be waited for where nobody subscribes.
  const services = subscribers?.length === 0 ? [] : await servicesOf(bus, wanted, options, failures)
  return {subscribers, streams, consumers, services, failures, unseen: isKnown ? interests.unseen : undefined}
}

/** The streams that store a subject, and their consumers; `failures` gets why some are not known. */
export async function findKeepers(
  bus: Transport,
  wanted: string,
  failures: BusError[] = [],
): Promise<Pick<Audience, 'streams' | 'consumers'>> {
  const streams: KeepingStream[] = []
  const consumers: MatchingConsumer[] = []
  const isWanted = (pattern: string) => overlaps(pattern, wanted)
  const names = (await told(bus.streams.keeping(wanted), failures)) ?? []
  for (const stream of names) {
    const info = await told(bus.streams.info(stream), failures)
    if (info === undefined) continue
    const {subjects} = info.config
    streams.push({stream, subjects: subjects.filter(isWanted), messages: info.state.messages})
    const list = await told(bus.streams.consumers.list(stream, {onUnreachable: () => {}}), failures)
    for (const {config, pending, ackPending} of list ?? []) {
      const {name: consumer, durable} = config
      const filters = config.filters.filter(isWanted)
      if (config.filters.length > 0 && filters.length === 0) continue
      consumers.push({stream, consumer, filters, durable, pending, ackPending, lag: pending + ackPending})
    }
  }
  return {streams, consumers}
}

async function servicesOf(
  bus: Transport,
  wanted: string,
  {timeoutMs = 2000, idleMs, signal}: InterestOptions,
  failures: BusError[],
): Promise<ServingInstance[]> {
  const instances = (await told(discoverServices(bus, {timeoutMs, idleMs, signal}), failures)) ?? []
  return instances.flatMap(({name: service, id, version, endpoints}) =>
    endpoints.flatMap(({subject, queue}) =>
      subject !== undefined && overlaps(subject, wanted) ? [{service, id, version, subject, queue}] : [],
    ),
  )
}

/** Undefined where there is none, or where it is not told; then `failures` has the reason. */
async function told<T>(answer: Promise<T>, failures: BusError[]): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (!isFailure(error, 'notFound', 'denied', 'timeout', 'remote')) throw error
    if (error.kind !== 'notFound') failures.push(error)
    return undefined
  }
}
