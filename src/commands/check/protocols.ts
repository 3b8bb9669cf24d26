/** Provides the protocols for checks; each is loaded when a check first needs it. */

import type {
  CheckCall,
  CheckCallResult,
  CheckLoad,
  CheckLoadResult,
  CheckOpen,
  CheckOpenResult,
  CheckProtocols,
} from '../../lib/checks/protocols.ts'
import type {FoundBus} from '../../lib/cli/target/urls.ts'
import {BusError} from '../../lib/core/errors.ts'
import {type Message, serviceFailure} from '../../lib/core/message.ts'
import type {Broker} from '../../lib/protocols/broker/broker.ts'
import type {Transport} from '../../lib/transport/contract.ts'

/** `found` says how a bus was reached, because a broker makes its own connection. */
export class LazyProtocols implements CheckProtocols, AsyncDisposable {
  readonly #found: (bus: Transport) => FoundBus
  readonly #brokers = new Map<string, Promise<Broker>>()

  constructor(found: (bus: Transport) => FoundBus) {
    this.#found = found
  }

  async call(
    bus: Transport,
    {payload, caller: callerId = 'bus check', traceId, ...wanted}: CheckCall,
  ): Promise<CheckCallResult> {
    const {call, RpcError} = await import('../../lib/protocols/loom-rpc/call.ts')
    const {timeoutMs, signal} = wanted
    const method = wanted.method ?? wanted.subject?.split('.').at(-1) ?? ''
    const request = {method, callerId, payload: JSON.stringify(payload), traceId: traceId ?? crypto.randomUUID()}
    try {
      const subject = wanted.subject ?? (await methodSubject(bus, wanted))
      const answered = await call(bus, {subject, ...request, timeoutMs, signal})
      return {payload: answered.payload && JSON.parse(answered.payload), reply: answered.reply}
    } catch (failure) {
      return failure instanceof RpcError ? {failure, reply: failure.reply} : {failure}
    }
  }

  async open(bus: Transport, options: CheckOpen): Promise<CheckOpenResult> {
    const [{StreamClient}, {follow}, {closeName}] = await Promise.all([
      import('../../lib/protocols/response-streams/client.ts'),
      import('../../lib/protocols/response-streams/follow.ts'),
      import('../../lib/protocols/response-streams/close-reasons.ts'),
    ])
    await using client = new StreamClient(bus)
    const frames: Message[] = []
    const {closes, failures, endedBy} = await follow(client, {
      ...{subject: options.subject, body: options.body, dialect: options.dialect, open: 1},
      ...{count: options.frames, forMs: options.timeoutMs, idleMs: options.idleMs, signal: options.signal},
      show: (batch) => frames.push(...batch) && batch.length,
    })
    const [close] = closes
    const failure = failures[0] ?? unfinished(options, frames.length, endedBy)
    return {frames, failure, close: close && {...close, name: closeName(close.code)}}
  }

  async measure(bus: Transport, {message, ...load}: CheckLoad): Promise<CheckLoadResult> {
    const [{failureOfLoad, runRequests}, {makeLatencies}] = await Promise.all([
      import('../../lib/messaging/load.ts'),
      import('../../lib/cli/render/histogram.ts'),
    ])
    const latencies = await makeLatencies()
    const judge = (reply: Message): undefined => {
      const failure = serviceFailure(reply, message.subject)
      if (failure !== undefined) throw failure
    }
    const result = await runRequests(bus, {...load, next: () => message, onLatency: latencies.record, judge})
    const {requests, ok, errors} = result
    return {requests, ok, errors, failure: failureOfLoad(result, load.count), ...latencies.summary()}
  }

  readonly publish: CheckProtocols['publish'] = async (bus, {stream, jetstream, ...params}) => {
    const {PublishStep} = await import('../../lib/protocols/broker/steps.ts')
    return await new PublishStep(await this.#broker(bus, stream, jetstream)).execute(params)
  }

  readonly subscribe: CheckProtocols['subscribe'] = async (bus, {stream, jetstream, ...params}) => {
    const {SubscribeStep} = await import('../../lib/protocols/broker/steps.ts')
    return await new SubscribeStep(await this.#broker(bus, stream, jetstream)).execute(params)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A broker that could not start failed its checks; one that does not stop loses nothing of theirs.
    await Promise.allSettled([...this.#brokers.values()].map(async (broker) => (await broker).stop()))
  }

  #broker(bus: Transport, stream: string, jetstream: boolean): Promise<Broker> {
    const {url, server} = this.#found(bus)
    const key = JSON.stringify([url, server, stream, jetstream])
    const started = this.#brokers.get(key) ?? startBroker({url, stream, jetstream}, server)
    this.#brokers.set(key, started)
    // If it could not start, the next check tries again.
    started.catch(() => this.#brokers.delete(key))
    return started
  }
}

async function startBroker(
  config: {readonly url: string; readonly stream: string; readonly jetstream: boolean},
  {login, tls}: FoundBus['server'],
): Promise<Broker> {
  const {Broker} = await import('../../lib/protocols/broker/broker.ts')
  const broker = new Broker(config, {login, tls, name: 'bus check'})
  await broker.start()
  return broker
}

/** The subject of a method, of the given instance or of any that can be found. */
async function methodSubject(bus: Transport, wanted: Omit<CheckCall, 'payload'>): Promise<string> {
  const [{defaultPrefix, subject}, {discover, instancesOf}] = await Promise.all([
    import('../../lib/protocols/loom-rpc/names.ts'),
    import('../../lib/protocols/loom-rpc/discover.ts'),
  ])
  const {service = '', method = '', prefix = defaultPrefix, signal} = wanted
  const find = async () => instancesOf(await discover(bus, {prefix, signal}), {service, method})[0]
  const instance = wanted.instance ?? (await find())
  if (instance !== undefined) return subject({service, instance, method}, prefix)
  throw new BusError('noResponders', `found no instance of "${service}" with method "${method}" on ${bus.url}`, {
    try: ['bus rpc ls', 'instance: ID, for an instance that does not announce itself'],
  })
}

/** The failure of a response stream that was not closed, or had too few frames. */
function unfinished(options: CheckOpen, frames: number, endedBy: string): BusError | undefined {
  const {subject, frames: wanted, timeoutMs, idleMs = 0} = options
  if (wanted !== undefined && frames >= wanted) return undefined
  const many = wanted === undefined ? `${frames} frames` : `${frames} of ${wanted} frames`
  if (endedBy === 'stop') return new BusError('interrupted', 'interrupted before the check was done')
  if (endedBy === 'close')
    return wanted === undefined
      ? undefined
      : new BusError('timeout', `the response stream of "${subject}" ended after ${many}`)
  const bound = endedBy === 'idle' ? `nothing arrived for ${idleMs} ms` : `${Math.round(timeoutMs)} ms have passed`
  return new BusError('timeout', `the response stream of "${subject}" is still open after ${many}, and ${bound}`)
}
