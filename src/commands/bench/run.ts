/** A measurement from its flags to its report. */
import type {Client} from '../../lib/bench/client.ts'
import type {Role} from '../../lib/bench/job.ts'
import {withScratch} from '../../lib/bench/temp-dir.ts'
import {type Crew, lead} from '../../lib/bench/workers.ts'
import {startProgress} from '../../lib/cli/render/progress.ts'
import {formatCount} from '../../lib/cli/render/units.ts'
import {BusError} from '../../lib/core/errors.ts'
import type {ServerOptions, Transport} from '../../lib/transport/contract.ts'
import {isOneProcess} from '../../lib/transport/open.ts'
import {checkComparable, compare, readBaseline} from './baseline.ts'
import {clientElsewhere, clientHere} from './clients.ts'
import {type BenchFlags, type BenchPlan, planBench} from './plan.ts'
import {benchCsv, benchLines, type Measured, sideOf} from './report.ts'

export interface RunFlags extends BenchFlags {
  readonly baseline?: string | undefined
  readonly 'max-regression'?: number | undefined
  readonly csv?: boolean | undefined
  readonly json: boolean
  readonly quiet: boolean
}

/** Where it is run. */
export interface Ground {
  readonly bus: Transport
  /** How clients reach the same bus. */
  readonly url: string
  readonly server: ServerOptions
  readonly stop: AbortSignal
  readonly print: (text: string) => void
  readonly say: (line: string) => void
  /** The width of the terminal that stdout is, if it is one. */
  readonly columns: number | undefined
}

/** Without a share of its own. */
const defaultRegression = 0.1

/**
 * Measures and prints, also under `--json`: before a failure. Fails with `timeout` when messages were lost, with
 * `interrupted` when it was stopped before its number of messages, as `compare` does beside a baseline, and as the first
 * client that fails.
 */
export async function runBench(role: Role, flags: RunFlags, ground: Ground): Promise<void> {
  const plan = planBench(role, flags)
  const baseline = flags.baseline === undefined ? undefined : readBaseline(flags.baseline)
  const {subject, size, subjects, batch, window, ack} = plan.common
  const facts = {bench: role, bus: ground.bus.url, subject, size, subjects, batch, window, ack, asked: plan.asked}
  if (baseline !== undefined) checkComparable(facts, baseline)
  const sides = await measureSides(plan, flags, ground)
  const report = {...facts, sides: sides.map(({side}) => side)}
  if (flags.csv) ground.print(benchCsv(report))
  else if (!flags.json) ground.print(`${benchLines(sides, ground.columns).join('\n')}\n`)
  else ground.print(`${JSON.stringify(report)}\n`)
  for (const {side} of sides) {
    if (side.lost > 0) throw lostError(side.lost, side.messages)
  }
  const [messages, total] = [sides[0]?.side.messages ?? 0, totalOf(plan)]
  if (ground.stop.aborted && total !== undefined && messages < total)
    throw new BusError('interrupted', `interrupted after ${formatCount(messages)} of ${formatCount(total)} messages`)
  if (baseline !== undefined) compare(report, baseline, flags['max-regression'] ?? defaultRegression)
}

async function measureSides(plan: BenchPlan, flags: RunFlags, ground: Ground): Promise<Measured[]> {
  if (plan.role !== 'replay' || flags.stream !== undefined) return await measure(plan, flags, ground)
  const {size, durable} = plan.common
  ground.say(`filling a stream for the measurement with ${formatCount(flags.msgs ?? scratchCount)} messages`)
  const scratch = {count: flags.msgs ?? scratchCount, size, durable, signal: ground.stop}
  return await withScratch(ground.bus, scratch, (stream) => {
    const sending = plan.sending.map((job) => ({...job, stream}))
    return measure({...plan, sending}, flags, ground)
  })
}

const scratchCount = 100_000

async function measure(plan: BenchPlan, {quiet}: RunFlags, ground: Ground): Promise<Measured[]> {
  const {url, server, stop} = ground
  const start = async (job: BenchPlan['sending'][number]): Promise<Client> =>
    isOneProcess(url) ? await clientHere({job, url, server}) : clientElsewhere({job, url, server})
  const crew: Crew = {
    listening: await Promise.all(plan.listening.map(start)),
    sending: await Promise.all(plan.sending.map(start)),
  }
  const shown = crew.sending.length > 0 ? crew.sending : crew.listening
  using bar = quiet ? undefined : startProgress('messages', totalOf(plan))
  const timer = setInterval(() => bar?.update(shown.reduce((sum, {done}) => sum + done, 0)), progressMs)
  try {
    const onReady = () => {
      if (crew.sending.length === 0) ground.say(`listening on ${plan.common.subject}; Ctrl-C ends it`)
    }
    const {listening, sending} = await lead(crew, {signal: stop, onReady})
    const sent = sending.reduce((sum, {messages}) => sum + messages, 0)
    const sides: Measured[] = []
    if (sending.length > 0) sides.push(await sideOf(plan.role, sending))
    const [listener] = plan.listening
    // A request that failed was served or not: only messages can be told to be lost, and not where all were stopped.
    const canLose = listener?.role === 'sub' && sent > 0 && !stop.aborted
    if (listener) sides.push(await sideOf(listener.role, listening, canLose ? sent : undefined))
    return sides
  } finally {
    clearInterval(timer)
  }
}

const progressMs = 100

function totalOf({role, total, listening, common}: BenchPlan): number | undefined {
  const isShared = role !== 'sub' && !(role === 'replay' && common.durable === undefined)
  return total === undefined || isShared ? total : total * listening.length
}

function lostError(lost: number, messages: number): BusError {
  const sentence = `${formatCount(lost)} messages were lost, ${formatCount(messages)} came`
  return new BusError('timeout', sentence, {try: ['a lower --rate', 'fewer --clients'], data: {lost, messages}})
}
