/** The settings that make a stream or a consumer like one that was saved or described. */
import {BusError} from '../../core/errors.ts'
import type {Transport} from '../../transport/contract.ts'
import {isServer} from '../../transport/schemes.ts'
import {ownNames} from '../../transport/shared/stream-settings.ts'
import type {ConsumerConfig, ConsumerSettings, DeliverPolicy} from '../../transport/streams-contract.ts'

/** `deliver` is where the new consumer starts. */
export function settingsOfConsumer(config: ConsumerConfig, deliver: DeliverPolicy): ConsumerSettings {
  const {push, headersOnly, maxWaiting, priority, groups, durable: _, ackWaitMs, maxAckPending, other, ...rest} = config
  const options = {
    ...other,
    ...(push && {deliver_subject: push.subject, ...(push.queue !== undefined && {deliver_group: push.queue})}),
    ...(headersOnly && {headers_only: true}),
    ...(maxWaiting !== undefined && {max_waiting: maxWaiting}),
    ...(priority !== undefined && {priority_policy: priority}),
    ...(groups !== undefined && {priority_groups: groups}),
  }
  const isAcknowledged = rest.ack !== 'none'
  return {
    ...rest,
    deliver,
    ...(isAcknowledged && {ackWaitMs, maxAckPending}),
    ...(Object.keys(options).length > 0 && {other: options}),
  }
}

/** Settings that the bus has. Throws `usage` if something would be left out. */
export function usable<S extends {readonly other?: object | undefined; readonly replicas?: number | undefined}>(
  bus: Transport,
  what: string,
  wanted: S,
  {skipUnsupported, say}: {readonly skipUnsupported: boolean; readonly say: (line: string) => void},
): S {
  const {settings, left} = withoutServerOptions(ownNames(wanted))
  if (isServer(bus.url)) return wanted
  if (left.length === 0) return settings
  if (!skipUnsupported)
    throw new BusError('usage', `${what} has settings that only a NATS server has: ${left.join(', ')}`, {
      try: ['--skip-unsupported, to leave them out', '--bus nats://…'],
    })
  say(`${what} is made without ${left.join(', ')}: only a NATS server has that`)
  return settings
}

/** Settings without the options that only a server has, and the names of those that were left out. */
function withoutServerOptions<S extends {readonly other?: object | undefined; readonly replicas?: number | undefined}>(
  settings: S,
): {readonly settings: S; readonly left: readonly string[]} {
  const {other, replicas = 1, ...rest} = settings
  const left = [...Object.keys(other ?? {}), ...(replicas > 1 ? ['replicas'] : [])]
  return {settings: rest as unknown as S, left}
}
