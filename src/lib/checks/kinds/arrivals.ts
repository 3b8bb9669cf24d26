/** `messages`: what arrives on subjects while steps run. The check listens before the first step begins, so nothing is missed. */

import type {Message} from '../../core/message.ts'
import {counted} from '../../core/text/count.ts'
import {contextOf, isTruthy} from '../../core/text/jsonata.ts'
import {sleep} from '../../core/time/timer.ts'
import type {Subscription} from '../../transport/contract.ts'
import {type Check, type CheckEnvironment, type CheckOutcome, msOf} from '../check.ts'
import type {Shapes} from '../shape.ts'

interface CountBounds {
  readonly least: number
  readonly most: number
  /** How long to wait for one message too many once there are enough; the whole time if undefined. */
  readonly settleMs: number | undefined
}

export async function checkMessages(
  spec: Shapes['messages'],
  environment: CheckEnvironment,
  check: Check,
): Promise<CheckOutcome> {
  const {bus, variables, signal} = environment
  const patterns = variables.json(spec.subjects ?? [spec.subject ?? '>'])
  const bounds = boundsOf(spec)
  await using subscription = await bus.subscribe(patterns, {signal})
  const see = (message: Message) => Object.assign(contextOf(message), {vars: variables.all})
  const {where} = check
  const arrivals = new Arrivals(
    subscription,
    where && (async (message) => isTruthy(await where(see(message)))),
    environment,
  )
  const failures = await environment.runSteps(check.steps)
  const waitMs = environment.waitMs(spec.within, isBounded(spec) ? '1s' : undefined)
  // After a failed step there is no point in waiting for messages.
  if (failures.length === 0) await arrivals.until(bounds, waitMs)
  const messages = await arrivals.end()
  const misses = [
    ...countMiss(messages.length, bounds, {patterns, waitMs, others: arrivals.others}),
    ...(subscription.dropped > 0
      ? [`${counted(subscription.dropped, 'message')} were dropped because they arrived too fast`]
      : []),
    ...(await orderMiss(check, spec, messages.map(see))),
  ]
  const contexts = messages.map(contextOf)
  return {
    result: {...contexts[0], count: messages.length, messages: contexts},
    misses: failures.length > 0 ? [] : misses,
    failures,
    message: messages.at(-1) ?? arrivals.lastOther,
  }
}

type Filter = (message: Message) => Promise<boolean>

/** Takes messages from its construction on. */
class Arrivals {
  readonly #messages: Message[] = []
  readonly #subscription: Subscription
  readonly #done: Promise<void>
  readonly #signal: AbortSignal
  #wake = () => {}
  /** Messages that the filter rejected, and the last of them. */
  others = 0
  lastOther: Message | undefined

  constructor(subscription: Subscription, isWanted: Filter | undefined, {saw, signal}: CheckEnvironment) {
    this.#subscription = subscription
    this.#signal = signal
    this.#done = this.#take(isWanted, saw)
    // `end` reports the error.
    this.#done.catch(() => this.#wake())
  }

  /** Resolves when the count is decided, or when time is up. */
  async until({least, most, settleMs}: CountBounds, waitMs: number): Promise<void> {
    const ending = performance.now() + waitMs
    const over = () => this.#messages.length > most || this.#subscription.dropped > 0
    while (this.#messages.length < least && (await this.#next(ending))) {}
    if (most === Number.POSITIVE_INFINITY) return
    const settled = settleMs === undefined ? ending : Math.min(ending, performance.now() + settleMs)
    while (!over() && (await this.#next(settled))) {}
  }

  /** The messages that arrived. Fails as the subscription or the filter did. */
  async end(): Promise<readonly Message[]> {
    await this.#subscription.close()
    await this.#done
    return this.#messages
  }

  async #take(isWanted: Filter | undefined, saw: CheckEnvironment['saw']): Promise<void> {
    for await (const message of this.#subscription) {
      saw(message)
      if (isWanted !== undefined && !(await isWanted(message))) {
        this.others++
        this.lastOther = message
      } else this.#messages.push(message)
      this.#wake()
    }
    this.#wake()
  }

  /** Waits for the next message; false if time is up or there will be none. */
  async #next(until: number): Promise<boolean> {
    const left = until - performance.now()
    if (left <= 0 || this.#signal.aborted) return false
    const timer = new AbortController()
    const {promise: woken, resolve} = Promise.withResolvers<true>()
    this.#wake = () => resolve(true)
    const ended = this.#done.then(
      () => false,
      () => false,
    )
    const late = sleep(left, timer.signal).then(() => false)
    const came = await Promise.race([woken, ended, late])
    timer.abort()
    return came
  }
}

function boundsOf(spec: Shapes['messages']): CountBounds {
  const {exactly, none, 'at-most': most, settle = '200ms'} = spec
  if (none) return {least: 0, most: 0, settleMs: undefined}
  if (exactly !== undefined) return {least: exactly, most: exactly, settleMs: exactly === 0 ? undefined : msOf(settle)}
  const least = spec['at-least'] ?? (most === undefined ? 1 : 0)
  return {least, most: most ?? Number.POSITIVE_INFINITY, settleMs: undefined}
}

/** Whether a check that passes waits the whole time. */
function isBounded({none, exactly, 'at-most': most}: Shapes['messages']): boolean {
  return none === true || exactly === 0 || most !== undefined
}

function countMiss(
  count: number,
  {least, most}: CountBounds,
  {patterns, waitMs, others}: {readonly patterns: readonly string[]; readonly waitMs: number; readonly others: number},
): string[] {
  if (count >= least && count <= most) return []
  const how =
    least === most
      ? most === 0
        ? 'no message'
        : `exactly ${counted(most, 'message')}`
      : count < least
        ? `at least ${counted(least, 'message')}`
        : `at most ${counted(most, 'message')}`
  const left = others === 0 ? '' : `; ${others} more did not match "where"`
  const time = count < least ? ` within ${Math.round(waitMs)} ms` : ''
  return [`expected ${how} on ${patterns.join(' ')}${time}, but ${count} arrived${left}`]
}

async function orderMiss({order}: Check, spec: Shapes['messages'], contexts: readonly object[]): Promise<string[]> {
  const [first] = order
  if (first === undefined || contexts.length === 0) return []
  return Array.isArray(spec.order) ? await sequenceMiss(order, contexts) : await risingMiss(first, contexts)
}

async function sequenceMiss(order: Check['order'], contexts: readonly object[]): Promise<string[]> {
  let at = 0
  for (const context of contexts) {
    const next = order[at]
    if (next !== undefined && isTruthy(await next.read(context))) at++
  }
  const missing = order[at]
  if (missing === undefined) return []
  const before = at === 0 ? '' : ` after the one for ${order[at - 1]?.source}`
  return [`no message for ${missing.source} arrived${before}`]
}

async function risingMiss({source, read}: Check['order'][number], contexts: readonly object[]): Promise<string[]> {
  let last: unknown
  for (const [at, context] of contexts.entries()) {
    const value = await read(context)
    if (typeof value !== 'number' && typeof value !== 'string')
      return [`${source} of message ${at + 1} is neither a number nor text`]
    if (last !== undefined && value < (last as typeof value))
      return [`${source} decreases at message ${at + 1}: ${JSON.stringify(value)} after ${JSON.stringify(last)}`]
    last = value
  }
  return []
}
