/** The findings about a connection: host names, TLS, login, clock, JetStream. */
import {lookup} from 'node:dns/promises'
import {connect, isIP} from 'node:net'
import {spread} from '../../lib/cli/render/summary.ts'
import {formatDuration} from '../../lib/cli/render/units.ts'
import {usedBytes, usedCount} from '../../lib/cli/render/usage.ts'
import {withoutSecrets} from '../../lib/core/secrets.ts'
import {enumeration} from '../../lib/core/text/enumeration.ts'
import {localTime} from '../../lib/core/time/timestamp.ts'
import type {Facts, JetStreamFacts, Usage} from '../../lib/transport/contract.ts'
import type {Examination, LoginFacts, TlsFacts} from '../../lib/transport/examination.ts'
import {isServer} from '../../lib/transport/schemes.ts'
import {serverScheme, serversIn} from '../../lib/transport/server-urls.ts'
import {type Finding, failure, good, type ReportFinding, warning} from './finding.ts'

const dayMs = 86_400_000
const soonDays = 21
const clockToleranceMs = 1000
/** The share of a limit from which it is reported as near. */
const nearLimit = 0.9
const slowMs = 250

/** Resolves the hosts of a list of server URLs. */
export async function resolveHosts(url: string, report: ReportFinding): Promise<void> {
  for (const host of hostsOf(url).filter((name) => isIP(name.replace(/^\[|\]$/g, '')) === 0)) {
    const began = performance.now()
    try {
      const found = await lookup(host, {all: true})
      const took = formatDuration(performance.now() - began)
      report(good('resolve', `${host} resolves to ${found.map(({address}) => address).join(', ')}, in ${took}`))
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? (error as Error).message
      report(
        failure('resolve', `cannot resolve ${host}: ${code}`, 'check the name and the DNS resolver of this machine'),
      )
    }
  }
}

/** How long a server may take to accept a connection, in milliseconds. */
const acceptMs = 2000

/** Reports each server of a list that accepts no connection: commands skip it, and are slower, or fail once the others fail. */
export async function examineServers(url: string, report: ReportFinding): Promise<void> {
  const servers = serversIn(url)
  if (servers.length < 2) return
  const problems = await Promise.all(servers.map(({scheme = 'nats', rest}) => refusal(scheme, rest)))
  for (const [at, problem] of problems.entries()) {
    const {scheme = 'nats', rest = ''} = servers[at] ?? {}
    const name = withoutSecrets(`${scheme}://${rest}`)
    if (problem !== undefined)
      report(warning('server', `cannot connect to ${name}: ${problem}`, 'start it, or remove it from the list'))
  }
}

/** Why a server accepts no connection. */
async function refusal(scheme: string, rest: string): Promise<string | undefined> {
  const {hostname, port} = new URL(`nats://${rest}`)
  const socket = connect({host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || serverScheme(scheme).port)})
  try {
    return await new Promise((resolve) => {
      socket.once('connect', () => resolve(undefined))
      socket.once('error', ({code, message}: NodeJS.ErrnoException) =>
        resolve(code === 'ECONNREFUSED' ? 'nothing listens there' : (code ?? message)),
      )
      socket.setTimeout(acceptMs, () => resolve(`no answer within ${formatDuration(acceptMs)}`))
    })
  } finally {
    socket.destroy()
  }
}

export function connectionFindings(url: string, facts: Facts, examination: Examination): Finding[] {
  const {tls, login, lacks = [], clockAheadMs} = examination
  return [
    roundTripFinding(facts.roundTripsMs),
    ...lacks.map((what) => warning('server', `${facts.version} lacks ${what}`, 'a newer nats-server')),
    ...(isServer(url) ? [tls === undefined ? plainFinding(url) : tlsFinding(tls)] : []),
    ...(login === undefined ? [] : [loginFinding(login)]),
    ...(clockAheadMs === undefined ? [] : [clockFinding(clockAheadMs)]),
    ...(facts.apiPrefix === undefined ? [] : [good('JetStream API', facts.apiPrefix)]),
    ...jetStreamFindings(facts.jetstream),
  ]
}

