/** What the servers of a cluster report, as rows: one per server, connection or account. */
import type {Column} from '../../lib/cli/render/table.ts'
import {formatAgo, formatBytes, formatCount, formatDuration, rounded} from '../../lib/cli/render/units.ts'
import {isObject} from '../../lib/core/text/json-text.ts'
import {milliseconds} from '../../lib/core/time/go-duration.ts'
import type {InterestOptions, ServerReply, ServerRequests} from '../../lib/transport/server-requests.ts'

/** A row in `--json` output. What a server does not tell is absent. */
export type ReportRow = Readonly<Record<string, string | number | boolean | undefined>>

/** The columns of a table: the member of the row, and how it is shown. */
interface Shown {
  readonly head: string
  readonly member: string
  readonly format?: (value: never) => string
}

/** A table of rows. */
export interface Report {
  readonly rows: readonly ReportRow[]
  readonly shown: readonly Shown[]
}

const connectionsPerPage = 1024

const count = {format: (value: number) => formatCount(value)}
const bytes = {format: (value: number) => formatBytes(value)}
const time = {format: (value: number) => formatDuration(value)}
const ago = {format: (value: string) => formatAgo(Date.parse(value))}

/** One row per server, by `$SYS.REQ.SERVER.PING.STATSZ`. */
export async function serverList(servers: ServerRequests, options: InterestOptions): Promise<Report> {
  const replies = await servers.ask('$SYS.REQ.SERVER.PING.STATSZ', {}, options)
  return {
    rows: replies.map((reply) => ({
      ...serverOf(reply),
      host: reply.host,
      connections: numberAt(reply.data, 'connections'),
      subscriptions: numberAt(reply.data, 'subscriptions'),
      slowConsumers: numberAt(reply.data, 'slow_consumers'),
      memoryBytes: numberAt(reply.data, 'mem'),
      cpuPercent: numberAt(reply.data, 'cpu'),
      jetstream: isObject(reply.data['jetstream']),
      started: textAt(reply.data, 'start'),
      ms: rounded(reply.ms, 3),
    })),
    shown: [
      ...[
        {head: 'server', member: 'server'},
        {head: 'cluster', member: 'cluster'},
      ],
      ...[
        {head: 'version', member: 'version'},
        {head: 'host', member: 'host'},
      ],
      {head: 'connections', member: 'connections', ...count},
      {head: 'subscriptions', member: 'subscriptions', ...count},
      {head: 'slow', member: 'slowConsumers', ...count},
      {head: 'memory', member: 'memoryBytes', ...bytes},
      {head: 'cpu', member: 'cpuPercent', format: (value: number) => `${rounded(value, 1)} %`},
      {head: 'JetStream', member: 'jetstream', format: (value: boolean) => (value ? 'yes' : 'no')},
      {head: 'started', member: 'started', ...ago},
      {head: 'rtt', member: 'ms', ...time},
    ],
  }
}

/** One row per server: its time to reply. */
export async function pingReport(servers: ServerRequests, options: InterestOptions): Promise<Report> {
  const replies = await servers.ask('$SYS.REQ.SERVER.PING.STATSZ', {}, options)
  const rows = replies.map((reply) => ({...serverOf(reply), ms: rounded(reply.ms, 3)}))
  return {
    rows: rows.sort((one, other) => one.ms - other.ms),
    shown: [
      ...[
        {head: 'server', member: 'server'},
        {head: 'cluster', member: 'cluster'},
      ],
      ...[
        {head: 'version', member: 'version'},
        {head: 'time', member: 'ms', ...time},
      ],
    ],
  }
}

type Reporter = (servers: ServerRequests, options: InterestOptions) => Promise<Report>

/** The reports of `bus server report`, by name. */
export const reports: Readonly<Record<string, Reporter>> = {connections, accounts, jetstream, health}

/** Every connection of every account; with an ordinary login those of its own account. */
async function connections(servers: ServerRequests, options: InterestOptions): Promise<Report> {
  const rows: ReportRow[] = []
  for (let offset = 0, isFull = true; isFull; offset += connectionsPerPage) {
    const request = {auth: true, offset, limit: connectionsPerPage}
    const replies = await servers.ask('$SYS.REQ.SERVER.PING.CONNZ', request, options)
    const pages = replies.map((reply) => [reply, listAt(reply.data, 'connections')] as const)
    for (const [reply, page] of pages) rows.push(...page.map((connection) => connectionRow(reply, connection)))
    isFull = pages.some(([, page]) => page.length >= connectionsPerPage)
  }
  return {
    rows,
    shown: [
      ...[
        {head: 'name', member: 'name'},
        {head: 'account', member: 'account'},
        {head: 'user', member: 'user'},
      ],
      ...[
        {head: 'address', member: 'address'},
        {head: 'server', member: 'server'},
      ],
      {head: 'subscriptions', member: 'subscriptions', ...count},
      {head: 'in', member: 'messagesIn', ...count},
      {head: 'out', member: 'messagesOut', ...count},
      {head: 'pending', member: 'pendingBytes', ...bytes},
      {head: 'rtt', member: 'roundTripMs', ...time},
    ],
  }
}

function connectionRow({name: server, id}: ServerReply, connection: Readonly<Record<string, unknown>>): ReportRow {
  const rtt = textAt(connection, 'rtt')
  return {
    name: textAt(connection, 'name'),
    connection: numberAt(connection, 'cid'),
    kind: textAt(connection, 'kind'),
    account: textAt(connection, 'account'),
    user: textAt(connection, 'authorized_user'),
    address: `${textAt(connection, 'ip')}:${numberAt(connection, 'port')}`,
    server: server || id,
    language: textAt(connection, 'lang'),
    version: textAt(connection, 'version'),
    subscriptions: numberAt(connection, 'subscriptions'),
    messagesIn: numberAt(connection, 'in_msgs'),
    messagesOut: numberAt(connection, 'out_msgs'),
    bytesIn: numberAt(connection, 'in_bytes'),
    bytesOut: numberAt(connection, 'out_bytes'),
    pendingBytes: numberAt(connection, 'pending_bytes'),
    roundTripMs: rtt === undefined ? undefined : rounded(milliseconds(rtt), 3),
    started: textAt(connection, 'start'),
  }
}

