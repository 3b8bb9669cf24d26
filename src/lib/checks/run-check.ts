/** Runs one check: skipped, tried once, or retried until it holds or its time is over. */
import {BusError} from '../core/errors.ts'
import type {Message} from '../core/message.ts'
import {isTruthy} from '../core/text/jsonata.ts'
import {sleep} from '../core/time/timer.ts'
import type {Transport} from '../transport/contract.ts'
import {type Check, type CheckEnvironment, type CheckOutcome, msOf} from './check.ts'
import type {CheckKind, CheckResult, Failure, Status} from './events.ts'
import {capture, checkFailure, isJudgeable, judge} from './judge.ts'
import {checkMessages} from './kinds/arrivals.ts'
import {checkConsumer, checkInterest, checkKv, checkStream} from './kinds/facts.ts'
import {checkPub, checkPublish, checkSubscribe} from './kinds/publish.ts'
import {checkLatency, checkOpen, checkReq, checkRpc} from './kinds/replies.ts'
import type {CheckProtocols} from './protocols.ts'
import type {Shapes} from './shape.ts'
import type {Variables} from './variables.ts'

/** What the checks of a file share. */
export interface FileContext {
  readonly bus: Transport
  readonly protocols: CheckProtocols
  readonly variables: Variables
  readonly env: NodeJS.ProcessEnv
  readonly folder: string
  /** How long answers may take by default, in milliseconds. */
  readonly withinMs: number
  readonly signal: AbortSignal
  readonly onRetry: (check: Check, attempt: number, failures: readonly Failure[]) => void
}

interface Attempt {
  readonly status: Exclude<Status, 'skipped'>
  readonly failures: readonly Failure[]
  readonly messages: readonly Message[]
}

const defaultTimeoutMs = 60_000
const defaultEvery = '250ms'
/** The shortest wait for the other side, even when the time is over. */
const shortestMs = 10
const mostMessages = 1000

export async function runCheck(check: Check, context: FileContext): Promise<CheckResult> {
  const started = performance.now()
  const end = (status: Status, attempts: number, rest: Partial<Attempt & {reason: string}> = {}): CheckResult => ({
    ...check.plan,
    ...{
      status,
      attempts,
      ms: performance.now() - started,
      failures: rest.failures ?? [],
      messages: rest.messages ?? [],
    },
    reason: rest.reason,
  })
  const skipped = await reasonToSkip(check, context)
  if (skipped instanceof BusError) return end('error', 0, {failures: [checkFailure(skipped, check.plan.line)]})
  if (skipped !== undefined) return end('skipped', 0, {reason: skipped})
  const {forMs, every, timeoutMs} = timesOf(check)
  const limit = AbortSignal.timeout(timeoutMs)
  const signal = AbortSignal.any([context.signal, limit])
  const until = started + forMs
  for (let attempts = 1; ; attempts++) {
    const leftMs = forMs === 0 ? timeoutMs : Math.min(timeoutMs, until - performance.now())
    // The last attempt gets a whole interval too.
    const tried = await tryOnce(check, {...context, signal}, forMs === 0 ? leftMs : Math.max(every, leftMs))
    if (context.signal.aborted && tried.status !== 'passed') return end('skipped', attempts, {reason: 'interrupted'})
    if (limit.aborted && tried.status !== 'passed') return end('failed', attempts, tooLong(check, timeoutMs, tried))
    const left = until - performance.now()
    if (tried.status !== 'failed' || left <= every) return end(tried.status, attempts, tried)
    context.onRetry(check, attempts, tried.failures)
    await sleep(every, signal)
  }
}

/** Why to skip the check, or why that cannot be decided. */
async function reasonToSkip(
  check: Check,
  {signal, bus, variables, env}: FileContext,
): Promise<string | BusError | undefined> {
  if (signal.aborted) return 'interrupted'
  if (check.skipIf === undefined) return undefined
  try {
    const about = {vars: variables.all, env, bus: {url: bus.url, features: bus.features}}
    return isTruthy(await check.skipIf(about)) ? `skip-if: ${check.shape['skip-if']}` : undefined
  } catch (error) {
    if (error instanceof BusError) return error
    throw error
  }
}

