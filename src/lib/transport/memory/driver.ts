/** A bus inside one process: the plainest form of the contract, and the fastest for tests. Same name, same bus. */
import {type BusError, closedError} from '../../core/errors.ts'
import {Message, noHeaders} from '../../core/message.ts'
import {checkPatterns, SubjectTrie} from '../../core/subject.ts'
import type {OpenOptions, Outgoing, SubscribeOptions, Transport} from '../contract.ts'
import {Mailbox} from '../shared/mailbox.ts'
import {checkOutgoing, noRespondersHeaders, streamInboxPrefix} from '../shared/outgoing.ts'
import {interruptedError, Requests} from '../shared/requests.ts'
import {timeRoundTrips} from '../shared/round-trips.ts'
import type {Stored} from '../streams-contract.ts'
import type {MemoryStream} from './stream.ts'
import {memoryStreams, storeIn} from './streams.ts'

interface Member {
  readonly patterns: readonly string[]
  readonly queue: string | undefined
  readonly deliver: (message: Message) => void
}

class Hub {
  readonly members = new SubjectTrie<Member>()
  readonly streams = new Map<string, MemoryStream>()
  #turn = 0
  #clients = 0

  nextClient(): number {
    return ++this.#clients
  }

  /** Hands a message to every subscription once and to one member of each group; false when nobody took it. */
  deliver(message: Message): boolean {
    const found = new Set(this.members.match(message.subject))
    const groups = new Map<string, Member[]>()
    for (const member of found) {
      if (member.queue === undefined) member.deliver(message)
      else groups.set(member.queue, [...(groups.get(member.queue) ?? []), member])
    }
    for (const group of groups.values()) group[this.#turn++ % group.length]?.deliver(message)
    return found.size > 0
  }
}

const longestMs = 2 ** 31 - 1
const maxPayload = 64 * 1024 * 1024
/** The buses of this process by name, so that two `open` calls meet. */
const hubs = new Map<string, Hub>()

export function openMemory(url: string, options: OpenOptions = {}): Transport {
  const hub = hubs.get(url) ?? new Hub()
  hubs.set(url, hub)
  const inbox = `_INBOX.m${hub.nextClient()}.`
  const open = new Set<{close(): Promise<void>}>()
  let closed = false
  // An open bus keeps its process alive, as a connection would.
  const alive = setInterval(() => undefined, longestMs)

  const requests = new Requests(url, inbox, (message) => {
    const {isServed} = send(message)
    if (!isServed) requests.noResponders(message.reply ?? '', message.subject)
  })
  const replies: Member = {patterns: [`${inbox}>`], queue: undefined, deliver: (message) => requests.arrived(message)}
  for (const pattern of replies.patterns) hub.members.add(pattern, replies)

  function check(): void {
    if (closed) throw closedError(url)
  }

  /** Hands a message out and has it stored; what came of the two. */
  function send(message: Outgoing): {readonly isServed: boolean; readonly outcome: Stored | BusError} {
    check()
    checkOutgoing(message, maxPayload, url)
    // Copied, as on the other buses: what the publisher does with its buffer afterwards is its own affair.
    const data = typeof message.data === 'string' ? message.data : new Uint8Array(message.data ?? [])
    const {reply} = message
    const sent = new Message(message.subject, data, message.headers ?? noHeaders, reply)
    const outcome = storeIn(hub.streams, sent, url)
    const isServed = hub.deliver(sent)
    if (!isServed && reply?.startsWith(streamInboxPrefix)) hub.deliver(new Message(reply, '', noRespondersHeaders))
    return {isServed, outcome}
  }

  async function subscribe(patterns: string | readonly string[], options_: SubscribeOptions = {}): Promise<Mailbox> {
    check()
    if (options_.signal?.aborted) throw interruptedError()
    const wanted = checkPatterns(patterns)
    const mailbox = new Mailbox({
      limit: options_.pendingLimit,
      signal: options_.signal,
      onDrop: (dropped) => options.notify?.({kind: 'slowConsumer', text: `slow consumer: ${dropped} dropped so far`}),
      onDrain: leave,
      onClose() {
        open.delete(mailbox)
        leave()
      },
    })
    const member: Member = {patterns: wanted, queue: options_.queue, deliver: (message) => mailbox.push(message)}
    /** A member that drains is one no more: what it would not take is the other members'. */
    function leave(): void {
      for (const pattern of wanted) hub.members.remove(pattern, member)
    }
    for (const pattern of wanted) hub.members.add(pattern, member)
    open.add(mailbox)
    return mailbox
  }

  async function close(): Promise<void> {
    if (closed) return
    closed = true
    clearInterval(alive)
    for (const pattern of replies.patterns) hub.members.remove(pattern, replies)
    requests.failAll(closedError(url))
    for (const each of [...open]) await each.close()
    if (hub.members.size === 0 && hub.streams.size === 0) hubs.delete(url)
  }

  return {
    url,
    features: {
      wildcards: true,
      headers: true,
      queues: true,
      keepsForSlow: false,
      noResponders: true,
      requestsAreMessages: true,
      streams: true,
    },
    maxPayload,
    streams: memoryStreams({url, all: hub.streams, check, send: (message) => send(message).outcome, open}),
    publish: (message) => void send(message),
    async flush() {
      check()
    },
    subscribe,
    async request(message, requestOptions) {
      check()
      return requests.one(message, requestOptions)
    },
    requestMany(message, manyOptions) {
      check()
      return requests.many(message, manyOptions)
    },
    async facts() {
      check()
      return {software: 'memory', roundTripsMs: await timeRoundTrips(() => undefined)}
    },
    close,
    [Symbol.asyncDispose]: close,
  } satisfies Transport
}