/** One row per account: the sum of all servers. */
async function accounts(servers: ServerRequests, options: InterestOptions): Promise<Report> {
  const replies = await servers.ask('$SYS.REQ.ACCOUNT.PING.STATZ', {include_unused: true}, options)
  const sums = new Map<string, Record<string, number>>()
  for (const account of replies.flatMap(({data}) => listAt(data, 'account_statz'))) {
    const name = textAt(account, 'acc') ?? ''
    const sum = sums.get(name) ?? {}
    sums.set(name, sum)
    for (const [member, value] of Object.entries(accountFigures(account)))
      sum[member] = (sum[member] ?? 0) + (value ?? 0)
  }
  return {
    rows: [...sums].map(([account, sum]) => ({account, ...sum})),
    shown: [
      {head: 'account', member: 'account'},
      {head: 'connections', member: 'connections', ...count},
      {head: 'leaf nodes', member: 'leafNodes', ...count},
      {head: 'subscriptions', member: 'subscriptions', ...count},
      {head: 'in', member: 'messagesIn', ...count},
      {head: 'bytes in', member: 'bytesIn', ...bytes},
      {head: 'out', member: 'messagesOut', ...count},
      {head: 'bytes out', member: 'bytesOut', ...bytes},
      {head: 'slow', member: 'slowConsumers', ...count},
    ],
  }
}

function accountFigures(account: Readonly<Record<string, unknown>>) {
  return {
    connections: numberAt(account, 'conns'),
    leafNodes: numberAt(account, 'leafnodes'),
    subscriptions: numberAt(account, 'num_subscriptions'),
    messagesIn: numberAt(account, 'received', 'msgs'),
    bytesIn: numberAt(account, 'received', 'bytes'),
    messagesOut: numberAt(account, 'sent', 'msgs'),
    bytesOut: numberAt(account, 'sent', 'bytes'),
    slowConsumers: numberAt(account, 'slow_consumers'),
  }
}

/** One row per server with JetStream. */
async function jetstream(servers: ServerRequests, options: InterestOptions): Promise<Report> {
  const replies = await servers.ask('$SYS.REQ.SERVER.PING.JSZ', {}, options)
  return {
    rows: replies.map((reply) => {
      const {data} = reply
      return {
        ...serverOf(reply),
        streams: numberAt(data, 'streams'),
        consumers: numberAt(data, 'consumers'),
        messages: numberAt(data, 'messages'),
        bytes: numberAt(data, 'bytes'),
        memoryBytes: numberAt(data, 'memory'),
        storageBytes: numberAt(data, 'storage'),
        requests: numberAt(data, 'api', 'total'),
        errors: numberAt(data, 'api', 'errors'),
        metaLeader: textAt(isObject(data['meta_cluster']) ? data['meta_cluster'] : {}, 'leader'),
        disabled: data['disabled'] === true ? true : undefined,
      }
    }),
    shown: [
      ...[
        {head: 'server', member: 'server'},
        {head: 'cluster', member: 'cluster'},
      ],
      {head: 'streams', member: 'streams', ...count},
      {head: 'consumers', member: 'consumers', ...count},
      {head: 'messages', member: 'messages', ...count},
      {head: 'size', member: 'bytes', ...bytes},
      {head: 'memory', member: 'memoryBytes', ...bytes},
      {head: 'storage', member: 'storageBytes', ...bytes},
      {head: 'requests', member: 'requests', ...count},
      {head: 'errors', member: 'errors', ...count},
      {head: 'meta leader', member: 'metaLeader'},
    ],
  }
}

/** One row per server: whether it can serve clients. */
async function health(servers: ServerRequests, options: InterestOptions): Promise<Report> {
  const replies = await servers.ask('$SYS.REQ.SERVER.PING.HEALTHZ', {}, options)
  return {
    rows: replies.map((reply) => ({
      ...serverOf(reply),
      status: textAt(reply.data, 'status'),
      error: textAt(reply.data, 'error'),
    })),
    shown: ['server', 'cluster', 'version', 'status', 'error'].map((member) => ({head: member, member})),
  }
}

/** The columns and cells of a report. Figures are on the right. */
export function reportTable({rows, shown}: Report): {columns: Column[]; cells: string[][]} {
  const isFigure = (member: string) => rows.some((row) => typeof row[member] === 'number')
  return {
    columns: shown.map(({head, member}) => ({head, align: isFigure(member) ? 'right' : 'left'})),
    cells: rows.map((row) => shown.map((column) => cellOf(row, column))),
  }
}

function cellOf(row: ReportRow, {member, format}: Shown): string {
  const value = row[member]
  if (value === undefined) return ''
  return format === undefined ? String(value) : format(value as never)
}

function serverOf({name, id, cluster, version}: ServerReply) {
  return {server: name || id, cluster, version}
}

function numberAt(data: Readonly<Record<string, unknown>>, ...path: readonly string[]): number | undefined {
  const value = path.reduce<unknown>((inner, name) => (isObject(inner) ? inner[name] : undefined), data)
  return typeof value === 'number' ? value : undefined
}

function textAt(data: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = data[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}

function listAt(data: Readonly<Record<string, unknown>>, name: string): Record<string, unknown>[] {
  const value = data[name]
  return Array.isArray(value) ? value.filter(isObject) : []
}
