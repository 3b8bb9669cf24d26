/** Serves RPC methods: unwraps requests and wraps answers. */
import {thrownText} from '../../core/errors.ts'
import type {Message} from '../../core/message.ts'
import {warnOfFailure} from '../../core/process/background-failure.ts'
import type {SubscribeOptions, Transport} from '../../transport/contract.ts'
import {ReplySender} from '../../transport/reply-sender.ts'
import {decodeRequest, err, ok, type RpcRequest} from './envelope.ts'

/** Answers a request with a payload as JSON text; undefined means null. An exception becomes the error of an `ok: false`. */
export type MethodHandler = (request: RpcRequest, message: Message) => string | undefined | Promise<string | undefined>

/** The envelope that answers a message; a promise only if the handler returns one. Neither throws nor rejects. */
function answer(message: Message, handle: MethodHandler): string | Promise<string> {
  const request = decodeRequest(message.payload)
  if (typeof request === 'string') return err(badEnvelope(request))
  try {
    const payload = handle(request, message)
    return payload instanceof Promise ? payload.then(ok, failure) : ok(payload)
  } catch (error) {
    return failure(error)
  }
}

function failure(error: unknown): string {
  return err(thrownText(error))
}

/** The answer to a request that is not an envelope. */
export function badEnvelope(reason: string): string {
  return `invalid request envelope: ${reason}`
}

/** A served method. It supports `await using`. */
export interface Registration extends AsyncDisposable {
  /** Takes no more calls and answers those in progress. Rejects with the failure that ended it, if there was one. */
  close(): Promise<void>
}

/** The options of a served method. */
export interface RegisterOptions extends Pick<SubscribeOptions, 'queue'> {
  /** Called when it cannot continue to serve. Without it the process emits a warning. */
  readonly onFailure?: ((error: unknown) => void) | undefined
}

/** Calls to take at a time. */
const batchSize = 64

/** Serves a method; calls of one batch are handled at the same time. It is live when the promise resolves. */
export async function register(
  bus: Transport,
  subject: string,
  handle: MethodHandler,
  options: RegisterOptions = {},
): Promise<Registration> {
  bus.checkWritable?.()
  const subscription = await bus.subscribe(subject, options)
  const open = new Set<Promise<void>>()
  const {onFailure = (error: unknown) => warnOfFailure(`calls on "${subject}"`, error)} = options
  const replies = new ReplySender(
    bus,
    (failure, isFirst) => isFirst && warnOfFailure(`a caller of "${subject}"`, failure),
  )
  const serveOne = (message: Message) => {
    const envelope = answer(message, handle)
    if (typeof envelope === 'string') return send(replies, message.reply, envelope)
    const one: Promise<void> = envelope
      .then((data) => send(replies, message.reply, data))
      .finally(() => open.delete(one))
    open.add(one)
  }
  const serving = (async () => {
    for (let batch = await subscription.take(batchSize); batch.length > 0; batch = await subscription.take(batchSize)) {
      for (const message of batch) serveOne(message)
    }
    await Promise.all(open)
  })()
  let isClosing = false
  serving.catch((error: unknown) => {
    // `close` fails with it too.
    if (isClosing) return
    onFailure(error)
  })
  const close = async () => {
    isClosing = true
    await subscription.drain()
    await serving
    await replies.flush()
  }
  return {close, [Symbol.asyncDispose]: close}
}

/** An answer that is too large becomes an error; an invalid reply subject is the caller's fault. */
function send(replies: ReplySender, reply: string | undefined, data: string): void {
  if (reply === undefined || replies.send({subject: reply, data}) === undefined) return
  replies.send({subject: reply, data: err('the answer is too large for the bus')})
}
