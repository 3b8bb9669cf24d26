/** Serves RPC methods: unwraps requests and wraps answers. */
import {thrownText} from '../../core/errors.ts'
import type {Message} from '../../core/message.ts'
import {warnOfFailure} from '../../core/process/background-failure.ts'
import {parseJson} from '../../core/text/json-text.ts'
import {advertise} from '../../messaging/pubsub/service.ts'
import type {SubscribeOptions, Transport} from '../../transport/contract.ts'
import {type ReplyOptions, ReplySender} from '../../transport/reply-sender.ts'
import {decodeRequest, err, isOk, ok, type RpcRequest} from './envelope.ts'
import {announcedAs} from './names.ts'

/** Answers a request with a payload as JSON text; undefined means null. An exception becomes the error of an `ok: false`. */
export type MethodHandler = (request: RpcRequest, message: Message) => string | undefined | Promise<string | undefined>

/** The envelope that answers a message; a promise only if the handler returns one. Neither throws nor rejects. */
function answer(message: Message, handle: MethodHandler): string | Promise<string> {
  const request = decodeRequest(message.payload)
  if (typeof request === 'string') return err(badEnvelope(request))
  try {
    const payload = handle(request, message)
    return payload instanceof Promise ? payload.then(success).catch(failure) : success(payload)
  } catch (error) {
    return failure(error)
  }
}

/** A result that is not JSON would make an invalid envelope. */
function success(payload: string | undefined): string {
  if (payload !== undefined && (typeof payload !== 'string' || parseJson(payload) === undefined))
    throw new Error('the answer of the handler is not JSON')
  return ok(payload)
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
export interface RegisterOptions extends Pick<SubscribeOptions, 'queue' | 'signal'>, ReplyOptions {
  /** The prefix of the subject, if it is not `loom.rpc`: for the names under which the method is announced. */
  readonly prefix?: string | undefined
  /** Called when it cannot continue to serve. Without it the process emits a warning. */
  readonly onFailure?: ((error: unknown) => void) | undefined
}

/** Calls to take at a time. */
const batchSize = 64

/**
 * Serves a method; calls of one batch are handled at the same time. It is live when the promise resolves, and is announced as a
 * NATS service, so that `discover` finds it on every bus. It ends when the signal aborts. Fails as `subscribe` does.
 */
export async function register(
  bus: Transport,
  subject: string,
  handle: MethodHandler,
  options: RegisterOptions = {},
): Promise<Registration> {
  bus.checkWritable?.()
  const isAnnounced = bus.features.requestsAreMessages
  const {queue = isAnnounced ? undefined : subject, signal} = options
  const subscription = await bus.subscribe(subject, {queue, signal})
  const open = new Set<Promise<void>>()
  const counts = {served: 0, failed: 0, spentMs: 0}
  const {onFailure = (error: unknown) => warnOfFailure(`calls on "${subject}"`, error)} = options
  const replies = new ReplySender(
    bus,
    (failure, isFirst) => isFirst && warnOfFailure(`a caller of "${subject}"`, failure),
    options,
  )
  const serveOne = (message: Message) => {
    const from = performance.now()
    const finish = (data: string) => {
      counts.served++
      counts.spentMs += performance.now() - from
      if (!isOk(data)) counts.failed++
      send(replies, message.reply, data)
    }
    const envelope = answer(message, handle)
    if (typeof envelope === 'string') return finish(envelope)
    const one: Promise<void> = envelope.then(finish).finally(() => open.delete(one))
    open.add(one)
  }
  const identity = announcedAs(subject, options.prefix)
  const announcement = {identity, endpoint: {subject, queue}, tally: () => counts, onFailure: () => {}}
  // A login may not have the permission for it; the method is served all the same.
  const unannounced = (error: unknown) => warnOfFailure(`"${subject}" is not announced`, error)
  const announced = isAnnounced ? await advertise(bus, announcement).catch(unannounced) : undefined
  const serving = (async () => {
    await using _ = announced ?? undefined
    for (let batch = await subscription.take(batchSize); batch.length > 0; batch = await subscription.take(batchSize)) {
      for (const message of batch) serveOne(message)
    }
    await Promise.all(open)
    await replies.flush()
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
  }
  return {close, [Symbol.asyncDispose]: close}
}

/** An answer that is too large becomes an error; an invalid reply subject is the caller's fault. */
function send(replies: ReplySender, reply: string | undefined, data: string): void {
  if (reply === undefined || replies.send({subject: reply, data}) === undefined) return
  replies.send({subject: reply, data: err('the answer is too large for the bus')})
}
