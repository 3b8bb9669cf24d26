/**
 * Finds the instances that serve RPC methods: from the interests that the bus knows, and from NATS services, which list the
 * subjects of their endpoints in reply to $SRV.INFO.
 */
import type {Message} from '../../core/message.ts'
import {matches} from '../../core/subject.ts'
import {discoverServices, endpointSubjects} from '../../messaging/service-discovery.ts'
import type {Transport} from '../../transport/contract.ts'
import {type Method, parseSubject} from './names.ts'

/** A served method, and how it was found. */
export interface Found extends Method {
  readonly subject: string
  /** How it was found: a live subscription, a NATS service, or traffic. */
  readonly by: 'interest' | 'service' | 'traffic'
}

/** Where to look, and for how long. */
export interface DiscoverOptions {
  readonly prefix: string
  /** How long to wait for each further service; default 300. */
  readonly idleMs?: number | undefined
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** The methods that are being served, sorted by service, method and instance. */
export async function discover(bus: Transport, options: DiscoverOptions): Promise<Found[]> {
  const {prefix} = options
  const found = new Map<string, Found>()
  const add = (subject: string, by: Found['by']) => {
    const method = parseSubject(subject, prefix)
    if (method !== undefined && method.instance !== '>' && !found.has(subject))
      found.set(subject, {...method, subject, by})
  }
  const {idleMs, timeoutMs = 2000, signal} = options
  const wait = {idleMs, timeoutMs, signal}
  const [interests, services] = await Promise.all([bus.interests?.(`${prefix}.>`, wait), discoverServices(bus, wait)])
  if (interests !== undefined && 'known' in interests) for (const {pattern} of interests.known) add(pattern, 'interest')
  for (const subject of services.flatMap(endpointSubjects)) add(subject, 'service')
  return [...found.values()].sort(
    (a, b) => order(a.service, b.service) || order(a.method, b.method) || order(a.instance, b.instance),
  )
}

/** The instances that serve a method and can be addressed individually. */
export function instancesOf(found: readonly Found[], {service, method}: Omit<Method, 'instance'>): string[] {
  const serving = found.filter((one) => one.service === service && matches(one.method, method))
  return [...new Set(serving.map(({instance}) => instance))].filter((instance) => instance !== '*')
}

/** The method of an observed call; undefined for any other message. */
export function seenIn(message: Message, prefix: string): Found | undefined {
  const method = parseSubject(message.subject, prefix)
  return method && {...method, subject: message.subject, by: 'traffic'}
}

function order(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}
