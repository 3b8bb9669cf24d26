/**
 * Snapshots of streams in the format of the server: sequences, times and consumers are in them. The server sends the chunks of a snapshot to
 * a subject and waits for a reply to each, so that only some are on their way; a restore sends them as requests
 * (`$JS.API.STREAM.SNAPSHOT`, `$JS.API.STREAM.RESTORE`; docs.nats.io, "Disaster Recovery").
 */
import {BusError, interruptedError, isFailure} from '../../../core/errors.ts'
import {headerOf} from '../../../core/message.ts'
import {objectIn} from '../../../core/text/json-text.ts'
import {shellWord} from '../../../core/text/shell-word.ts'
import {Timer} from '../../../core/time/timer.ts'
import type {SnapshotHead, SnapshotOptions, StreamSnapshot, Transport} from '../../contract.ts'
import {codeOf} from '../../shared/jetstream-errors.ts'
import {checkStoreName} from '../../shared/stream-settings.ts'
import type {StreamInfo} from '../../streams-contract.ts'
import {apiFailure, apiRequest, listening} from './api.ts'
import type {ErrorJson, StreamJson} from './json.ts'
import type {JetStreamSession} from './session.ts'
import {streamInfo} from './settings.ts'

/** The server accepts at most a mebibyte, and `max_payload` may be less. */
const chunkBytes = 512 * 1024
/** How long the server may prepare a chunk, or store all of a snapshot. */
const patienceMs = 60_000
/** Chunks of a restore that are on their way. */
const depth = 8
/** JetStream's error code. */
const nameInUse = 10_130

export async function takeSnapshot(
  bus: Transport,
  session: JetStreamSession,
  stream: string,
  {signal}: SnapshotOptions,
): Promise<StreamSnapshot> {
  const inbox = session.newInbox()
  const subscription = await bus.subscribe(inbox, {signal})
  try {
    const size = Math.min(chunkBytes, session.maxPayload - 1024)
    const body = {deliver_subject: inbox, chunk_size: size}
    const operation = `STREAM.SNAPSHOT.${checkStoreName('stream', stream)}`
    const {config, state} = await apiRequest<StreamJson>(session, operation, body, {stream, signal})
    return {head: {config, state}, chunks: chunks()}
  } catch (error) {
    await subscription.close()
    throw error
  }

  async function* chunks(): AsyncGenerator<Uint8Array> {
    await using taking = subscription
    let isLost = false
    // The server does not continue a snapshot on another connection.
    using _listener = listening(session, {
      onLost: () => {
        isLost = true
        void taking.close()
      },
    })
    for (;;) {
      let isLate = false
      const timer = new Timer(patienceMs, () => {
        isLate = true
        void taking.close()
      })
      const messages = await taking.take(16).finally(() => timer.cancel())
      if (isLost)
        throw new BusError('connect', `the connection to ${session.url} was lost during the snapshot of ${stream}`)
      if (messages.length === 0) throw isLate ? silent(session, stream) : interruptedError()
      for (const {data, reply, headers} of messages) {
        if (data.length > 0) yield data
        if (reply !== undefined) bus.publish({subject: reply})
        if (data.length > 0) continue
        const status = headerOf(headers, 'Status') ?? '200'
        if (status.startsWith('2')) return
        const why = headerOf(headers, 'Description') ?? `status ${status}`
        throw new BusError('remote', `${session.url} did not complete the snapshot of ${stream}: ${why}`)
      }
    }
  }
}

export async function restoreSnapshot(
  session: JetStreamSession,
  {config, state}: SnapshotHead,
  chunks: AsyncIterable<Uint8Array>,
  {signal}: SnapshotOptions,
): Promise<StreamInfo> {
  const {name: stream} = config
  const operation = `STREAM.RESTORE.${checkStoreName('stream', stream)}`
  const {deliver_subject: subject} = await apiRequest<{readonly deliver_subject: string}>(
    session,
    operation,
    {config, state},
    {stream, signal},
  ).catch((error) => {
    throw codeOf(error) === nameInUse ? exists(session, stream, error) : error
  })
  const lost = new AbortController()
  // The server does not continue a restore on another connection.
  using _listener = listening(session, {onLost: () => lost.abort()})
  const ending = AbortSignal.any([lost.signal, ...(signal === undefined ? [] : [signal])])
  const send = async (data: Uint8Array) => {
    const reply = await session.request({subject, data}, {timeoutMs: patienceMs, signal: ending}).catch((error) => {
      throw lost.signal.aborted || isFailure(error, 'timeout') ? unfinished(session, stream, error) : error
    })
    const answer = objectIn(reply.text) as {readonly error?: ErrorJson} | undefined
    if (answer?.error) throw apiFailure(session.url, answer.error, {stream})
    return answer
  }
  const open: Promise<unknown>[] = []
  for await (const chunk of chunks) {
    const sent = send(chunk)
    // It is awaited below.
    sent.catch(() => {})
    open.push(sent)
    if (open.length >= depth) await open.shift()
    if (signal?.aborted) throw interruptedError()
  }
  await Promise.all(open)
  const done = await send(new Uint8Array())
  if (done !== undefined && 'config' in done) return streamInfo(done as unknown as StreamJson)
  throw new BusError('remote', `${session.url} did not confirm that ${stream} was restored`)
}

/** A server that was killed has what it had stored until then. */
function unfinished({url}: JetStreamSession, stream: string, cause: unknown): BusError {
  const why = isFailure(cause, 'timeout') ? `${url} did not answer` : `the connection to ${url} was lost`
  const sentence = `${why} while ${stream} was restored: the server may have all of it, a part or nothing`
  return new BusError(isFailure(cause, 'timeout') ? 'timeout' : 'connect', sentence, {
    cause,
    try: [`bus stream info ${shellWord(stream)}`],
  })
}

function exists({url}: JetStreamSession, stream: string, cause: unknown): BusError {
  return new BusError('usage', `there is a stream ${stream} on ${url} already: a snapshot is restored as a new one`, {
    cause,
    try: [`bus stream info ${shellWord(stream)}`],
  })
}

function silent({url}: JetStreamSession, stream: string): BusError {
  return new BusError('timeout', `${url} sent nothing of the snapshot of ${stream} for ${patienceMs / 1000} s`)
}
