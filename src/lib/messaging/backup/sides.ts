/** The sides of a comparison: the messages that a stream has now, or those of a backup file. */
import {BusError} from '../../core/errors.ts'
import {Message, type Outgoing} from '../../core/message.ts'
import type {Transport} from '../../transport/contract.ts'
import {intoSink} from '../replay/copies.ts'
import {asCopied} from '../replay/copy-storage.ts'
import {verifyBackup} from './backup.ts'
import type {MessagePages} from './difference.ts'
import {readBackup} from './format.ts'
import {SavedRecords} from './saved-records.ts'

/** One side. It can be read several times. */
export interface ComparedSide {
  /** As people call it. */
  readonly name: string
  /** Reads from the beginning. */
  open(): Promise<MessagePages & AsyncDisposable>
  /** Absent for a file. */
  readonly place?: {readonly bus: Transport; readonly stream: string} | undefined
}

export async function streamSide(bus: Transport, stream: string, signal: AbortSignal): Promise<ComparedSide> {
  const {state} = await bus.streams.info(stream)
  return {
    name: `${stream} of ${bus.url}`,
    open: async () =>
      state.messages === 0 ? nothing : await bus.streams.read(stream, {to: {seq: state.lastSeq}, signal}),
    place: {bus, stream},
  }
}

const nothing = {take: async () => [], async [Symbol.asyncDispose]() {}}

/** A stream of a backup, whose hash is checked: `wanted`, or the only one. Fails as `verifyBackup` does, and with `usage`. */
export async function fileSide(path: string, wanted: string | undefined, signal: AbortSignal): Promise<ComparedSide> {
  const {streams} = await verifyBackup(path, signal)
  const names = streams.map(({stream}) => stream)
  const stream = names.length === 1 ? names[0] : names.find((name) => name === wanted)
  if (stream === undefined)
    throw new BusError(
      'usage',
      `${path} has the streams ${names.join(', ')}, and none named ${wanted ?? 'like the other'}`,
    )
  return {name: `${stream} in ${path}`, open: async () => new BackupPages(path, stream)}
}

class BackupPages implements MessagePages, AsyncDisposable {
  readonly #messages: AsyncGenerator<readonly Message[]>
  #page: readonly Message[] = []

  constructor(path: string, stream: string) {
    this.#messages = messagesOf(path, stream)
  }

  async take(max: number): Promise<readonly Message[]> {
    if (this.#page.length === 0) this.#page = (await this.#messages.next()).value ?? []
    const taken = this.#page.slice(0, max)
    this.#page = this.#page.slice(max)
    return taken
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#messages.return(undefined)
  }
}

async function* messagesOf(path: string, stream: string): AsyncGenerator<readonly Message[]> {
  let current = ''
  for await (const part of readBackup(path)) {
    if (part.kind === 'stream') current = part.stream.stream
    if (part.kind !== 'records' || current !== stream) continue
    const records = new SavedRecords(path, part.records)
    const messages: Message[] = []
    for (let saved = records.next(); saved !== undefined; saved = records.next()) {
      const {subject, data = '', headers = [], seq} = saved
      messages.push(new Message(subject, data, headers, undefined, seq))
    }
    yield messages
  }
}

/**
 * Copies the messages with these sequences to the end of the other side; returns how many were stored. Between two streams they are copies
 * as those of `replay --into`.
 */
export async function copyMissing(
  from: ComparedSide,
  to: ComparedSide,
  seqs: ReadonlySet<number>,
  signal: AbortSignal,
): Promise<number> {
  if (to.place === undefined) throw new BusError('usage', `${to.name} is a file: nothing can be added to it`)
  const {bus, stream} = to.place
  await using pages = await from.open()
  await using copier = from.place === undefined ? publisherInto(bus, signal) : await copierInto(from.place, bus, signal)
  if (copier.stream !== undefined && copier.stream !== stream)
    throw new BusError('usage', `stream ${copier.stream} of ${bus.url} stores these subjects, and not ${stream}`)
  let copied = 0
  for (let page = await pages.take(512); page.length > 0; page = await pages.take(512)) {
    const missing = page.filter(({seq = 0}) => seqs.has(seq))
    if (missing.length > 0) copied += await copier.copy(missing)
  }
  return copied
}

interface Copier extends AsyncDisposable {
  readonly stream?: string | undefined
  copy(messages: readonly Message[]): Promise<number>
}

function publisherInto(bus: Transport, signal: AbortSignal): Copier {
  const publisher = bus.streams.publisher({signal})
  return {
    async copy(messages) {
      for (const {subject, payload, headers} of messages) {
        const copy: Outgoing = {subject, data: payload, headers: asCopied(headers, {obeyHeaders: false})}
        const room = publisher.push(copy)
        if (room !== undefined) await room
      }
      await publisher.flush()
      return messages.length
    },
    [Symbol.asyncDispose]: () => publisher[Symbol.asyncDispose](),
  }
}

async function copierInto(
  {bus, stream}: NonNullable<ComparedSide['place']>,
  target: Transport,
  signal: AbortSignal,
): Promise<Copier> {
  const info = await bus.streams.info(stream)
  // That the target has other messages was asked before.
  const options = {obeyHeaders: false, signal, create: false, filters: undefined, confirm: async () => {}}
  const sink = await intoSink({bus, info}, target, options)
  return {
    stream: sink.stream,
    async copy(messages) {
      const {refused, alreadyThere} = await sink.copy(messages)
      const [refusal] = refused.values()
      if (refusal !== undefined) throw new BusError('remote', refusal.reason)
      return messages.length - alreadyThere
    },
    [Symbol.asyncDispose]: () => sink[Symbol.asyncDispose](),
  }
}
