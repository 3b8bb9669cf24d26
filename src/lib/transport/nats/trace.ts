/** Traces a message by the headers of ADR-41: each server of 2.11 or later sends one event, which says to whom it passed the message. */
import {BusError, interruptedError} from '../../core/errors.ts'
import type {Outgoing} from '../../core/message.ts'
import {objectIn} from '../../core/text/json-text.ts'
import {Timer} from '../../core/time/timer.ts'
import type {Transport} from '../contract.ts'
import type {ServerStep, TracedServer, TraceOptions, TraceStep} from '../trace.ts'

const usualTimeoutMs = 2000

/** A step as a server writes it. */
interface StepJson {
  readonly type: string
  readonly kind?: number
  readonly cid?: number
  readonly name?: string
  readonly hop?: string
  readonly acc?: string
  readonly sub?: string
  readonly queue?: string
  readonly to?: string
  readonly stream?: string
  readonly subject?: string
  readonly nointerest?: boolean
  readonly error?: string
}

interface EventJson {
  readonly server?: {readonly name?: string; readonly id?: string; readonly cluster?: string}
  readonly request?: {readonly header?: Readonly<Record<string, readonly string[]>>}
  readonly events?: readonly StepJson[]
}

/** Kinds of connections, by their numbers. */
const remotes: Readonly<Record<number, ServerStep['kind']>> = {1: 'route', 2: 'gateway', 4: 'leaf node'}

/** Fails with `timeout` if the server sends no event, and as `publish` and `subscribe` do. */
export async function traceMessage(
  bus: Pick<Transport, 'url' | 'publish' | 'flush' | 'subscribe'>,
  inbox: string,
  message: Outgoing,
  {deliver = false, timeoutMs = usualTimeoutMs, signal}: TraceOptions = {},
): Promise<TracedServer> {
  const events = await bus.subscribe(inbox, {signal})
  using _late = new Timer(timeoutMs, () => void events.drain())
  const wanted = [['Nats-Trace-Dest', inbox] as const, ...(deliver ? [] : [['Nats-Trace-Only', 'true'] as const])]
  bus.publish({...message, headers: [...(message.headers ?? []), ...wanted]})
  await bus.flush()
  const byHop = new Map<string, EventJson>()
  for await (const {text} of events) {
    const event = objectIn(text) as EventJson | undefined
    if (event?.events === undefined) continue
    byHop.set(hopOf(event), event)
    if (isWhole(byHop)) break
  }
  if (signal?.aborted) throw interruptedError()
  const origin = byHop.get('')
  if (origin === undefined) throw new BusError('timeout', `${bus.url} did not trace the message within ${timeoutMs} ms`)
  return serverOf(origin, byHop)
}

/** The place of a server on the way: empty for the first one, `2.1` for the first to which the second of its remotes passed it. */
function hopOf({request}: EventJson): string {
  return request?.header?.['Nats-Trace-Hop']?.[0] ?? ''
}

/** Whether every server to which the message was passed has told what it did. */
function isWhole(byHop: ReadonlyMap<string, EventJson>): boolean {
  const next = [...byHop.values()].flatMap(({events = []}) =>
    events.flatMap(({hop, error}) => (error ? [] : (hop ?? []))),
  )
  return byHop.has('') && next.every((hop) => byHop.has(hop))
}

function serverOf({server, events = []}: EventJson, byHop: ReadonlyMap<string, EventJson>): TracedServer {
  const [ingress, ...others] = events
  return {
    server: server?.name === server?.id ? undefined : server?.name,
    cluster: server?.cluster,
    account: ingress?.acc,
    error: ingress?.error,
    steps: others.flatMap((step) => stepOf(step, byHop) ?? []),
  }
}

function stepOf(step: StepJson, byHop: ReadonlyMap<string, EventJson>): TraceStep | undefined {
  const {type, kind, cid: connection, name, acc: account, sub: pattern, queue, to = '', error} = step
  if (type === 'sm') return {kind: 'mapping', to}
  if (type === 'si') return {kind: 'import', account, to}
  if (type === 'se') return {kind: 'export', account, to}
  if (type === 'js') {
    const refusal = step.nointerest ? 'no consumer is interested' : error
    return {kind: 'stream', stream: step.stream ?? '', subject: step.subject, error: refusal}
  }
  if (type !== 'eg') return undefined
  const remote = remotes[kind ?? 0]
  if (remote === undefined) return {kind: 'subscriber', name, connection, account, pattern, queue, error}
  const event = byHop.get(step.hop ?? '-')
  return {kind: remote, name, error, ...(event === undefined ? {steps: [], isSilent: !error} : serverOf(event, byHop))}
}
