import {BusError, thrownText} from '../../core/errors.ts'
import {Message} from '../../core/message.ts'
import {isSystemSubject} from '../../core/subject.ts'
import {type BoundOptions, Bounds} from '../../messaging/bounds.ts'
import type {Transport} from '../../transport/contract.ts'
import {flushReplies, type ReplyOptions, systemReplyError} from '../../transport/reply-sender.ts'
import {type Close, closeCodes} from './close-reasons.ts'
import {checkManyReplies, decodeOpenRequest, type ReadRequest} from './dialects.ts'
import {Presence, type PresenceOptions, type Written} from './presence.ts'
import {type FrameBus, StreamWriter} from './writer.ts'

/**
 * Writes the frames of one response stream; the request has the consumer's body, in either dialect. When it resolves, the
 * response stream is closed with the returned close, by default 1000; an exception closes it with 5000. Once the signal aborts,
 * nobody reads any more, or the service is shutting down.
 */
export type Producer = (request: Message, writer: StreamWriter, signal: AbortSignal) => Promise<Close | undefined>

/**
 * A service of response streams: its subject, its producer, and its bounds. After `idleMs` without a request, open response
 * streams may finish; after `forMs` or when `signal` aborts they are closed with 1001.
 */
export interface StreamService extends Omit<BoundOptions, 'count'>, ReplyOptions {
  readonly subject: string
  readonly queue?: string | undefined
  readonly producer: Producer
  /** Response streams to write at the same time. */
  readonly concurrency: number
  readonly presence?: PresenceOptions | undefined
  readonly onLive?: (() => void) | undefined
  /** Called with a sentence about the first request that gets no response stream because of its reply subject. */
  readonly onRefused?: ((sentence: string) => void) | undefined
  /** Called for each response stream that has ended. */
  readonly onStreamed?: ((streamed: Streamed) => void) | undefined
}

/** The outcome of one response stream. */
export interface Streamed {
  /** With the consumer's body as its payload. */
  readonly request: Message
  readonly frames: number
  /** Bytes of data. */
  readonly bytes: number
  readonly close: Close
  /** The consumer was gone before the end. */
  readonly isLeft: boolean
  readonly ms: number
}

/** The totals of a service. */
export interface StreamsServed {
  readonly streams: number
  /** Response streams closed with a code other than 1000. */
  readonly failed: number
  /** Response streams whose consumer was gone. */
  readonly left: number
  /** Requests that named no subject for the frames. */
  readonly ignored: number
  readonly dropped: number
  readonly ms: number
}

/** What a response stream needs from its service. */
interface Open {
  readonly onRefused: (sentence: string) => void
  readonly bus: Transport
  readonly service: StreamService
  readonly presence: Presence
  readonly stop: AbortSignal
  /** The response streams being written, by the subject of their frames, with what to do if it is refused. */
  readonly refusals: Map<string, (failure: BusError) => void>
}

/** Serves response streams until a bound is reached or `signal` aborts; then closes those that are open, and flushes. */
export async function serveStreams(bus: Transport, service: StreamService): Promise<StreamsServed> {
  const started = performance.now()
  checkManyReplies(bus)
  bus.checkWritable?.()
  await using subscription = await bus.subscribe(service.subject, {queue: service.queue})
  using presence = new Presence(bus, service.presence)
  const shutdown = new AbortController()
  const shutDown = () => {
    shutdown.abort()
    void subscription.drain()
  }
  using bounds = new Bounds(service, (reason) => (reason === 'idle' ? void subscription.drain() : shutDown()))
  const counts = {streams: 0, failed: 0, left: 0, ignored: 0}
  const open = new Set<Promise<void>>()
  const refusals: Open['refusals'] = new Map()
  let isReported = false
  const onRefused = (sentence: string) => {
    if (!isReported) service.onRefused?.(sentence)
    isReported = true
  }
  let failure: {error: unknown} | undefined
  const count = (streamed: Streamed | undefined) => {
    if (streamed === undefined) return void counts.ignored++
    counts.streams++
    if (streamed.isLeft) counts.left++
    else if (streamed.close.code !== closeCodes.normal) counts.failed++
    service.onStreamed?.(streamed)
  }
  service.onLive?.()
  for (;;) {
    const room = service.concurrency - open.size
    if (room <= 0) {
      await bounds.busy(Promise.race(open))
      continue
    }
    const requests = await subscription.take(room)
    if (requests.length === 0) break
    bounds.came(0)
    for (const request of requests) {
      const one: Promise<void> = stream(request, {onRefused, bus, service, presence, stop: shutdown.signal, refusals})
        .then(count)
        .catch((error) => {
          failure ??= {error}
          shutDown()
        })
        .finally(() => open.delete(one))
      open.add(one)
    }
  }
  await Promise.all(open)
  if (failure !== undefined) throw failure.error
  await bus.flush()
  return {...counts, dropped: subscription.dropped, ms: performance.now() - started}
}