function timesOf({shape: {eventually, timeout}}: Check): {forMs: number; every: number; timeoutMs: number} {
  const {for: long = '0s', every = defaultEvery} =
    typeof eventually === 'string' ? {for: eventually} : (eventually ?? {})
  const forMs = msOf(long)
  return {forMs, every: msOf(every), timeoutMs: timeout === undefined ? forMs + defaultTimeoutMs : msOf(timeout)}
}

/** `leftMs` is how long the attempt may take: no wait in it is longer. */
async function tryOnce(check: Check, context: FileContext, leftMs: number): Promise<Attempt> {
  const {line} = check.plan
  const messages: Message[] = []
  const ending = performance.now() + leftMs
  const environment: CheckEnvironment = {
    ...context,
    waitMs: (duration, fallback) => {
      const wanted = duration ?? fallback
      const left = Math.max(shortestMs, ending - performance.now())
      return Math.ceil(Math.min(wanted === undefined ? context.withinMs : msOf(wanted), left))
    },
    saw: (message) => {
      messages.push(message)
      if (messages.length > mostMessages) messages.shift()
    },
    runSteps: (steps) => runSteps(steps, context, messages),
  }
  const started = performance.now()
  try {
    const outcome = await perform(check, environment)
    const ms = performance.now() - started
    const failures = await judge(check, outcome, context.variables, ms)
    if (failures.length === 0) failures.push(...(await capture(check, outcome, context.variables, ms)))
    return {status: statusOf(failures, outcome), failures, messages}
  } catch (error) {
    if (!(error instanceof BusError)) throw error
    return {status: 'error', failures: [checkFailure(error, line)], messages}
  }
}

/** Performs the check. A failure that can be judged is part of the outcome. */
async function perform(check: Check, environment: CheckEnvironment): Promise<CheckOutcome> {
  try {
    return await orAborted(dispatch(check.spec, environment, check), environment.signal)
  } catch (error) {
    if (error instanceof BusError && isJudgeable(error)) return {result: {}, error}
    throw error
  }
}

type Performer<Kind extends CheckKind> = (
  spec: Shapes[Kind],
  environment: CheckEnvironment,
  check: Check,
) => Promise<CheckOutcome>

const performers: {readonly [Kind in CheckKind]: Performer<Kind>} = {
  req: checkReq,
  rpc: checkRpc,
  open: checkOpen,
  pub: checkPub,
  publish: checkPublish,
  subscribe: checkSubscribe,
  messages: checkMessages,
  stream: checkStream,
  consumer: checkConsumer,
  kv: checkKv,
  interest: checkInterest,
  latency: checkLatency,
}

function dispatch<Kind extends CheckKind>(
  spec: {kind: Kind} & Shapes[Kind],
  environment: CheckEnvironment,
  check: Check,
) {
  return performers[spec.kind](spec, environment, check)
}

/** Runs steps in order, up to the first that does not pass. */
async function runSteps(
  steps: readonly Check[],
  context: FileContext,
  messages: Message[],
): Promise<readonly Failure[]> {
  for (const step of steps) {
    const result = await runCheck(step, context)
    messages.push(...result.messages)
    if (result.failures.length > 0)
      return result.failures.map((failure) => ({...failure, sentence: `in "${step.plan.name}": ${failure.sentence}`}))
    if (context.signal.aborted) return []
  }
  return []
}

function statusOf(failures: readonly Failure[], {error}: CheckOutcome): Attempt['status'] {
  if (failures.length === 0) return 'passed'
  const isLost = failures.some(({kind, unanswered}) => kind === 'connect' || kind === 'usage' || unanswered)
  return isLost || (error !== undefined && !isJudgeable(error)) ? 'error' : 'failed'
}

function tooLong({plan}: Check, timeoutMs: number, {failures, messages}: Attempt): Attempt {
  const sentence = `not done within its timeout of ${timeoutMs} ms`
  const others = failures.filter(({kind}) => kind !== 'interrupted')
  return {status: 'failed', failures: [{sentence, line: plan.line, kind: 'timeout'}, ...others], messages}
}

/** Stops waiting when the signal aborts: work that hangs is abandoned. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>()
  const stop = () => aborted.reject(new BusError('interrupted', 'interrupted before the check was done'))
  if (signal.aborted) stop()
  signal.addEventListener('abort', stop)
  try {
    return await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
