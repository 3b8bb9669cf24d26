import {BusError, isFailure} from '../../core/errors.ts'
import {isObject, objectIn} from '../../core/text/json-text.ts'
import type {Transport} from '../contract.ts'
import {type InterestOptions, noStepDown, type ServerReply, type ServerRequests} from '../server-requests.ts'
import type {OwnConnection} from './interests.ts'
import {apiRequest} from './streams/api.ts'
import type {JetStreamSession} from './streams/session.ts'

const usualTimeoutMs = 2000
const usualIdleMs = 300

export function natsServers(
  bus: Pick<Transport, 'url' | 'requestMany' | 'streams'>,
  own: () => Pick<OwnConnection, 'server_id' | 'cluster'>,
  session: JetStreamSession,
): ServerRequests {
  return {
    ask: (subject, request, options) => askServers(bus, own(), {subject, data: JSON.stringify(request ?? {})}, options),
    async stepDown(stream, consumer) {
      const {leader, peers = []} = await infoOf(bus, stream, consumer)
      if (leader === undefined || peers.length === 0) throw noStepDown(stream, consumer)
      const operation =
        consumer === undefined ? `STREAM.LEADER.STEPDOWN.${stream}` : `CONSUMER.LEADER.STEPDOWN.${stream}.${consumer}`
      await apiRequest(session, operation, {}, {stream, consumer})
    },
    async removePeer(stream, server) {
      const {leader, peers = []} = await bus.streams.info(stream)
      const names = [leader, ...peers.map((peer) => peer.server)].filter((name) => name !== undefined)
      if (!names.includes(server)) {
        const hint = names.length === 0 ? [] : [`one of ${names.sort().join(', ')}`]
        throw new BusError('notFound', `the server ${server} has no copy of stream ${stream}`, {try: hint})
      }
      await apiRequest(session, `STREAM.PEER.REMOVE.${stream}`, {peer: server}, {stream})
    },
  }
}

function infoOf({streams}: Pick<Transport, 'streams'>, stream: string, consumer: string | undefined) {
  return consumer === undefined ? streams.info(stream) : streams.consumers.info(stream, consumer)
}

/** Nobody knows how many servers there are: it ends when no further one has replied for a while, or with the only one. */
async function askServers(
  bus: Pick<Transport, 'url' | 'requestMany'>,
  own: Pick<OwnConnection, 'server_id' | 'cluster'>,
  message: {readonly subject: string; readonly data: string},
  {timeoutMs = usualTimeoutMs, idleMs = usualIdleMs, signal}: InterestOptions = {},
): Promise<readonly ServerReply[]> {
  const replies = new Map<string, ServerReply>()
  const since = performance.now()
  try {
    for await (const {text} of bus.requestMany(message, {timeoutMs, idleMs, signal})) {
      const reply = replyIn(text, performance.now() - since)
      if (reply !== undefined) replies.set(reply.id, reply)
      if (own.cluster === undefined && replies.has(own.server_id)) break
    }
  } catch (error) {
    if (!isFailure(error, 'noResponders')) throw error
    throw new BusError(
      'denied',
      `this login may not ask the servers of ${bus.url}: nobody serves "${message.subject}" in its account`,
      {
        try: ['a login of the system account'],
      },
    )
  }
  if (replies.size === 0)
    throw new BusError('timeout', `no server of ${bus.url} replied to "${message.subject}" within ${timeoutMs} ms`)
  return [...replies.values()].sort((one, other) => (one.name < other.name ? -1 : 1))
}

function replyIn(text: string, ms: number): ServerReply | undefined {
  const {server, data, statsz, error} = objectIn(text) ?? {}
  if (!isObject(server) || typeof server['id'] !== 'string') return undefined
  if (isObject(error))
    throw new BusError('remote', `a server refuses: ${String(error['description'] ?? 'without a reason')}`)
  const {id, name, host, cluster, ver} = server as Record<string, string | undefined>
  const document = data ?? statsz
  return {id: id ?? '', name: name ?? '', host, cluster, version: ver, ms, data: isObject(document) ? document : {}}
}
