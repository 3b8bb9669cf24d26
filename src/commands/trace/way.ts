/** The way of a message: from the servers, or on a bus without servers from its subscriptions and streams. */

import {BusError} from '../../lib/core/errors.ts'
import type {Outgoing} from '../../lib/core/message.ts'
import {findKeepers, type MatchingConsumer} from '../../lib/messaging/audience.ts'
import type {Interest, Transport} from '../../lib/transport/contract.ts'
import type {TracedServer, TraceOptions, TraceStep} from '../../lib/transport/trace.ts'

/** What `--json` prints. */
export interface TraceDocument extends TracedServer {
  readonly subject: string
  readonly delivered: boolean
  /** The consumers of the streams on the way whose filters match. */
  readonly consumers: readonly MatchingConsumer[]
}

/** Fails as `Transport.trace` does, and with `notFound` on a bus that does not know its subscribers. */
export async function traceDocument(bus: Transport, message: Outgoing, options: TraceOptions): Promise<TraceDocument> {
  const {subject} = message
  const way = await bus.trace?.(message, options)
  const keepers = await findKeepers(bus, subject)
  const steps = way?.steps ?? [
    ...keepers.streams.map(({stream}) => ({kind: 'stream', stream}) as const),
    ...(await subscriberSteps(bus, subject)),
  ]
  if (options.deliver && way === undefined) {
    bus.publish(message)
    await bus.flush()
  }
  const streams = new Set(allSteps(steps).flatMap((step) => (step.kind === 'stream' ? [step.stream] : [])))
  const consumers = keepers.consumers.filter(({stream}) => streams.has(stream))
  return {subject, delivered: options.deliver === true, ...way, steps, consumers}
}

/** The steps of all servers. */
export function allSteps(steps: readonly TraceStep[]): TraceStep[] {
  return steps.flatMap((step) => ('steps' in step ? [step, ...allSteps(step.steps)] : [step]))
}

/** On a bus without servers: each subscription, and one of the members of each group. */
async function subscriberSteps(bus: Transport, subject: string): Promise<TraceStep[]> {
  const interests = await bus.interests?.(subject)
  if (interests === undefined || 'unknown' in interests)
    throw new BusError('notFound', `${bus.url} does not know its subscribers, and cannot trace a message`)
  const others = interests.known.filter(({client}) => !client.isOwn)
  const groups = new Map<string, Interest[]>()
  for (const each of others)
    if (each.queue !== undefined) groups.set(each.queue, [...(groups.get(each.queue) ?? []), each])
  return [
    ...others
      .filter(({queue}) => queue === undefined)
      .map((each) => ({kind: 'subscriber', ...memberOf(each)}) as const),
    ...[...groups].map(([queue, members]) => ({kind: 'group', queue, members: members.map(memberOf)}) as const),
  ]
}

function memberOf({pattern, client: {name, pid}}: Interest) {
  return {name, pid, pattern}
}
