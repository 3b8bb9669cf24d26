/** The ways to answer a request, for `serve`: a fixed reply, the request itself, an expression, a program. */

import {messageEnvironment} from '../../core/environment.ts'
import {BusError} from '../../core/errors.ts'
import type {Headers, Message} from '../../core/message.ts'
import {type Captured, failureOf, run} from '../../core/process/exec.ts'
import {compileJsonata, contextOf, resultText} from '../../core/text/jsonata.ts'
import {sleep} from '../../core/time/timer.ts'

/** The answer to a request: a reply, or a service error (ADR-32). */
export type Outcome = Reply | {readonly fault: Fault}

export interface Reply {
  readonly data: Uint8Array | string
  readonly headers?: Headers | undefined
  /** The reply itself reports a failure of the service: it is sent unchanged and counted as a failure. */
  readonly failed?: Fault | undefined
}

export interface Fault {
  /** Like HTTP status codes: 500 for a failure, 504 for a timeout. */
  readonly code: number
  readonly text: string
}

export interface RequestHandler {
  /** It answers without waiting for anything. */
  readonly instant: boolean
  /** An exception is a bug: a request that cannot be answered results in a fault. */
  handle(request: Message): Outcome | Promise<Outcome>
  /** The reply for a failure, in the form of its protocol; default a service error. */
  readonly failureReply?: ((fault: Fault) => Reply) | undefined
}

export interface DelayRange {
  readonly fromMs: number
  readonly toMs: number
}

export interface ProgramOptions {
  readonly argv: readonly string[]
  readonly timeoutMs: number
  /** Bytes of stdout after which the program is killed. */
  readonly maxBytes?: number | undefined
  /** Kills running programs. */
  readonly signal?: AbortSignal | undefined
  readonly onStderr?: ((chunk: Uint8Array) => void) | undefined
}

/** More than any bus accepts. The limit of the actual bus is checked when the reply is sent. */
const mostBytes = 64 * 1024 * 1024

/** Replies with headers and payload of the request. */
export function echo(): RequestHandler {
  return {instant: true, handle: ({payload, headers}) => ({data: payload, headers})}
}

/** Replies with the result of `make`, which is called for each request. */
export function fixed(make: () => Reply): RequestHandler {
  return {instant: true, handle: make}
}

/** Replies with the value of an expression applied to the request: a string unchanged, anything else as JSON. */
export async function expression(source: string): Promise<RequestHandler> {
  const flag = '--expr'
  const evaluate = await compileJsonata(source, flag)
  return {
    instant: false,
    async handle(request) {
      try {
        const data = resultText(await evaluate(contextOf(request)), flag)
        return data === undefined ? fault(500, `${flag} has no value for this request`) : {data}
      } catch (error) {
        if (error instanceof BusError) return fault(500, error.message)
        throw error
      }
    },
  }
}

/** Replies with what a program writes to stdout; it gets the request on stdin. */
export function program(options: ProgramOptions): RequestHandler {
  const {argv, timeoutMs, maxBytes = mostBytes, signal, onStderr} = options
  return {
    instant: false,
    async handle(request) {
      const env = messageEnvironment(request)
      const done = await run({argv, env, input: request.payload, timeoutMs, signal, onStderr}, maxBytes)
      return programFault(done, argv, maxBytes) ?? {data: done.stdout}
    },
  }
}

/** Adds headers, computed for each reply; a service error has its own. */
export function withHeaders(handler: RequestHandler, make: () => Headers): RequestHandler {
  const add = (outcome: Outcome): Outcome =>
    'fault' in outcome ? outcome : {data: outcome.data, headers: [...(outcome.headers ?? []), ...make()]}
  return {
    instant: handler.instant,
    handle(request) {
      const outcome = handler.handle(request)
      return outcome instanceof Promise ? outcome.then(add) : add(outcome)
    },
  }
}

/** Waits before each reply, to simulate a slow service. */
export function delayed(handler: RequestHandler, {fromMs, toMs}: DelayRange, random: () => number): RequestHandler {
  return {
    instant: false,
    async handle(request) {
      const ms = fromMs + random() * (toMs - fromMs)
      await sleep(ms)
      return handler.handle(request)
    },
  }
}

/** Fails this share of the requests instead of handling them. */
export function failing(handler: RequestHandler, share: number, random: () => number): RequestHandler {
  return {
    instant: handler.instant,
    handle: (request) => (random() < share ? fault(500, 'injected') : handler.handle(request)),
  }
}

function programFault({ending, overflow}: Captured, argv: readonly string[], maxBytes: number): Outcome | undefined {
  if (overflow) return fault(500, `${argv[0]} wrote more than the ${maxBytes} bytes that a reply may have`)
  const failure = failureOf(ending, argv)
  if (failure === undefined) return undefined
  if (ending.kind === 'timeout') return fault(504, failure)
  return fault(500, ending.kind === 'exited' && ending.reason !== '' ? ending.reason : failure)
}

function fault(code: number, text: string): {fault: Fault} {
  return {fault: {code, text}}
}
