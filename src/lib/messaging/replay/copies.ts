/** Buses as sinks: another subject of the same bus, or a stream of another one, resumable without loss or doubles. */
import {BusError} from '../../core/errors.ts'
import {type Headers, headerOf, type Message, type Outgoing} from '../../core/message.ts'
import {checkSubject} from '../../core/subject.ts'
import {splitPlaceholders, unknownPlaceholder} from '../../core/text/placeholders.ts'
import type {Transport} from '../../transport/contract.ts'
import {type StreamInfo, type StreamPublisher, storeHeaders} from '../../transport/streams-contract.ts'
import type {Sink} from '../sinks/sink.ts'

const batch = 512

/** Where a copy came from. They travel with it. */
const copyHeaders = {stream: 'Bus-Stream', seq: 'Bus-Sequence', time: 'Bus-Time', msgId: 'Bus-Msg-Id'} as const

/** How many of a target's last messages are looked through for a copy, to begin with. */
const lookBack = 1000

/**
 * Publishes each message on this bus under another subject, `copy.{subject}`. Where a stream keeps the subject its
 * acknowledgement is waited for. Throws `usage`.
 */
export function republishSink(
  bus: Transport,
  template: string,
  source: {readonly keptBy: (subject: string) => boolean},
): Sink {
  const subjectOf = compileSubject(template)
  let publisher: StreamPublisher | undefined
  let first = true
  return {
    batch,
    depth: 4,
    async take(messages) {
      const copies = messages.map((message) => ({...outgoing(message), subject: subjectOf(message)}))
      if (first && copies[0] !== undefined) {
        first = false
        const {subject} = copies[0]
        if (source.keptBy(subject)) {
          throw new BusError('usage', `"${subject}" is a subject of what is replayed: it would never end`, {
            try: ['another subject', 'a replay without --follow'],
          })
        }
        if ((await keeping(bus, subject)).length > 0) publisher = bus.streams.publisher()
      }
      return publisher === undefined ? plain(bus, copies) : push(publisher, copies)
    },
    async [Symbol.asyncDispose]() {
      await publisher?.[Symbol.asyncDispose]()
    },
  }
}

export interface IntoSink extends Sink {
  readonly stream: string
  /** The last message of the source that is there already; 0 for none. */
  readonly after: number
  /** Messages that were there already. */
  readonly known: number
}

/**
 * Copies messages into the stream of another bus that keeps their subjects, made like the source's with `create`. What
 * it has already, by the headers of its last messages, is passed over. Fails with `notFound` without such a stream.
 */
export async function intoSink(
  target: Transport,
  source: StreamInfo,
  options: {readonly create: boolean},
): Promise<IntoSink> {
  const stream = await targetStream(target, source, options.create)
  const after = await lastCopy(target, stream, source.config.name)
  const publisher = target.streams.publisher({window: 4 * batch})
  let known = 0
  return {
    stream,
    after,
    get known() {
      return known
    },
    batch,
    depth: 4,
    async take(messages) {
      const fresh = messages.filter(({seq = 0}) => seq > after)
      known += messages.length - fresh.length
      return push(
        publisher,
        fresh.map((message) => copyOf(message, source.config.name)),
      )
    },
    [Symbol.asyncDispose]: () => publisher[Symbol.asyncDispose](),
  }
}

async function push(publisher: StreamPublisher, messages: readonly Outgoing[]): Promise<undefined> {
  for (const message of messages) {
    const full = publisher.push(message)
    if (full !== undefined) await full
  }
  await publisher.flush()
}

async function plain(bus: Transport, messages: readonly Outgoing[]): Promise<undefined> {
  for (const message of messages) bus.publish(message)
  await bus.flush()
}

function outgoing({subject, payload, headers}: Message): Outgoing {
  return {subject, data: payload, headers: withoutExpectations(headers)}
}

/** A copy with where it came from; its message id is its place, so that no copy is stored twice. */
function copyOf(message: Message, stream: string): Outgoing {
  const {subject, payload, headers, seq = 0, time} = message
  const own = headerOf(headers, storeHeaders.msgId)
  return {
    subject,
    data: payload,
    headers: [
      ...withoutExpectations(headers),
      ...(own === undefined ? [] : [[copyHeaders.msgId, own] as const]),
      [storeHeaders.msgId, `${stream}/${seq}`],
      [copyHeaders.stream, stream],
      [copyHeaders.seq, String(seq)],
      [copyHeaders.time, new Date(time).toISOString()],
    ],
  }
}

/** What was expected of the stream it was published to, and the ids of an earlier copy, do not hold for this one. */
function withoutExpectations(headers: Headers): Headers {
  if (headers.length === 0) return headers
  return headers.filter(([name]) => !replaced.has(name.toLowerCase()))
}

const replaced: ReadonlySet<string> = new Set(
  [...Object.values(storeHeaders), ...Object.values(copyHeaders)].map((name) => name.toLowerCase()),
)

async function targetStream(target: Transport, {config}: StreamInfo, create: boolean): Promise<string> {
  const found = new Set<string>()
  for (const subject of config.subjects) for (const name of await keeping(target, subject)) found.add(name)
  const [stream, other] = found
  if (other !== undefined) {
    throw new BusError('usage', `several streams of ${target.url} keep these subjects: ${[...found].join(', ')}`)
  }
  if (stream !== undefined) return stream
  if (!create) {
    throw new BusError('notFound', `no stream of ${target.url} keeps ${config.subjects.join(' ')}`, {
      try: ['--create, to make one like the source', `bus stream add ${config.name} ${config.subjects.join(' ')}`],
    })
  }
  const {name, subjects, description, maxAgeMs, maxMsgs, maxBytes, maxMsgsPerSubject, maxMsgSize, discard} = config
  const settings = {name, subjects, description, maxAgeMs, maxMsgs, maxBytes, maxMsgsPerSubject, maxMsgSize, discard}
  return (await target.streams.add(settings)).config.name
}

/** Looks back further and further, as others may publish into the target too. */
async function lastCopy(target: Transport, stream: string, source: string): Promise<number> {
  const {messages} = (await target.streams.info(stream)).state
  for (let last = lookBack; ; last *= 10) {
    const after = await lastCopyAmong(target, stream, source, last)
    if (after > 0 || last >= messages) return after
  }
}

async function lastCopyAmong(target: Transport, stream: string, source: string, last: number): Promise<number> {
  await using tail = await target.streams.read(stream, {from: {last}})
  let after = 0
  for (let taken = await tail.take(batch); taken.length > 0; taken = await tail.take(batch)) {
    for (const {headers} of taken) {
      if (headerOf(headers, copyHeaders.stream) !== source) continue
      after = Math.max(after, Number(headerOf(headers, copyHeaders.seq)) || 0)
    }
  }
  return after
}

async function keeping(bus: Transport, subject: string): Promise<readonly string[]> {
  try {
    return await bus.streams.keeping(subject)
  } catch (error) {
    if (error instanceof BusError && error.kind === 'notFound') return []
    throw error
  }
}

function compileSubject(template: string): (message: Message) => string {
  const what = '--republish'
  const parts = splitPlaceholders(template, what)
  for (const part of parts) {
    if (typeof part !== 'string' && part.name !== 'subject') throw unknownPlaceholder(what, part, 'there is {subject}')
  }
  checkSubject(parts.map((part) => (typeof part === 'string' ? part : 'a')).join(''))
  let last = ''
  let made = ''
  return ({subject}) => {
    if (subject !== last) {
      last = subject
      made = checkSubject(parts.map((part) => (typeof part === 'string' ? part : subject)).join(''))
    }
    return made
  }
}
