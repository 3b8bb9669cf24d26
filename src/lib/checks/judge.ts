/** From the outcome of a check to its failures. */

import {isDeepStrictEqual} from 'node:util'
import type {BusError, FailureKind} from '../core/errors.ts'
import {shown} from '../core/expectation.ts'
import {roundedMs} from '../core/record.ts'
import {parseLongNumbers} from '../core/text/long-numbers.ts'
import type {Check, CheckOutcome, Expected} from './check.ts'
import type {Failure} from './events.ts'
import type {Variables} from './variables.ts'

/** The `status` of a failed result. Kinds without one cannot be judged. */
const statuses: Readonly<Partial<Record<FailureKind, string>>> = {
  remote: 'error',
  timeout: 'timeout',
  noResponders: 'no-responders',
  notFound: 'not-found',
  denied: 'denied',
}

/** Whether a failure says something about what was checked, rather than that it could not be checked. */
export function isJudgeable(error: BusError): boolean {
  return statuses[error.kind] !== undefined
}

/**
 * The failures of a check. A failure of the bus is one of them, unless an expectation reads `status` or `error`; then
 * the expectations decide. `ms` is the duration if the result has none.
 */
export async function judge(check: Check, outcome: CheckOutcome, variables: Variables, ms: number): Promise<Failure[]> {
  const {line} = check.plan
  const {message, error, misses = []} = outcome
  const view = new ResultView(outcome, variables, ms)
  const judged: Failure[] = []
  for (const expected of check.expectations) judged.push(...(await missesOf(expected, view.context, variables)))
  const failed = error === undefined || view.asked ? [] : [checkFailure(error, line)]
  const own = misses.map((sentence) => ({sentence, line}))
  // Without a result no expectation can hold: one sentence is enough.
  const rest = failed.length > 0 && message === undefined ? [] : [...own, ...judged]
  const failures = [...failed, ...rest].map((failure) => ({...failure, ...(message && {message})}))
  return [...(outcome.failures ?? []), ...failures]
}

/** Sets the variables that the check captures. A capture without a value is a failure. */
export async function capture(
  check: Check,
  outcome: CheckOutcome,
  variables: Variables,
  ms: number,
): Promise<Failure[]> {
  const {context} = new ResultView(outcome, variables, ms)
  const failures: Failure[] = []
  for (const {name, line, read} of check.captures) {
    const value = await read(context)
    if (value === undefined)
      failures.push({sentence: `${name} cannot be captured: it has no value`, line, message: outcome.message})
    else variables.set(name, value)
  }
  return failures
}

/** A failure of the bus as a failure of a check. */
export function checkFailure(error: BusError, line: number): Failure {
  const {message: sentence, kind, try: hints, data} = error
  return {
    ...{sentence, line, kind},
    ...(data?.['unanswered'] === true && {unanswered: true}),
    ...(hints.length > 0 && {try: hints}),
  }
}

/** What expressions see, and whether they have read how the check ended. */
class ResultView {
  readonly context: object
  asked = false

  constructor({result, error}: CheckOutcome, variables: Variables, ms: number) {
    const observed = <T>(value: T) => ({
      enumerable: true,
      get: () => {
        this.asked = true
        return value
      },
    })
    const members = {ms: roundedMs(ms), ...result, vars: variables.all}
    this.context = Object.defineProperties(members, {
      status: observed(error === undefined ? 'ok' : (statuses[error.kind] ?? 'error')),
      error: observed(error && errorOf(error)),
    })
  }
}

function errorOf({kind, message, data}: BusError): {code: unknown; text: unknown} {
  const {code = kind, error: said = message, text = said} = data ?? {}
  const number = Number(code)
  return {code: code !== '' && Number.isInteger(number) ? number : code, text}
}

async function missesOf(expected: Expected, context: object, variables: Variables): Promise<Failure[]> {
  const {source, line} = expected
  if ('missOf' in expected) {
    const miss = await expected.missOf(context)
    return miss === undefined ? [] : [{sentence: miss.sentence, line, expression: source, seen: miss.seen}]
  }
  const wanted = variables.json(expected.wanted)
  const value = plain(await expected.read(context))
  if (isDeepStrictEqual(value, wanted)) return []
  const sentence = `expected ${source} to be ${shown(wanted).replace(/^is /, '')}, but it ${shown(value)}`
  return [{sentence, line, expression: source, seen: {[source]: value}, expected: wanted}]
}

/** A copy without the properties that JSONata adds to arrays. */
function plain(value: unknown): unknown {
  return value === undefined ? undefined : parseLongNumbers(JSON.stringify(value) ?? 'null').value
}
