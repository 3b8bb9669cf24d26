/** Who answers and what is kept on a bus: what a first check file can be made of. Disturbs nobody. */
import {BusError} from '../core/errors.ts'
import type {Message} from '../core/message.ts'
import {hasWildcard} from '../core/subject.ts'
import type {Transport} from '../transport/contract.ts'

export interface Findings {
  /** Subjects that services announce, each once. */
  readonly served: readonly string[]
  readonly streams: readonly FoundStream[]
  /** Requests that were sent, and what came back. */
  readonly asked: readonly Asked[]
}

export interface FoundStream {
  readonly name: string
  readonly subjects: readonly string[]
  readonly consumers: readonly {readonly name: string; readonly lag: number}[]
}

export interface Asked {
  readonly subject: string
  readonly reply: Message
}

interface Bounds {
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** Services have this long to announce themselves, from one to the next. */
const idleMs = 300
const mostServed = 20
const mostStreams = 10
const mostConsumers = 5

/** `subjects` are sent an empty request each; fails as that does, naming it. */
export async function look(bus: Transport, subjects: readonly string[], bounds: Bounds): Promise<Findings> {
  const asked: Asked[] = []
  for (const subject of subjects) asked.push({subject, reply: await bus.request({subject}, bounds)})
  const served = (await servedOn(bus, bounds)).filter((subject) => !subjects.includes(subject))
  return {asked, served: served.slice(0, mostServed), streams: await streams(bus)}
}

async function servedOn(bus: Transport, {timeoutMs, signal}: Bounds): Promise<string[]> {
  const found = new Set<string>()
  try {
    for await (const {text} of bus.requestMany({subject: '$SRV.INFO'}, {timeoutMs, signal, idleMs})) {
      for (const subject of endpoints(text)) if (!hasWildcard(subject)) found.add(subject)
    }
  } catch (error) {
    if (!isNone(error)) throw error
  }
  return [...found].sort()
}

/** Without those that a server keeps for itself, as for key-value buckets. */
async function streams(bus: Transport): Promise<FoundStream[]> {
  if (!bus.features.streams) return []
  try {
    const found = (await bus.streams.list()).filter(({config}) => !/^(KV|OBJ|MQTT)_|^\$/.test(config.name))
    return await Promise.all(
      found.slice(0, mostStreams).map(async ({config: {name, subjects}}) => {
        const consumers = (await bus.streams.consumers.list(name)).filter(({config}) => config.durable)
        const lags = consumers.map(({config, pending, ackPending}) => ({name: config.name, lag: pending + ackPending}))
        return {name, subjects, consumers: lags.slice(0, mostConsumers)}
      }),
    )
  } catch (error) {
    if (isNone(error)) return []
    throw error
  }
}

function endpoints(info: string): string[] {
  try {
    const {endpoints} = JSON.parse(info) as {endpoints?: {subject?: unknown}[]}
    return (endpoints ?? []).flatMap(({subject}) => (typeof subject === 'string' ? [subject] : []))
  } catch {
    return []
  }
}

/** A server without JetStream, one that may not be asked, a bus without services: nothing to check there. */
function isNone(error: unknown): boolean {
  return error instanceof BusError && ['noResponders', 'notFound', 'denied', 'timeout'].includes(error.kind)
}
