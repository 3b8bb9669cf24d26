/** Answering RPC methods: envelopes taken off requests and put around answers. */
import {BusError} from '../../core/errors.ts'
import type {Message} from '../../core/message.ts'
import {warnOfFailure} from '../../core/process/background-failure.ts'
import type {SubscribeOptions, Transport} from '../../transport/contract.ts'
import {decodeRequest, err, ok, type RpcRequest} from './envelope.ts'

/** Answers a request with the JSON of a payload, undefined for null. What it throws is the error of an `ok: false`. */
export type MethodHandler = (request: RpcRequest, message: Message) => string | undefined | Promise<string | undefined>

/** The envelope that answers a message; a promise only where the handler gives one. Neither throws nor rejects. */
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
  return err(error instanceof Error ? error.message : String(error))
}

/** What a request that is no envelope is answered with. */
export function badEnvelope(reason: string): string {
  return `invalid request envelope: ${reason}`
}

/** A method that is served. Leaving `await using` closes it. */
export interface Registration extends AsyncDisposable {
  /** Takes no more calls and answers those in progress. Rejects with what kept it from serving, if anything did. */
  close(): Promise<void>
}

/** How calls are taken. */
export interface RegisterOptions extends Pick<SubscribeOptions, 'queue'> {
  /** Told what keeps it from serving any longer. Without it the process emits a warning. */
  readonly onFailure?: ((error: unknown) => void) | undefined
}

/** Calls that are taken at once. */
const batchSize = 64

/** Serves a method; calls of one batch are worked on at the same time. Live when it resolves. */
export async function register(
  bus: Transport,
  subject: string,
  handle: MethodHandler,
  options: RegisterOptions = {},
): Promise<Registration> {
  const subscription = await bus.subscribe(subject, options)
  const open = new Set<Promise<void>>()
  const serveOne = (message: Message) => {
    const envelope = answer(message, handle)
    if (typeof envelope === 'string') return send(bus, message.reply, envelope)
    const one: Promise<void> = envelope.then((data) => send(bus, message.reply, data)).finally(() => open.delete(one))
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
    if (options.onFailure === undefined) warnOfFailure(`calls on "${subject}"`, error)
    else options.onFailure(error)
  })
  const close = async () => {
    isClosing = true
    await subscription.drain()
    await serving
    await bus.flush()
  }
  return {close, [Symbol.asyncDispose]: close}
}

/** An answer that is too large becomes an error; a reply subject that is not one is the caller's fault. */
function send(bus: Transport, reply: string | undefined, data: string): void {
  if (reply === undefined || trySend(bus, reply, data)) return
  trySend(bus, reply, err('the answer is too large for the bus'))
}

function trySend(bus: Transport, reply: string, data: string): boolean {
  try {
    bus.publish({subject: reply, data})
    return true
  } catch (error) {
    if (error instanceof BusError) return false
    throw error
  }
}
