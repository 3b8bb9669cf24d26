/** Checks that send a request and judge the answer: `req`, `rpc`, `open`, `latency`. */

import {BusError} from '../../core/errors.ts'
import {serviceFailure} from '../../core/message.ts'
import {roundedMs} from '../../core/record.ts'
import {contextOf} from '../../core/text/jsonata.ts'
import {ask, type TimedReply} from '../../messaging/pubsub/request.ts'
import {type CheckEnvironment, type CheckOutcome, msOf} from '../check.ts'
import type {Shapes} from '../shape.ts'
import {bodyOf, headersOf} from './publish.ts'

export async function checkReq(spec: Shapes['req'], environment: CheckEnvironment): Promise<CheckOutcome> {
  const {bus, variables, folder, signal} = environment
  const subject = variables.text(spec.subject)
  const answers: TimedReply[] = []
  let error: BusError | undefined
  try {
    const idle = spec['until-idle']
    const replies = ask(bus, {
      message: {subject, data: bodyOf(spec, variables, folder), headers: headersOf(spec.headers, variables)},
      ...{timeoutMs: environment.waitMs(spec.within), signal, replies: spec.replies},
      ...{idleMs: idle === undefined ? undefined : msOf(idle), untilEmpty: spec['until-empty']},
    })
    for await (const answer of replies) {
      answers.push(answer)
      environment.saw(answer.message)
    }
  } catch (failure) {
    error = judgeable(failure)
  }
  const [first] = answers
  error ??= answers.map(({message}) => serviceFailure(message, subject)).find((failure) => failure !== undefined)
  const messages = answers.map(withMs)
  return {result: {...(first && withMs(first)), messages}, error, message: first?.message}
}

export async function checkRpc(spec: Shapes['rpc'], environment: CheckEnvironment): Promise<CheckOutcome> {
  const {bus, protocols, variables, signal} = environment
  const {'trace-id': traceId, within, ...call} = variables.json(spec)
  const {payload, reply, failure} = await protocols.call(bus, {
    ...{payload: undefined, ...call, traceId},
    ...{timeoutMs: environment.waitMs(within), signal},
  })
  if (reply !== undefined) environment.saw(reply)
  const text = payload === undefined ? '' : JSON.stringify(payload)
  const about = reply === undefined ? {} : {subject: reply.subject, headers: contextOf(reply).headers}
  return {
    result: {...about, json: payload, text, bytes: Buffer.byteLength(text)},
    error: failure === undefined ? undefined : judgeable(failure),
    message: reply,
  }
}

export async function checkOpen(spec: Shapes['open'], environment: CheckEnvironment): Promise<CheckOutcome> {
  const {bus, protocols, variables, folder, signal} = environment
  const {dialect, frames: count, idle} = spec
  const {frames, close, failure} = await protocols.open(bus, {
    ...{subject: variables.text(spec.subject), body: bodyOf(spec, variables, folder)},
    ...{dialect, frames: count, timeoutMs: environment.waitMs(spec.within), signal},
    ...(idle !== undefined && {idleMs: msOf(idle)}),
  })
  frames.forEach(environment.saw)
  const [first] = frames
  const messages = frames.map(contextOf)
  return {
    result: {...(first && contextOf(first)), frames: messages, messages, close},
    error: failure === undefined ? undefined : judgeable(failure),
    message: frames.at(-1),
  }
}

const bounds = ['p50', 'p90', 'p99', 'p999', 'p9999', 'max'] as const

export async function checkLatency(spec: Shapes['latency'], environment: CheckEnvironment): Promise<CheckOutcome> {
  const {bus, protocols, variables, folder, signal} = environment
  const {count = 100, concurrency = 1, 'warm-up': warmUp = 1, 'max-failed': mostFailed = 0} = spec
  const message = {
    subject: variables.text(spec.subject),
    ...{data: bodyOf(spec, variables, folder), headers: headersOf(spec.headers, variables)},
  }
  const load = {message, concurrency, timeoutMs: environment.waitMs(spec.within), signal}
  if (warmUp > 0) await protocols.measure(bus, {...load, count: warmUp})
  const {failure, ...measured} = await protocols.measure(bus, {...load, count})
  const failed = measured.requests - measured.ok
  const misses = bounds.flatMap((bound) => {
    // The report leaves out percentiles for which there are few values; they are then the greatest value.
    const [most, seen] = [spec[bound], measured[bound] ?? measured.max]
    return most === undefined || seen === undefined || seen <= msOf(most)
      ? []
      : [`${bound} is ${seen} ms, more than ${most}`]
  })
  return {result: measured, misses, error: failed > mostFailed ? judgeable(failure) : undefined}
}

function withMs({message, ms}: TimedReply): object {
  return {...contextOf(message), ms: roundedMs(ms)}
}

/** A failure of the bus, which can be judged; any other error is thrown. */
function judgeable(failure: unknown): BusError {
  if (failure instanceof BusError) return failure
  throw failure
}
