/** Checks that ask and judge what comes back: `req`, `rpc`, `open`, `latency`. */
import {BusError} from '../../core/errors.ts'
import {serviceFailure} from '../../core/message.ts'
import {contextOf} from '../../core/text/jsonata.ts'
import type {Ground, Outcome} from '../environment.ts'
import {msOf} from '../file.ts'
import {headersOf, payloadOf} from '../payload.ts'
import type {Shapes} from '../shape.ts'
import type {Answer} from '../tools.ts'

export async function checkReq(spec: Shapes['req'], ground: Ground): Promise<Outcome> {
  const {bus, tools, variables, folder, signal} = ground
  const subject = variables.text(spec.subject)
  const answers: Answer[] = []
  let error: BusError | undefined
  try {
    const idle = spec['until-idle']
    const replies = tools.ask(bus, {
      message: {subject, data: payloadOf(spec, variables, folder), headers: headersOf(spec.headers, variables)},
      ...{timeoutMs: ground.waitMs(spec.within), signal, replies: spec.replies},
      ...{idleMs: idle === undefined ? undefined : msOf(idle), untilEmpty: spec['until-empty']},
    })
    for await (const answer of replies) {
      answers.push(answer)
      ground.saw(answer.message)
    }
  } catch (failure) {
    error = expected(failure)
  }
  const [first] = answers
  error ??= answers.map(({message}) => serviceFailure(message, subject)).find((failure) => failure !== undefined)
  const messages = answers.map(withMs)
  return {result: {...(first && withMs(first)), messages}, error, message: first?.message}
}

export async function checkRpc(spec: Shapes['rpc'], ground: Ground): Promise<Outcome> {
  const {bus, tools, variables, signal} = ground
  const {'trace-id': traceId, within, ...call} = variables.json(spec)
  const {payload, reply, failure} = await tools.call(bus, {
    ...{payload: undefined, ...call, traceId},
    ...{timeoutMs: ground.waitMs(within), signal},
  })
  if (reply !== undefined) ground.saw(reply)
  const text = payload === undefined ? '' : JSON.stringify(payload)
  const about = reply === undefined ? {} : {subject: reply.subject, headers: contextOf(reply).headers}
  return {
    result: {...about, json: payload, text, bytes: Buffer.byteLength(text)},
    error: failure === undefined ? undefined : expected(failure),
    message: reply,
  }
}

export async function checkOpen(spec: Shapes['open'], ground: Ground): Promise<Outcome> {
  const {bus, tools, variables, folder, signal} = ground
  const {dialect, frames: count, idle} = spec
  const {frames, close, failure} = await tools.open(bus, {
    ...{subject: variables.text(spec.subject), body: payloadOf(spec, variables, folder)},
    ...{dialect, frames: count, timeoutMs: ground.waitMs(spec.within), signal},
    ...(idle !== undefined && {idleMs: msOf(idle)}),
  })
  frames.forEach(ground.saw)
  const [first] = frames
  const messages = frames.map(contextOf)
  return {
    result: {...(first && contextOf(first)), frames: messages, messages, close},
    error: failure === undefined ? undefined : expected(failure),
    message: frames.at(-1),
  }
}

const bounds = ['p50', 'p90', 'p99', 'p999', 'p9999', 'max'] as const

export async function checkLatency(spec: Shapes['latency'], ground: Ground): Promise<Outcome> {
  const {bus, tools, variables, folder, signal} = ground
  const {count = 100, concurrency = 1, 'warm-up': warmUp = 1, 'max-failed': mostFailed = 0} = spec
  const message = {
    subject: variables.text(spec.subject),
    ...{data: payloadOf(spec, variables, folder), headers: headersOf(spec.headers, variables)},
  }
  const load = {message, concurrency, timeoutMs: ground.waitMs(spec.within), signal}
  if (warmUp > 0) await tools.measure(bus, {...load, count: warmUp})
  const {failure, ...measured} = await tools.measure(bus, {...load, count})
  const failed = measured.requests - measured.ok
  const misses = bounds.flatMap((bound) => {
    const [most, seen] = [spec[bound], measured[bound]]
    return most === undefined || seen === undefined || seen <= msOf(most)
      ? []
      : [`${bound} is ${seen} ms, over ${most}`]
  })
  return {result: measured, misses, error: failed > mostFailed ? expected(failure) : undefined}
}

function withMs({message, ms}: Answer): object {
  return {...contextOf(message), ms: Math.round(ms * 1000) / 1000}
}

/** A failure that is judged; anything else is thrown. */
function expected(failure: unknown): BusError {
  if (failure instanceof BusError) return failure
  throw failure
}
