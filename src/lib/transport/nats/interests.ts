/**
 * The subscriptions of this login's account, from the connections that each server of the cluster lists (`$SYS.REQ.ACCOUNT.PING.CONNZ`,
 * docs.nats.io, "System Events"). Leaf nodes are listed as connections; subscribers in other accounts are not.
 */
import {BusError, isFailure} from '../../core/errors.ts'
import {checkPattern, overlaps} from '../../core/subject.ts'
import {isObject, objectIn} from '../../core/text/json-text.ts'
import {milliseconds} from '../../core/time/go-duration.ts'
import type {Interest, Interests, Transport} from '../contract.ts'
import type {InterestOptions} from '../server-requests.ts'

const question = '$SYS.REQ.ACCOUNT.PING.CONNZ'
const usualTimeoutMs = 2000
const usualIdleMs = 300

type AskingBus = Pick<Transport, 'url' | 'requestMany'>

interface Asking {
  readonly bus: AskingBus
  readonly self: OwnConnection
  readonly options: InterestOptions
}

/** What the server to which we are connected says about itself and about us. */
export interface OwnConnection {
  readonly server_id: string
  readonly client_id: number
  readonly cluster?: string | undefined
  /** A pattern to which we are subscribed. */
  readonly inbox: string
}

/** The answer of one server: a page of its connections. */
interface Page {
  readonly serverId: string
  readonly server: string | undefined
  readonly connections: readonly Connection[]
}

interface Connection {
  readonly cid?: number
  readonly kind?: string
  readonly ip?: string
  readonly port?: number
  readonly name?: string
  readonly lang?: string
  readonly version?: string
  readonly rtt?: string
  readonly pending_bytes?: number
  readonly subscriptions_list_detail?: readonly {readonly subject?: string; readonly qgroup?: string}[]
}

/** Asks all servers; each page has at most `pageSize` connections per server. */
export async function natsInterests(
  bus: AskingBus,
  self: OwnConnection,
  pattern = '>',
  {pageSize = 1024, ...options}: InterestOptions & {readonly pageSize?: number} = {},
): Promise<Interests> {
  checkPattern(pattern)
  const known: Interest[] = []
  const asking = {bus, self, options}
  try {
    let subject = question
    for (let offset = 0, asked: ReadonlySet<string> | undefined; asked?.size !== 0; offset += pageSize) {
      const data = JSON.stringify({subscriptions_detail: true, offset, limit: pageSize, filter_subject: pattern})
      let pages = await pagesOf(asking, {subject, data}, asked)
      if (pages.every(({connections}) => connections.length === 0) && !(await showsUs(asking, subject))) {
        subject = await systemQuestion(bus)
        pages = await pagesOf(asking, {subject, data}, asked)
      }
      known.push(...pages.flatMap((page) => interestsIn(page, pattern, self)))
      asked = new Set(pages.filter(({connections}) => connections.length >= pageSize).map(({serverId}) => serverId))
    }
    return {known, unseen: 'subscribers in other accounts'}
  } catch (error) {
    if (!isFailure(error, 'denied', 'timeout', 'remote')) throw error
    return {unknown: error}
  }
}

/** Whether our connection is among those that our server lists. Otherwise they are not those of our account. */
async function showsUs(asking: Asking, subject: string): Promise<boolean> {
  const {server_id: own, inbox} = asking.self
  const pages = await pagesOf(asking, {subject, data: JSON.stringify({filter_subject: inbox})}, new Set([own]))
  return pages.some(({serverId, connections}) => serverId === own && connections.length > 0)
}

/**
 * The pages of all servers, or of those in `asked`. Nobody knows how many there are: the first page ends when no further one has
 * come for a while, or with the only server that is not part of a cluster.
 */
async function pagesOf(
  {bus, self, options}: Asking,
  message: {readonly subject: string; readonly data: string},
  asked: ReadonlySet<string> | undefined,
): Promise<Page[]> {
  const {timeoutMs = usualTimeoutMs, idleMs = usualIdleMs, signal} = options
  const pages = new Map<string, Page>()
  const missing = new Set(asked ?? [self.server_id])
  const isAll = () => missing.size === 0 && (asked !== undefined || self.cluster === undefined)
  try {
    for await (const {text} of bus.requestMany(message, {timeoutMs, idleMs, signal})) {
      const page = pageIn(text)
      if (page === undefined) continue
      pages.set(page.serverId, page)
      missing.delete(page.serverId)
      if (isAll()) break
    }
  } catch (error) {
    if (!isFailure(error, 'noResponders')) throw error
    throw new BusError('remote', `${bus.url} has no system account, and does not tell who subscribes`)
  }
  if (missing.size === 0) return [...pages.values()]
  throw new BusError('timeout', `a server did not tell within ${timeoutMs} ms who subscribes on ${bus.url}`)
}

/** For a login of the system account, whose servers answer the usual request with no connections at all. */
async function systemQuestion(bus: AskingBus): Promise<string> {
  const info = bus.requestMany({subject: '$SYS.REQ.USER.INFO'}, {timeoutMs: usualTimeoutMs, count: 1})
  try {
    for await (const {text} of info) {
      const data = objectIn(text)?.['data']
      const account = isObject(data) ? data['account'] : undefined
      if (typeof account === 'string') return `$SYS.REQ.ACCOUNT.${account}.CONNZ`
    }
  } catch (error) {
    // Servers before 2.10 do not tell the account of a login.
    if (!isFailure(error, 'noResponders')) throw error
  }
  throw new BusError('remote', `${bus.url} does not tell who subscribes in the account of this login`)
}

function pageIn(text: string): Page | undefined {
  const {server, data} = (objectIn(text) ?? {}) as {
    readonly server?: {readonly id?: string; readonly name?: string}
    readonly data?: {readonly connections?: readonly Connection[] | null}
  }
  if (server?.id === undefined || data === undefined) return undefined
  return {serverId: server.id, server: server.name, connections: data.connections ?? []}
}

function interestsIn({serverId, server, connections}: Page, wanted: string, self: OwnConnection): Interest[] {
  return connections.flatMap((connection) => {
    const {cid, kind, ip, port, name, lang, version, rtt, pending_bytes: pendingBytes} = connection
    const client = {
      isOwn: serverId === self.server_id && cid === self.client_id,
      name,
      connection: cid,
      server: server === serverId ? undefined : server,
      isLeafNode: kind === 'Leafnode' || undefined,
      language: lang,
      version,
      address: ip === undefined ? undefined : `${ip.includes(':') ? `[${ip}]` : ip}:${port}`,
      pendingBytes,
      roundTripMs: rtt === undefined ? undefined : milliseconds(rtt),
    }
    return (connection.subscriptions_list_detail ?? [])
      .filter(({subject}) => subject !== undefined && overlaps(subject, wanted))
      .map(({subject: pattern = '', qgroup: queue}) => ({pattern, queue, client}))
  })
}
