/** The findings about streams and consumers, and about how fast messages are received. */
import {counted, formatBytes, formatCount, formatMoment, formatRate} from '../../lib/cli/render/units.ts'
import {isFailure} from '../../lib/core/errors.ts'
import {shellWord} from '../../lib/core/text/shell-word.ts'
import {pinnedTexts, type Stall, stallsOf, stallText} from '../../lib/messaging/stored/stall.ts'
import type {Transport} from '../../lib/transport/contract.ts'
import type {ConsumerInfo, ListOptions, StreamInfo} from '../../lib/transport/streams-contract.ts'
import {type Finding, failure, good, type ReportFinding, warning} from './finding.ts'

/** How many streams are examined; further ones are only counted. */
const mostStreams = 50
/** More findings without a problem than this are one line. */
const mostGood = 10
const burst = 2000
const burstMs = 5000

/** Streams and their consumers with their lag. */
export async function examineStreams(bus: Transport, report: ReportFinding): Promise<void> {
  if (!bus.features.streams) return
  const unreachable: string[] = []
  const options = {onUnreachable: (names: readonly string[]) => unreachable.push(...names)}
  const streams = await list(bus, options, report)
  if (streams === undefined) return
  if (streams.length === 0 && unreachable.length === 0) report(good('streams', 'none'))
  const examined = streams.slice(0, mostStreams)
  const used = examined.filter(({state}) => state.consumers > 0)
  const lists = await Promise.all(used.map(({config}) => bus.streams.consumers.list(config.name, options)))
  const consumers = lists.flat()
  reportAll(examined.map(streamFinding), sizeOf(examined), report)
  for (const stream of examined) for (const finding of streamWarnings(stream)) report(finding)
  const lag = ({pending, ackPending}: ConsumerInfo) => pending + ackPending
  const worst = consumers.reduce<ConsumerInfo | undefined>(
    (most, each) => (most && lag(most) >= lag(each) ? most : each),
    undefined,
  )
  reportAll(consumers.map(consumerFinding), worst === undefined ? '' : `the largest lag: ${lagText(worst)}`, report)
  for (const stream of examined) {
    const ahead = consumers.filter(
      (info) => info.stream === stream.config.name && info.deliveredSeq > stream.state.lastSeq,
    )
    if (ahead.length > 0) await reportAhead(bus, ahead, report)
  }
  if (unreachable.length > 0)
    report(failure('streams', `no server responds for ${unreachable.join(', ')}`, 'check the servers of the cluster'))
  if (streams.length > mostStreams)
    report(good('streams', `and ${formatCount(streams.length - mostStreams)} more, which were not examined`))
}

/** How long the stream of a mirror or a source may be silent. A server hears from it every second. */
const silentMs = 30_000

function streamWarnings({config, state, peers = [], origins = []}: StreamInfo): readonly Finding[] {
  const {name, retention} = config
  const hint = `bus stream info ${shellWord(name)}`
  const offline = peers
    .filter((peer) => peer.state === 'offline' || (peer.state === 'behind' && peer.silentMs > silentMs))
    .map(({server}) => server)
  const down =
    offline.length === 0
      ? []
      : [warning('stream', `${name} has a replica that does not respond: ${offline.join(', ')}`, hint)]
  const lost = origins
    .filter((origin) => origin.error !== undefined || (origin.silentMs ?? Number.POSITIVE_INFINITY) > silentMs)
    .map(({stream, error = 'it does not respond'}) => warning('stream', `${name} copies ${stream}: ${error}`, hint))
  const isUnkept = retention === 'interest' && state.consumers === 0
  const unkept = `${name} keeps no messages: it has retention interest and no consumer`
  return [...down, ...lost, ...(isUnkept ? [warning('stream', unkept, hint)] : [])]
}

