/** A measurement, from its flags to its report. */
import {type BenchClient, runClients} from '../../lib/bench/client.ts'
import type {Job, Role} from '../../lib/bench/job.ts'
import {withTemporaryStream} from '../../lib/bench/replay-load.ts'
import {startProgress} from '../../lib/cli/render/progress.ts'
import {formatCount} from '../../lib/cli/render/units.ts'
import {BusError, type FailureKind} from '../../lib/core/errors.ts'
import {gravestOf} from '../../lib/messaging/load.ts'
import type {Transport} from '../../lib/transport/contract.ts'
import {schemeOf} from '../../lib/transport/schemes.ts'
import {checkComparable, checkRegression, readBaseline} from './baseline.ts'
import {type Assignment, localClient, workerClient} from './clients.ts'
import {type BenchFlags, type BenchPlan, planBench} from './plan.ts'
import {type BenchSide, benchCsv, benchLines, type MeasuredSide, sideOf} from './report.ts'

export interface RunFlags extends BenchFlags {
  readonly json: boolean
  readonly quiet: boolean
}

/** Where a measurement runs and prints. */
export interface BenchEnvironment {
  readonly bus: Transport
  /** How the clients reach the same bus. */
  readonly url: string
  readonly server: Assignment['server']
  readonly stop: AbortSignal
  readonly print: (text: string) => void
  readonly say: (line: string) => void
  /** The width of stdout, if it is a terminal. */
  readonly columns: number | undefined
}

const defaultRegression = 0.1

/**
 * Measures and prints the report, with `--json` too, and then fails: with `timeout` if messages were lost, with the most
 * serious kind of failure if requests failed, with `interrupted` if it was stopped early, or as `checkRegression` does. Fails
 * without a report if a client fails.
 */
export async function runBench(role: Role, flags: RunFlags, environment: BenchEnvironment): Promise<void> {
  const plan = planBench(role, flags)
  const baseline = flags.baseline === undefined ? undefined : readBaseline(flags.baseline)
  const {subject, size, subjects, batch, window, ack} = plan.common
  const facts = {bench: role, bus: environment.bus.url, subject, size, subjects, batch, window, ack, asked: plan.asked}
  if (baseline !== undefined) checkComparable(facts, baseline)
  const sides = await measureSides(plan, flags, environment)
  const report = {...facts, sides: sides.map(({side}) => side)}
  if (flags.csv) environment.print(benchCsv(report))
  else if (!flags.json) environment.print(`${benchLines(sides, environment.columns).join('\n')}\n`)
  else environment.print(`${JSON.stringify(report)}\n`)
  for (const {side} of sides) {
    if (side.lost > 0) throw lostError(side.lost, side.messages)
    const kind = gravestOf(side.errors)
    if (kind !== undefined) throw failedCalls(kind, side)
  }
  const [messages, total] = [sides[0]?.side.messages ?? 0, totalOf(plan)]
  if (environment.stop.aborted && total !== undefined && messages < total)
    throw new BusError('interrupted', `interrupted after ${formatCount(messages)} of ${formatCount(total)} messages`)
  if (baseline !== undefined) checkRegression(report, baseline, flags['max-regression'] ?? defaultRegression)
}

async function measureSides(plan: BenchPlan, flags: RunFlags, environment: BenchEnvironment): Promise<MeasuredSide[]> {
  if (plan.role === 'replay' && flags.stream !== undefined) await checkShared(plan, flags.stream, environment.bus)
  if (plan.role !== 'replay' || flags.stream !== undefined) return await measure(plan, flags, environment)
  const {size, durable} = plan.common
  environment.say(`filling a temporary stream with ${formatCount(flags.msgs ?? temporaryCount)} messages`)
  const options = {count: flags.msgs ?? temporaryCount, size, durable, signal: environment.stop}
  return await withTemporaryStream(environment.bus, options, (stream) => {
    const senders = plan.senders.map((job) => ({...job, stream}))
    return measure({...plan, senders}, flags, environment)
  })
}

const temporaryCount = 100_000

/** With ack policy `all`, each client would wait for the messages of the others before it acknowledges its own. */
async function checkShared({senders, common}: BenchPlan, stream: string, {streams}: Transport): Promise<void> {
  const {durable} = common
  if (durable === undefined || senders.length === 1) return
  const {config} = await streams.consumers.info(stream, durable)
  if (config.ack !== 'all') return
  throw new BusError(
    'usage',
    `the consumer ${durable} of ${stream} has ack policy all, so only one client can use it`,
    {
      try: ['--clients 1'],
    },
  )
}

async function measure(plan: BenchPlan, {quiet}: RunFlags, environment: BenchEnvironment): Promise<MeasuredSide[]> {
  const {url, server, stop} = environment
  const said = new Set<string>()
  // Each client has a connection of its own; what they all notice is said once.
  const say = (line: string) => {
    if (!said.has(line)) environment.say(line)
    said.add(line)
  }
  const start = async (job: Job): Promise<BenchClient> => {
    const assignment = {job, url, server}
    return schemeOf(url)?.place === 'process' ? await localClient(assignment, say) : workerClient(assignment, say)
  }
  const receivers = await Promise.all(plan.receivers.map(start))
  const senders = await Promise.all(plan.senders.map(start))
  const shown = senders.length > 0 ? senders : receivers
  using bar = quiet ? undefined : startProgress({unit: 'messages', total: totalOf(plan)})
  const timer = setInterval(() => bar?.update(shown.reduce((sum, {done}) => sum + done, 0)), progressMs)
  try {
    const onReady = () => {
      if (senders.length === 0) environment.say(`listening on ${plan.common.subject}; press Ctrl-C to stop`)
    }
    const {received, sent: results} = await runClients({receivers, senders}, {signal: stop, onReady})
    const sent = results.reduce((sum, {messages}) => sum + messages, 0)
    const sides: MeasuredSide[] = []
    if (results.length > 0) sides.push(await sideOf(plan.role, results))
    const [receiver] = plan.receivers
    // Whether a failed request was served is unknown, and a stopped run is incomplete: neither counts as loss.
    const canLose = receiver?.role === 'sub' && sent > 0 && !stop.aborted
    if (receiver) sides.push(await sideOf(receiver.role, received, canLose ? sent : undefined))
    return sides
  } finally {
    clearInterval(timer)
  }
}

const progressMs = 100

function totalOf({role, total, receivers, common}: BenchPlan): number | undefined {
  const isShared = role !== 'sub' && !(role === 'replay' && common.durable === undefined)
  return total === undefined || isShared ? total : total * receivers.length
}

function failedCalls(kind: FailureKind, {messages, errors}: BenchSide): BusError {
  const failed = Object.values(errors).reduce((sum, count) => sum + count, 0)
  const sentence = `${formatCount(failed)} of ${formatCount(failed + messages)} requests failed`
  return new BusError(kind, sentence, {data: {failed, errors}})
}

function lostError(lost: number, messages: number): BusError {
  const sentence = `${formatCount(lost)} messages were lost, ${formatCount(messages)} arrived`
  return new BusError('timeout', sentence, {try: ['a lower --rate', 'fewer --clients'], data: {lost, messages}})
}