/** Writes one response stream to its end; undefined for a request that names no subject for the frames. */
async function stream(message: Message, context: Open): Promise<Streamed | undefined> {
  const {service, presence, stop, refusals} = context
  const from = performance.now()
  const read = decodeOpenRequest(message.payload)
  const reply = message.reply ?? replyOf(read)
  if (reply === undefined) return undefined
  if (!service.systemReplies && isSystemSubject(reply)) {
    context.onRefused(systemReplyError(reply).message)
    return undefined
  }
  const refused = new AbortController()
  const bus = outletOf(context, refused.signal)
  refusals.set(reply, (failure) => refused.abort(failure))
  const writer = new StreamWriter(bus, reply)
  const request = withBody(message, reply, read)
  let isLeft = false
  if (typeof read === 'string') writer.closeWithCode(closeCodes.badRequest, 'error decoding the request', read)
  else {
    const gone = new AbortController()
    const onGone = () => {
      isLeft = true
      gone.abort()
    }
    const written: Written = {subject: message.subject, reply, consumer: read.consumer, onGone}
    presence.add(written)
    const close = await produce(service.producer, request, writer, AbortSignal.any([gone.signal, refused.signal, stop]))
    presence.remove(written)
    tryClose(writer, isLeft ? noLongerRead : stop.aborted ? goingAway : close)
  }
  // The consumer detects lost frames; a failure of the bus ends the service elsewhere.
  await bus.flush().catch(() => undefined)
  refusals.delete(reply)
  const {frames, bytes, closed = goingAway} = writer
  const close = refused.signal.aborted ? failedWith(refused.signal.reason) : closed
  return {request, frames, bytes, close, isLeft, ms: performance.now() - from}
}

/** The bus for the frames of one response stream: a refusal of other frames does not fail its flush. */
function outletOf({bus, refusals}: Open, refused: AbortSignal): FrameBus {
  return {
    url: bus.url,
    features: bus.features,
    get maxPayload() {
      return bus.maxPayload
    },
    publish: (message) => bus.publish(message),
    async flush() {
      await flushReplies(bus, (subject, failure) => {
        const refuse = refusals.get(subject)
        refuse?.(failure)
        return refuse !== undefined
      })
      refused.throwIfAborted()
    },
  }
}

const goingAway: Close = {code: closeCodes.goingAway, text: 'shutting down', isOwn: true}
const noLongerRead: Close = {
  code: closeCodes.goingAway,
  text: 'the consumer no longer reads this response stream',
  isOwn: true,
}
const done: Close = {code: closeCodes.normal, text: ''}

async function produce(
  producer: Producer,
  request: Message,
  writer: StreamWriter,
  signal: AbortSignal,
): Promise<Close> {
  try {
    const close = (await producer(request, writer, signal)) ?? done
    if (Number.isSafeInteger(close.code) && typeof close.text === 'string') return close
    throw new TypeError('the producer returned something other than a close or undefined')
  } catch (error) {
    return failedWith(error)
  }
}

function failedWith(error: unknown): Close {
  return {code: closeCodes.internalError, text: thrownText(error)}
}

/** An invalid reply subject is the requester's fault and must not end the service. */
function tryClose(writer: StreamWriter, close: Close): void {
  try {
    writer.closeWith(close)
  } catch (error) {
    if (!(error instanceof BusError)) throw error
  }
}

function replyOf(read: ReadRequest | string): string | undefined {
  const consumer = typeof read === 'string' ? undefined : read.consumer
  return consumer && consumer.inbox + consumer.token
}

function withBody({subject, payload, headers, seq, time}: Message, reply: string, read: ReadRequest | string): Message {
  return new Message(subject, typeof read === 'string' ? payload : read.body, headers, reply, seq, time)
}