/** Undefined if the streams cannot be listed, which is reported. A missing JetStream has already been reported. */
async function list(
  bus: Transport,
  options: ListOptions,
  report: ReportFinding,
): Promise<readonly StreamInfo[] | undefined> {
  try {
    return await bus.streams.list(options)
  } catch (error) {
    if (isFailure(error, 'notFound')) return undefined
    if (isFailure(error, 'denied')) report(good('streams', 'not examined: this login is not allowed to list them'))
    else if (isFailure(error, 'timeout', 'remote'))
      report(failure('streams', `not known: ${error.message}`, 'check the servers of the cluster'))
    else throw error
    return undefined
  }
}

/** Reports each finding; if many are without a problem, these as one with `summary`. */
function reportAll(findings: readonly Finding[], summary: string, report: ReportFinding): void {
  const well = findings.filter(({verdict}) => verdict === 'ok')
  const isLong = well.length > mostGood
  if (isLong) report(good(`${well[0]?.about}s`, `${formatCount(well.length)} without a problem; ${summary}`))
  for (const finding of findings) if (!isLong || finding.verdict !== 'ok') report(finding)
}

function streamFinding({config, state}: StreamInfo): Finding {
  return good('stream', `${config.name}: ${counted(state.messages, 'message')}, ${formatBytes(state.bytes)}`)
}

function sizeOf(streams: readonly StreamInfo[]): string {
  const sum = (part: 'messages' | 'bytes') => streams.reduce((total, {state}) => total + state[part], 0)
  return `${counted(sum('messages'), 'message')}, ${formatBytes(sum('bytes'))}`
}

function lagText({stream, config, pending, ackPending}: ConsumerInfo): string {
  return `${config.name} of ${stream}: lag ${formatCount(pending + ackPending)}, ${formatCount(ackPending)} of it unacknowledged`
}

function consumerFinding(info: ConsumerInfo): Finding {
  const {stream, config} = info
  const text = [lagText(info), ...pinnedTexts(info)].join(', ')
  const stalls = stallsOf(info)
  if (stalls.length === 0) return good('consumer', text)
  const hints = stalls.map(({reason}) => stallHints[reason])
  return warning(
    'consumer',
    `${text}: it delivers nothing: ${stalls.map((stall) => stallText(stall, formatMoment)).join('; ')}`,
    ...hints,
    `bus consumer info ${shellWord(stream)} ${shellWord(config.name)}`,
  )
}

/** Consumers that wait for a sequence after the next one, and skip the messages before it. The stream may have grown meanwhile. */
async function reportAhead(bus: Transport, ahead: readonly ConsumerInfo[], report: ReportFinding): Promise<void> {
  const [{stream} = {stream: ''}] = ahead
  const {state} = await bus.streams.info(stream)
  for (const {config, deliveredSeq} of ahead) {
    if (deliveredSeq <= state.lastSeq) continue
    const text = `${config.name} of ${stream} skips all messages before #${deliveredSeq + 1}; the last one is #${state.lastSeq}`
    report(warning('consumer', text, `bus consumer info ${shellWord(stream)} ${shellWord(config.name)}`))
  }
}

const stallHints: Readonly<Record<Stall['reason'], string>> = {
  paused: 'find out who paused it, and why',
  pinned: 'end the pinned client',
  'no-interest': 'start the client that reads its messages',
  'max-ack-pending': 'find the client that takes messages without acknowledging them',
  'max-waiting': 'find the clients that request messages and wait',
}

/** Publishes a burst to itself and measures how fast it arrives, on buses that drop messages for slow consumers. */
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
    if (got === burst) return good('slow consumer', `none: a burst of ${formatCount(burst)} arrived at ${rate}`)
    const lost = `${formatCount(burst - got)} of a burst of ${formatCount(burst)} did not arrive`
    return warning('slow consumer', lost, 'check the load of this machine and of the network')
  } catch (error) {
    if (isFailure(error, 'denied')) return good('slow consumer', `not measured: no permission for ${inboxPrefix}`)
    throw error
  }
}
