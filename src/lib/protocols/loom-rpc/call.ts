import {BusError} from '../../core/errors.ts'
import type {Message} from '../../core/message.ts'
import type {Transport} from '../../transport/contract.ts'
import {decodeResponse, encodeRequest, type RpcRequest, type RpcResponse} from './envelope.ts'

/** A call: the subject of a method, and the content of its envelope. */
export interface Call extends RpcRequest {
  readonly subject: string
  /** Milliseconds; default 30,000. */
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Called with a stream that stores the request: its acknowledgement is not an answer and is skipped. */
  readonly onCaptured?: ((stream: string) => void) | undefined
}

/** The result of a call. */
export interface Answered {
  /** The decoded payload as JSON; undefined if the answer has none. */
  readonly payload: string | undefined
  /** The whole envelope. */
  readonly reply: Message
  readonly ms: number
}

/** The failure of a call that was answered with an error: kind `remote`, with the reply. */
export class RpcError extends BusError {
  readonly reply: Message

  constructor(sentence: string, reply: Message, data: Readonly<Record<string, unknown>>) {
    super('remote', sentence, {data})
    this.reply = reply
  }
}

const defaultTimeoutMs = 30_000
const whoServes = ['bus rpc ls', 'check the name of the service, and that it is running']

/**
 * Calls a method. Fails with `noResponders` immediately if nobody serves it, with `timeout`, and with `remote` if the answer is
 * `ok: false` or not an envelope.
 */
export async function call(bus: Transport, {subject, onCaptured, ...options}: Call): Promise<Answered> {
  const {timeoutMs = defaultTimeoutMs, signal, ...request} = options
  const started = performance.now()
  let streams: Set<string> | undefined
  let response: RpcResponse | undefined
  const accept = ({payload}: Message) => {
    response = decodeResponse(payload)
    if (response.kind !== 'captured') return true
    streams ??= new Set()
    if (!streams.has(response.stream)) onCaptured?.(response.stream)
    streams.add(response.stream)
    return false
  }
  try {
    // `accept` skips the acknowledgement of a stream, on every bus.
    const options = {timeoutMs, signal, accept, ackIsReply: true}
    const reply = await bus.request({subject, data: encodeRequest(request)}, options)
    return answered(subject, response ?? decodeResponse(reply.payload), reply, performance.now() - started)
  } catch (error) {
    if (!(error instanceof BusError)) throw error
    if (error.kind === 'timeout') throw timeoutError(bus.url, subject, timeoutMs, [...(streams ?? [])])
    if (error.kind === 'noResponders') throw new BusError(error.kind, error.message, {cause: error, try: whoServes})
    throw error
  }
}

function answered(subject: string, response: RpcResponse, reply: Message, ms: number): Answered {
  if (response.kind === 'ok') return {payload: response.payload, reply, ms}
  throw remoteError(subject, response, reply)
}

function remoteError(subject: string, response: RpcResponse, reply: Message): RpcError {
  if (response.kind !== 'error') {
    const reason = response.kind === 'bad' ? response.reason : 'it is the acknowledgement of a stream'
    return new RpcError(`the answer of "${subject}" is not an RPC envelope: ${reason}`, reply, {subject, reason})
  }
  const {error} = response
  return new RpcError(`"${subject}" answered with an error: ${error === '' ? '(no text)' : error}`, reply, {
    subject,
    error,
  })
}

function timeoutError(url: string, subject: string, timeoutMs: number, streams: readonly string[]): BusError {
  const only = streams.length === 0 ? '' : `; only ${streams.join(', ')} stored the request, which is not an answer`
  return new BusError('timeout', `no answer on "${subject}" within ${timeoutMs} ms from ${url}${only}`, {
    try: streams.length === 0 ? ['a longer --timeout', 'bus rpc ls'] : ['see who serves it: bus rpc ls'],
    data: {subject, streams},
  })
}
