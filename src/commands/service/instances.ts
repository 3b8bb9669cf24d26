/** How the instances of services are shown. */

import {duration} from '../../lib/cli/flags/kinds.ts'
import {printable} from '../../lib/cli/render/printable.ts'
import type {Column} from '../../lib/cli/render/table.ts'
import {formatAgo, formatCount, formatDuration, rounded} from '../../lib/cli/render/units.ts'
import {BusError} from '../../lib/core/errors.ts'
import {
  askServices,
  type DiscoveryOptions,
  type ServiceEndpoint,
  type ServiceInstance,
} from '../../lib/messaging/service-discovery.ts'
import type {Transport} from '../../lib/transport/contract.ts'

/** An instance in `--json` output. Counters are absent if the instance did not tell them. */
export interface InstanceDocument extends ServiceInstance {
  /** Milliseconds until its reply arrived. */
  readonly ms: number
}

const longestQuote = 200

export const idle = duration('how long to wait for each further instance (default: 300ms)')

/** The instances that reply, sorted by name and id. `warn` gets a sentence for each reply that is not the document of a service. */
export async function askInstances(
  bus: Transport,
  verb: 'PING' | 'INFO' | 'STATS',
  options: DiscoveryOptions,
  warn: (line: string) => void = () => {},
): Promise<InstanceDocument[]> {
  const instances: InstanceDocument[] = []
  for await (const {ms, text, instance} of askServices(bus, verb, options)) {
    if (instance === undefined) warn(malformedLine(verb, text))
    else instances.push({...instance, ms: rounded(ms, 3)})
  }
  return instances.sort((a, b) => order(a.name, b.name) || order(a.id, b.id))
}

/** `a reply to $SRV.INFO is not the document of a service: "hello"` */
function malformedLine(verb: string, text: string): string {
  const quoted = text.length > longestQuote ? `${text.slice(0, longestQuote)}…` : text
  return `warning: a reply to $SRV.${verb} is not the document of a service: ${printable(JSON.stringify(quoted))}`
}

/** Nobody replied for this name. */
export function nobodyError(bus: Transport, name: string): BusError {
  return new BusError('noResponders', `no instance of the service ${name} replies on ${bus.url}`, {
    try: ['bus service ls', 'check the name of the service, and that it is running'],
    data: {service: name},
  })
}

/** Requests and errors of all endpoints, and the mean time per request in milliseconds; undefined if an endpoint does not tell. */
function totals(endpoints: readonly ServiceEndpoint[]) {
  const sum = (of: (endpoint: ServiceEndpoint) => number | undefined) =>
    endpoints.reduce((all, each) => all + (of(each) ?? Number.NaN), 0)
  const requests = sum((each) => each.requests)
  const spentMs = sum((each) => (each.requests ?? Number.NaN) * (each.averageMs ?? Number.NaN))
  return {requests: known(requests), errors: known(sum((each) => each.errors)), averageMs: known(spentMs / requests)}
}

function known(value: number): number | undefined {
  return Number.isNaN(value) ? undefined : value
}

export const instanceColumns: readonly Column[] = [
  {head: 'service'},
  {head: 'version'},
  {head: 'instance'},
  {head: 'endpoints', align: 'right'},
  {head: 'requests', align: 'right'},
  {head: 'errors', align: 'right'},
  {head: 'mean', align: 'right'},
  {head: 'started'},
]

export function instanceRow({name, version, id, endpoints, started}: InstanceDocument): string[] {
  const {requests, errors, averageMs} = totals(endpoints)
  const figures = [requests, errors].map(countText)
  return [name, version ?? '', id, formatCount(endpoints.length), ...figures, timeText(averageMs), startedText(started)]
}

export const endpointColumns: readonly Column[] = [
  {head: 'service'},
  {head: 'instance'},
  {head: 'endpoint'},
  {head: 'subject'},
  {head: 'requests', align: 'right'},
  {head: 'errors', align: 'right'},
  {head: 'mean', align: 'right'},
  {head: 'last error'},
]

/** One row per endpoint. */
export function endpointRows({name, id, endpoints}: InstanceDocument): string[][] {
  return endpoints.map((endpoint) => [
    name,
    id,
    endpoint.name ?? '',
    endpoint.subject ?? '',
    countText(endpoint.requests),
    countText(endpoint.errors),
    timeText(endpoint.requests === 0 ? undefined : endpoint.averageMs),
    endpoint.lastError ?? '',
  ])
}

/** For `service info`: a fact for each property, and for each endpoint. */
export function instanceFacts(instance: InstanceDocument): Record<string, string | undefined> {
  const {name, id, version, description, metadata, endpoints} = instance
  const facts = endpoints.map((endpoint, at) => [`endpoint ${endpoint.name ?? at + 1}`, endpointText(endpoint)])
  return {
    service: name,
    version,
    instance: id,
    description,
    metadata: metadata && JSON.stringify(metadata),
    ...Object.fromEntries(facts),
  }
}

/** `orders.get, queue group q, {"format":"json"}` */
function endpointText({subject, queue, metadata}: ServiceEndpoint): string {
  const parts = [subject ?? 'without a subject', queue && `queue group ${queue}`, metadata && JSON.stringify(metadata)]
  return parts.filter((part) => part !== undefined).join(', ')
}

function countText(count: number | undefined): string {
  return count === undefined ? '' : formatCount(count)
}

function timeText(ms: number | undefined): string {
  return ms === undefined ? '' : formatDuration(ms)
}

function startedText(started: string | undefined): string {
  const time = started === undefined ? Number.NaN : Date.parse(started)
  return Number.isNaN(time) ? '' : formatAgo(time)
}

function order(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}
