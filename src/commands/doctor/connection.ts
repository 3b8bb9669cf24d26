/** What `bus doctor` says of a connection: names, TLS, the login, clocks, JetStream. */
import {lookup} from 'node:dns/promises'
import {isIP} from 'node:net'
import {formatBytes, formatCount, formatDuration} from '../../lib/cli/render/units.ts'
import type {Facts, JetStreamFacts} from '../../lib/transport/contract.ts'
import type {Examination, LoginFacts, TlsFacts} from '../../lib/transport/examination.ts'
import {type Finding, failure, ok, type Tell, warning} from './finding.ts'

const dayMs = 86_400_000
const soonDays = 21
const clockToleranceMs = 1000
/** A share of a limit from which it is near. */
const nearLimit = 0.9
const slowMs = 250

/** Looks up the hosts of a list of server URLs. */
export async function resolveHosts(url: string, tell: Tell): Promise<void> {
  for (const host of hostsOf(url)) {
    const began = performance.now()
    try {
      const found = await lookup(host, {all: true})
      const took = formatDuration(performance.now() - began)
      tell(ok('resolve', `${host} is ${found.map(({address}) => address).join(', ')}, found in ${took}`))
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? (error as Error).message
      tell(failure('resolve', `${host} has no address: ${code}`, 'see the name, and the resolver of this machine'))
    }
  }
}

/** How it is connected, and what it tells of itself. */
export function connectionFindings(url: string, facts: Facts, examination: Examination): Finding[] {
  const {tls, login, lacks = [], clockAheadMs} = examination
  return [
    roundTripFinding(facts.roundTripsMs),
    ...lacks.map((what) => warning('server', `${facts.version} lacks ${what}`, 'a newer nats-server')),
    ...(url.includes('://') ? [tls === undefined ? plainFinding(url) : tlsFinding(tls)] : []),
    ...(login === undefined ? [] : [loginFinding(login)]),
    ...(clockAheadMs === undefined ? [] : [clockFinding(clockAheadMs)]),
    ...jetStreamFindings(facts.jetstream),
  ]
}

function hostsOf(url: string): string[] {
  const hosts = url.split(',').map((server) => new URL(server.includes('://') ? server : `nats://${server}`).hostname)
  return [...new Set(hosts)].filter((host) => isIP(host.replace(/^\[|\]$/g, '')) === 0)
}

function roundTripFinding(roundTripsMs: readonly number[]): Finding {
  const {min, median, max} = spread(roundTripsMs)
  const text = `${formatDuration(median)} (median), ${formatDuration(min)} to ${formatDuration(max)}`
  return median > slowMs
    ? warning('round trip', text, 'look at the way there, and at how busy it is')
    : ok('round trip', text)
}

/** Least, middle and most. */
export function spread(values: readonly number[]): {min: number; median: number; max: number} {
  const sorted = [...values].sort((a, b) => a - b).map((ms) => Math.round(ms * 1000) / 1000)
  return {min: sorted[0] ?? 0, median: sorted[Math.floor(sorted.length / 2)] ?? 0, max: sorted.at(-1) ?? 0}
}

function plainFinding(url: string): Finding {
  if (url.startsWith('wss:')) return ok('TLS', 'encrypted; the platform does not show the certificate of a WebSocket')
  const isNear = /:\/\/(localhost|127\.|\[::1\])/.test(url)
  return isNear
    ? ok('TLS', 'none, and it stays on this machine')
    : warning('TLS', 'none: what is sent can be read on the way', 'tls://, where the server has it')
}

function tlsFinding({protocol, cipher, subject, issuer, validTo, distrust}: TlsFacts): Finding {
  const days = Math.floor((validTo - Date.now()) / dayMs)
  const end = new Date(validTo).toISOString().slice(0, 10)
  const text = `${protocol}, ${cipher}; ${subject}, by ${issuer}, until ${end} (${days} days)`
  if (days < 0) return failure('TLS', `the certificate is over: ${text}`, 'renew it on the server')
  if (distrust !== undefined)
    return warning('TLS', `${text}; taken only by --insecure: ${distrust}`, '--tls-ca with who signed it')
  return days < soonDays ? warning('TLS', text, 'renew it on the server') : ok('TLS', text)
}

function loginFinding({user, account, expiresInMs}: LoginFacts): Finding {
  const who = [user && `user ${user}`, account && `account ${account}`].filter(Boolean).join(', ') || 'nobody by name'
  if (expiresInMs === undefined) return ok('login', who)
  const text = `${who}, for ${formatDuration(expiresInMs)} more`
  return expiresInMs < 7 * dayMs ? warning('login', text, 'new credentials') : ok('login', text)
}

function clockFinding(aheadMs: number): Finding {
  const size = formatDuration(Math.abs(aheadMs))
  if (Math.abs(aheadMs) <= clockToleranceMs) return ok('clock', `differs from ours by ${size}`)
  const text = `${size} ${aheadMs > 0 ? 'ahead of' : 'behind'} ours: positions by time are off by as much`
  return warning('clock', text, 'see that both machines keep their time (NTP)')
}

function jetStreamFindings(jetstream: Facts['jetstream']): Finding[] {
  if (jetstream === undefined) return []
  if ('missing' in jetstream) return [ok('JetStream', `none: ${jetstream.missing}`)]
  const near = parts.filter((part) => isNear(jetstream, part))
  const text = parts.map((part) => usageText(jetstream, part)).join(', ')
  if (near.length === 0) return [ok('JetStream', text)]
  return [warning('JetStream', `${text}: near the limit of ${near.join(' and ')}`, 'purge, or raise the limit')]
}

const parts = ['streams', 'consumers', 'storage', 'memory'] as const
type Part = (typeof parts)[number]

function isNear(jetstream: JetStreamFacts, part: Part): boolean {
  const {used, limit} = jetstream[part]
  return limit !== undefined && limit > 0 && used >= limit * nearLimit
}

function usageText(jetstream: JetStreamFacts, part: Part): string {
  const {used, limit} = jetstream[part]
  const format = part === 'storage' || part === 'memory' ? formatBytes : formatCount
  return `${format(used)}${limit === undefined ? '' : ` of ${format(limit)}`} ${part}`
}