function hostsOf(url: string): string[] {
  return [...new Set(serversIn(url).flatMap(({rest}) => URL.parse(`nats://${rest}`)?.hostname || []))]
}

function roundTripFinding(roundTripsMs: readonly number[]): Finding {
  const {min, median, max} = spread(roundTripsMs)
  const text = `${formatDuration(median)} (median), ${formatDuration(min)} to ${formatDuration(max)}`
  return median > slowMs
    ? warning('round trip', text, 'check the network path and the load of the server')
    : good('round trip', text)
}

function plainFinding(url: string): Finding {
  const {isWebSocket, isEncrypted} = serverScheme(serversIn(url)[0]?.scheme ?? 'nats')
  if (isWebSocket && isEncrypted)
    return good('TLS', 'encrypted; the platform does not show the certificate of a WebSocket')
  const isLocal = hostsOf(url).every((host) => /^(localhost$|127\.|\[::1\])/.test(host))
  return isLocal
    ? good('TLS', 'none, but the connection stays on this machine')
    : warning('TLS', 'none: the traffic can be read on the network', 'tls://, if the server supports it')
}

function tlsFinding({protocol, cipher, subject, issuer, validTo, distrust}: TlsFacts): Finding {
  const days = Math.floor((validTo - Date.now()) / dayMs)
  const end = localTime(validTo).replace('.000', '')
  const text = `${protocol}, ${cipher}; ${subject}, by ${issuer}, until ${end} (${days} days)`
  if (days < 0) return failure('TLS', `the certificate has expired: ${text}`, 'renew it on the server')
  if (distrust !== undefined)
    return warning(
      'TLS',
      `${text}; accepted only because of --insecure: ${distrust}`,
      '--tls-ca with the CA that signed it',
    )
  return days < soonDays ? warning('TLS', text, 'renew it on the server') : good('TLS', text)
}

function loginFinding({user, account, expiresInMs}: LoginFacts): Finding {
  const who = [user && `user ${user}`, account && `account ${account}`].filter(Boolean).join(', ') || 'anonymous'
  if (expiresInMs === undefined) return good('login', who)
  const text = `${who}, expires in ${formatDuration(expiresInMs)}`
  return expiresInMs < 7 * dayMs ? warning('login', text, 'new credentials') : good('login', text)
}

function clockFinding(aheadMs: number): Finding {
  const size = formatDuration(Math.abs(aheadMs))
  if (Math.abs(aheadMs) <= clockToleranceMs) return good('clock', `differs from the local clock by ${size}`)
  const text = `${size} ${aheadMs > 0 ? 'ahead of' : 'behind'} the local clock: positions by time are off by that much`
  return warning('clock', text, 'check that both machines synchronise their clocks (NTP)')
}

function jetStreamFindings(jetstream: Facts['jetstream']): Finding[] {
  if (jetstream === undefined) return []
  if ('missing' in jetstream) return [good('JetStream', jetstream.missing)]
  const near = parts.filter((part) => isNear(jetstream, part))
  const text = parts.map((part) => usageText(jetstream[part], part)).join(', ')
  if (near.length === 0) return [good('JetStream', text)]
  return [warning('JetStream', `${text}: near the limit of ${enumeration(near)}`, 'purge streams or raise the limit')]
}

const parts = ['streams', 'consumers', 'storage', 'memory'] as const
type Part = (typeof parts)[number]

function isNear(jetstream: JetStreamFacts, part: Part): boolean {
  const {used, limit} = jetstream[part]
  return limit !== undefined && limit > 0 && used >= limit * nearLimit
}

function usageText(usage: Usage, part: Part): string {
  if (part === 'streams' || part === 'consumers') return usedCount(usage, part.slice(0, -1))
  return `${usedBytes(usage)} ${part}`
}
