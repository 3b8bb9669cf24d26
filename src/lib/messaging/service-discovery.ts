/** Discovers the NATS services on a bus: they announce themselves in reply to `$SRV.INFO` (ADR-32). */
import {isFailure} from '../core/errors.ts'
import type {Transport} from '../transport/contract.ts'

/** The self-description of a service, which is not verified. */
export interface AnnouncedService {
  readonly name: unknown
  readonly id: unknown
  readonly version: unknown
  /** The subjects of its endpoints, which may have wildcards. */
  readonly subjects: readonly string[]
}

export interface DiscoveryOptions {
  /** How long to wait for the first service. */
  readonly timeoutMs: number
  /** How long to wait for each further service; default 300. */
  readonly idleMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** Asks all services to announce themselves. Fails as `requestMany` and `flush` do, except if there are none. */
export async function discoverServices(
  bus: Transport,
  {timeoutMs, idleMs = 300, signal}: DiscoveryOptions,
): Promise<AnnouncedService[]> {
  const found: AnnouncedService[] = []
  try {
    for await (const {text} of bus.requestMany({subject: '$SRV.INFO'}, {timeoutMs, idleMs, signal})) {
      const service = parseInfo(text)
      if (service !== undefined) found.push(service)
    }
    // A server that does not answer is not a bus without services.
    if (found.length === 0) await bus.flush()
  } catch (error) {
    if (!isFailure(error, 'noResponders')) throw error
  }
  return found
}

function parseInfo(text: string): AnnouncedService | undefined {
  try {
    const {name, id, version, endpoints} = JSON.parse(text) as Record<string, unknown>
    if (!Array.isArray(endpoints)) return undefined
    const subjects = endpoints.map((endpoint: {readonly subject?: unknown} | null) => endpoint?.subject)
    return {name, id, version, subjects: subjects.filter((subject) => typeof subject === 'string')}
  } catch {
    // Not the reply of a service.
    return undefined
  }
}
