/** What `bus doctor` says of what is stored, and of how fast messages can be taken. */

import {counted, formatBytes, formatCount, formatRate} from '../../lib/cli/render/units.ts'
import {BusError} from '../../lib/core/errors.ts'
import type {Transport} from '../../lib/transport/contract.ts'
import type {ConsumerInfo, StreamInfo} from '../../lib/transport/streams-contract.ts'
import {type Finding, ok, type Tell, warning} from './finding.ts'

/** So many streams are looked into; of others only the number is told. */
const mostStreams = 50
const burst = 2000
const burstMs = 5000

/** Streams with their consumers, and how far these are behind. */
export async function examineStreams(bus: Transport, tell: Tell): Promise<void> {
  if (!bus.features.streams) return
  const streams = await list(bus)
  if (streams.length === 0) tell(ok('streams', 'none'))
  for (const stream of streams.slice(0, mostStreams)) {
    const {name} = stream.config
    const {messages, bytes, consumers} = stream.state
    tell(ok('stream', `${name}: ${counted(messages, 'message')}, ${formatBytes(bytes)}`))
    if (consumers === 0) continue
    for (const consumer of await bus.streams.consumers.list(name)) tell(consumerFinding(consumer))
  }
  if (streams.length > mostStreams) tell(ok('streams', `and ${formatCount(streams.length - mostStreams)} more`))
}

/** A server without JetStream has been told of already. */
async function list(bus: Transport): Promise<readonly StreamInfo[]> {
  try {
    return await bus.streams.list()
  } catch (error) {
    if (error instanceof BusError && ['notFound', 'denied', 'timeout', 'remote'].includes(error.kind)) return []
    throw error
  }
}

function consumerFinding({stream, config, pending, ackPending}: ConsumerInfo): Finding {
  const text = `${config.name} of ${stream}: lag ${formatCount(pending + ackPending)}, ${formatCount(ackPending)} of it not acknowledged`
  const isFull = config.ack !== 'none' && ackPending >= config.maxAckPending
  if (!isFull) return ok('consumer', text)
  return warning(
    'consumer',
    `${text}: it gets nothing more`,
    'see who takes from it and does not acknowledge',
    `bus consumer info ${stream} ${config.name}`,
  )
}

/** Where the slow lose messages: how fast we take what we publish ourselves. */
export async function examineSpeed(bus: Transport, inboxPrefix = '_INBOX'): Promise<Finding | undefined> {
  if (bus.features.keepsForSlow) return undefined
  const subject = `${inboxPrefix}.doctor.${crypto.randomUUID()}`
  const signal = AbortSignal.timeout(burstMs)
  try {
    await using subscription = await bus.subscribe(subject, {signal})
    const data = new Uint8Array(128)
    const began = performance.now()
    for (let i = 0; i < burst; i++) bus.publish({subject, data})
    await bus.flush()
    let got = 0
    while (got < burst) {
      const taken = await subscription.take(burst)
      if (taken.length === 0) break
      got += taken.length
    }
    const rate = formatRate((got * 1000) / (performance.now() - began))
    if (got === burst) return ok('slow consumer', `none: a burst of ${formatCount(burst)} came at ${rate}`)
    const lost = `${formatCount(burst - got)} of a burst of ${formatCount(burst)} did not come`
    return warning('slow consumer', lost, 'see how busy this machine and the way there are')
  } catch (error) {
    if (error instanceof BusError && error.kind === 'denied')
      return ok('slow consumer', `not measured: this login may not use ${inboxPrefix}`)
    throw error
  }
}
