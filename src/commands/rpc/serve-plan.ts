/** `rpc serve`: a request handler that unwraps the envelope of a request and wraps its answer. */
import {chooseHandler, type ExecOptions, type ServeFlags} from '../../lib/cli/flags/reply-handler.ts'
import {Message} from '../../lib/core/message.ts'
import {utf8Text} from '../../lib/core/text/encoding.ts'
import {compactJson} from '../../lib/core/text/json-text.ts'
import {compileJsonata, contextOf} from '../../lib/core/text/jsonata.ts'
import {delayed, failing, type Outcome, type RequestHandler} from '../../lib/messaging/pubsub/handlers.ts'
import {decodeRequest, err, ok, type RpcRequest} from '../../lib/protocols/loom-rpc/envelope.ts'
import {badEnvelope} from '../../lib/protocols/loom-rpc/serve.ts'

/** The handler that the flags describe. Fails with `usage`. */
export async function chooseMethod(
  flags: ServeFlags,
  options: ExecOptions,
  signal: AbortSignal,
): Promise<RequestHandler> {
  const {delay, fail, ...rest} = flags
  const chosen = await chooseHandler(rest, options, signal)
  const plain = flags.expr === undefined ? chosen : await jsonExpression(flags.expr)
  const faulty = fail === undefined ? plain : failing(plain, fail, Math.random)
  return enveloped(delay === undefined ? faulty : delayed(faulty, delay, Math.random))
}

/** Lets a handler answer the payloads of envelopes. */
function enveloped(inner: RequestHandler): RequestHandler {
  return {
    instant: inner.instant,
    failureReply: ({text}) => ({data: err(text)}),
    handle(message) {
      const request = decodeRequest(message.payload)
      if (typeof request === 'string') return failed(400, badEnvelope(request))
      const outcome = inner.handle(bare(message, request))
      return outcome instanceof Promise ? outcome.then(inEnvelope) : inEnvelope(outcome)
    },
  }
}

/** The payload as a message, with method, caller and trace as headers. */
function bare({subject, reply, seq, time}: Message, request: RpcRequest): Message {
  const {method, callerId, traceId, payload = ''} = request
  const headers = [
    ['Method', method],
    ['Caller-Id', callerId],
    ['Trace-Id', traceId ?? ''],
  ] as const
  const given = headers.filter(([, value]) => value !== '').map(([name, value]) => [name, oneLine(value)] as const)
  return new Message(subject, payload, given, reply, seq, time)
}

function inEnvelope(outcome: Outcome): Outcome {
  if ('fault' in outcome) return failed(outcome.fault.code, outcome.fault.text)
  const payload = jsonOf(outcome.data)
  return payload === undefined ? failed(500, 'the answer is not UTF-8') : {data: ok(payload)}
}

function failed(code: number, text: string): Outcome {
  return {data: err(text), failed: {code, text}}
}

/** JSON unchanged; any other text, without a trailing newline, as a JSON string; nothing as null. */
function jsonOf(data: Uint8Array | string): string | undefined {
  const text = utf8Text(data)
  if (text === undefined || text === '') return text === '' ? 'null' : undefined
  try {
    JSON.parse(text)
    return compactJson(text)
  } catch {
    // Not JSON, so it is text.
    return JSON.stringify(text.replace(/\r?\n$/, ''))
  }
}

/** The value of an expression over the payload. A string stays a string, even if it looks like a number. */
async function jsonExpression(source: string): Promise<RequestHandler> {
  const evaluate = await compileJsonata(source, '--expr')
  return {
    instant: false,
    async handle(request) {
      try {
        return {data: JSON.stringify(await evaluate(contextOf(request))) ?? 'null'}
      } catch (error) {
        return {fault: {code: 500, text: (error as Error).message}}
      }
    },
  }
}

function oneLine(text: string): string {
  return text.replace(/[\r\n\0]+/g, ' ')
}
