/** One check: skipped, tried once or until it holds, within its time. */
import {setTimeout as pause} from 'node:timers/promises'
import {BusError} from '../core/errors.ts'
import type {Message} from '../core/message.ts'
import {isTruthy} from '../core/text/jsonata.ts'
import type {Transport} from '../transport/contract.ts'
import type {Ground, Outcome} from './environment.ts'
import type {CheckKind, CheckResult, Failure, Status} from './events.ts'
import {type Check, msOf} from './file.ts'
import {capture, failureOf, isJudged, judge} from './judge.ts'
import {checkMessages} from './kinds/arrivals.ts'
import {checkConsumer, checkInterest, checkStream} from './kinds/facts.ts'
import {checkPub, checkPublish, checkSubscribe} from './kinds/publish.ts'
import {checkLatency, checkOpen, checkReq, checkRpc} from './kinds/replies.ts'
import type {Shapes} from './shape.ts'
import type {Tools} from './tools.ts'
import type {Variables} from './variables.ts'

/** What the checks of a file share. */
export interface Scene {
  readonly bus: Transport
  readonly tools: Tools
  readonly variables: Variables
  readonly env: NodeJS.ProcessEnv
  readonly folder: string
  /** How long answers may take where nothing else is said. */
  readonly withinMs: number
  readonly signal: AbortSignal
  readonly onRetry: (check: Check, attempt: number, failures: readonly Failure[]) => void
}

interface Tried {
  readonly status: Exclude<Status, 'skipped'>
  readonly failures: readonly Failure[]
  readonly messages: readonly Message[]
}

const defaultTimeoutMs = 60_000
const defaultEvery = '250ms'
/** No wait is shorter, also at the end of the time. */
const shortestMs = 10
const mostMessages = 1000

export async function runCheck(check: Check, scene: Scene): Promise<CheckResult> {
  const started = performance.now()
  const end = (status: Status, attempts: number, rest: Partial<Tried & {reason: string}> = {}): CheckResult => ({
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
  const skipped = await reasonToSkip(check, scene)
  if (skipped instanceof BusError) return end('error', 0, {failures: [failureOf(skipped, check.plan.line)]})
  if (skipped !== undefined) return end('skipped', 0, {reason: skipped})
  const {forMs, every, timeoutMs} = timesOf(check)
  const limit = AbortSignal.timeout(timeoutMs)
  const signal = AbortSignal.any([scene.signal, limit])
  const until = started + forMs
  for (let attempts = 1; ; attempts++) {
    const leftMs = forMs === 0 ? timeoutMs : Math.min(timeoutMs, until - performance.now())
    // The last attempt has a fair chance too.
    const tried = await tryOnce(check, {...scene, signal}, forMs === 0 ? leftMs : Math.max(every, leftMs))
    if (scene.signal.aborted && tried.status !== 'passed') return end('skipped', attempts, {reason: 'interrupted'})
    if (limit.aborted && tried.status !== 'passed') return end('failed', attempts, tooLong(check, timeoutMs, tried))
    const left = until - performance.now()
    if (tried.status !== 'failed' || left <= every) return end(tried.status, attempts, tried)
    scene.onRetry(check, attempts, tried.failures)
    await pause(every, undefined, {signal}).catch(() => undefined)
  }
}

/** A reason to leave it out, or why that cannot be told. */
async function reasonToSkip(
  check: Check,
  {signal, bus, variables, env}: Scene,
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

/** `leftMs` is what it may still take: no wait in it is longer. */
async function tryOnce(check: Check, scene: Scene, leftMs: number): Promise<Tried> {
  const {line} = check.plan
  const messages: Message[] = []
  const ending = performance.now() + leftMs
  const ground: Ground = {
    ...scene,
    waitMs: (asked, otherwise) => {
      const wanted = asked ?? otherwise
      const left = Math.max(shortestMs, ending - performance.now())
      return Math.ceil(Math.min(wanted === undefined ? scene.withinMs : msOf(wanted), left))
    },
    saw: (message) => {
      messages.push(message)
      if (messages.length > mostMessages) messages.shift()
    },
    runSteps: (steps) => runSteps(steps, scene, messages),
  }
  const started = performance.now()
  try {
    const outcome = await perform(check, ground)
    const ms = performance.now() - started
    const failures = await judge(check, outcome, scene.variables, ms)
    if (failures.length === 0) failures.push(...(await capture(check, outcome, scene.variables, ms)))
    return {status: statusOf(failures, outcome), failures, messages}
  } catch (error) {
    if (!(error instanceof BusError)) throw error
    return {status: 'error', failures: [failureOf(error, line)], messages}
  }
}

/** Does it. A failure that says something about what is checked is part of the outcome. */
async function perform(check: Check, ground: Ground): Promise<Outcome> {
  try {
    return await orAborted(dispatch(check.spec, ground, check), ground.signal)
  } catch (error) {
    if (error instanceof BusError && isJudged(error)) return {result: {}, error}
    throw error
  }
}

type Performer<Kind extends CheckKind> = (spec: Shapes[Kind], ground: Ground, check: Check) => Promise<Outcome>

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
  interest: checkInterest,
  latency: checkLatency,
}

function dispatch<Kind extends CheckKind>(spec: {kind: Kind} & Shapes[Kind], ground: Ground, check: Check) {
  return performers[spec.kind](spec, ground, check)
}

/** In order; the first that does not pass is the last. */
async function runSteps(steps: readonly Check[], scene: Scene, messages: Message[]): Promise<readonly Failure[]> {
  for (const step of steps) {
    const result = await runCheck(step, scene)
    messages.push(...result.messages)
    if (result.failures.length > 0)
      return result.failures.map((failure) => ({...failure, sentence: `in "${step.plan.name}": ${failure.sentence}`}))
    if (scene.signal.aborted) return []
  }
  return []
}

function statusOf(failures: readonly Failure[], {error}: Outcome): Tried['status'] {
  if (failures.length === 0) return 'passed'
  const isLost = failures.some(({kind}) => kind === 'connect' || kind === 'usage')
  return isLost || (error !== undefined && !isJudged(error)) ? 'error' : 'failed'
}

function tooLong({plan}: Check, timeoutMs: number, {failures, messages}: Tried): Tried {
  const sentence = `it was not done within its timeout of ${timeoutMs} ms`
  const others = failures.filter(({kind}) => kind !== 'interrupted')
  return {status: 'failed', failures: [{sentence, line: plan.line, kind: 'timeout'}, ...others], messages}
}

/** Waits no longer than the signal: what hangs is left to itself. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop = () => {}
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(new BusError('interrupted', 'interrupted before it was done'))
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop)
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
