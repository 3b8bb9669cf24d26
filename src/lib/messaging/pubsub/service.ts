/**
 * Discovery of NATS services (ADR-32), implemented over the Transport contract, so that it works on every bus and on the
 * connection that receives the requests. @nats-io/services would need a second connection and would not support the bus file.
 */
import {BusError} from '../../core/errors.ts'
import type {Transport} from '../../transport/contract.ts'
import {ReplySender} from '../../transport/reply-sender.ts'
import type {Fault} from './handlers.ts'

/** The identity of a service. */
export interface Identity {
  /** Shared by all instances. */
  readonly name: string
  /** Unique to this instance; one token of a subject. */
  readonly id: string
  /** A semantic version (semver.org). */
  readonly version: string
  readonly description: string
}

/** The subject on which it receives requests. */
export interface Endpoint {
  readonly subject: string
  readonly queue?: string | undefined
}

/** Its counters. */
export interface ServiceCounts {
  readonly served: number
  /** Requests that were answered with a service error. */
  readonly failed: number
  readonly lastFault?: Fault | undefined
  /** Milliseconds of all requests together. */
  readonly spentMs: number
}

export interface Advertised extends AsyncDisposable {
  /** Withdraws the announcement. Rejects with the failure that kept it from answering, if there was one. */
  close(): Promise<void>
}

export interface AdvertiseOptions {
  readonly identity: Identity
  readonly endpoint: Endpoint
  readonly tally: () => ServiceCounts
  /** Called when it cannot continue; `close` then rejects. */
  readonly onFailure: () => void
}

/** The name that other libraries give the endpoint of a service with only one. */
const endpointName = 'default'
const nanosInMs = 1e6
const semver =
  /^(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}(-(0|[1-9]\d*|\d*[a-z-][\da-z-]*)(\.(0|[1-9]\d*|\d*[a-z-][\da-z-]*))*)?(\+[\da-z-]+(\.[\da-z-]+)*)?$/i

/** Throws `usage` for a name or version that ADR-32 does not allow. */
export function checkIdentity<T extends Pick<Identity, 'name' | 'version'>>(identity: T): T {
  const {name, version} = identity
  if (!/^[\w-]+$/.test(name)) {
    throw new BusError(
      'usage',
      `the service name ${JSON.stringify(name)} may contain only letters, digits, "_" and "-"`,
      {
        try: ['--service greeter'],
      },
    )
  }
  if (!semver.test(version)) {
    throw new BusError('usage', `the version ${JSON.stringify(version)} is not a semantic version`, {
      try: ['--version 1.2.3'],
    })
  }
  return identity
}

/**
 * Answers `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS`, with and without `.NAME` and `.NAME.ID`, once it resolves. Fails with
 * `usage` on a bus where a request cannot reach all services.
 */
export async function advertise(bus: Transport, options: AdvertiseOptions): Promise<Advertised> {
  if (!bus.features.requestsAreMessages) throw new BusError('usage', `services cannot be discovered on ${bus.url}`)
  const {name, id} = options.identity
  const started = new Date().toISOString()
  const patterns = ['PING', 'INFO', 'STATS'].flatMap((verb) => [
    `$SRV.${verb}`,
    `$SRV.${verb}.${name}`,
    `$SRV.${verb}.${name}.${id}`,
  ])
  const subscription = await bus.subscribe(patterns)
  // A requester whose reply subject is not allowed gets no answer.
  const replies = new ReplySender(bus, () => {})
  const answering = (async () => {
    for await (const {subject, reply} of subscription) {
      if (reply === undefined) continue
      replies.send({subject: reply, data: JSON.stringify(answerTo(subject, options, started))})
      await replies.settle()
    }
  })()
  answering.catch(options.onFailure)
  const close = async () => {
    await subscription.close()
    await answering
  }
  // A failure has been reported to `onFailure`.
  return {close, [Symbol.asyncDispose]: () => close().catch(() => undefined)}
}

/** The document to answer with; the verb is the second token of the subject. */
function answerTo(subject: string, {identity, endpoint, tally}: AdvertiseOptions, started: string): object {
  const {description, ...who} = identity
  const verb = subject.split('.')[1]
  const common = {...who, metadata: {}}
  const one = {name: endpointName, subject: endpoint.subject, queue_group: endpoint.queue}
  if (verb === 'INFO') {
    const endpoints = [{...one, metadata: {}}]
    return {type: 'io.nats.micro.v1.info_response', ...common, description, endpoints}
  }
  if (verb === 'STATS') {
    const endpoints = [{...one, ...figures(tally())}]
    return {type: 'io.nats.micro.v1.stats_response', ...common, started, endpoints}
  }
  return {type: 'io.nats.micro.v1.ping_response', ...common}
}

/** Durations are in nanoseconds. */
function figures({served, failed, lastFault, spentMs}: ServiceCounts): object {
  const nanos = Math.round(spentMs * nanosInMs)
  return {
    num_requests: served,
    num_errors: failed,
    last_error: lastFault === undefined ? '' : `${lastFault.code}:${lastFault.text}`,
    processing_time: nanos,
    average_processing_time: served === 0 ? 0 : Math.round(nanos / served),
  }
}
