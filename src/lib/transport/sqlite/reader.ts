/**
 * Delivers from the log to this connection's subscriptions. All that keep up share one read; one that falls behind gets its own
 * position in the file and continues from there when it takes more, so nothing is dropped, little is buffered, and the others
 * do not wait for it.
 */
import {SubjectTrie} from '../../core/subject.ts'
import type {Mailbox} from '../shared/mailbox.ts'
import {streamInboxPrefix} from '../shared/outgoing.ts'
import {type Cursor, everything, type Gap, type Log, type LogEntry, type LogPage} from './log.ts'
import {seesPassing} from './rows.ts'
import {mostKnownSubjects} from './subject-names.ts'

const mostHeld = 1024
const mostHeldBytes = 4 * 1024 * 1024

export class Subscriber {
  readonly patterns: readonly string[]
  readonly mailbox: Mailbox
  /** Wants inbox messages. */
  readonly passing: boolean
  readonly all: boolean
  /** Served from the shared read; otherwise it reads by itself from `cursor`. */
  isLive = true
  cursor: Cursor
  /** The end of its messages, once it drains. */
  end: Cursor = everything
  #heldBytes = 0

  constructor(patterns: readonly string[], cursor: Cursor, mailbox: Mailbox) {
    this.patterns = patterns
    this.cursor = cursor
    this.mailbox = mailbox
    this.all = patterns.includes('>')
    this.passing = patterns.some(seesPassing)
  }

  /** Takes an entry of the shared read, or leaves it before this entry if it holds enough. */
  accept(entry: LogEntry, before: Cursor): boolean {
    const {mailbox} = this
    const isSeen = entry.sid === 0 ? entry.cursor.passing <= this.cursor.passing : entry.cursor.seq <= this.cursor.seq
    if (isSeen) return false
    if (mailbox.length === 0) this.#heldBytes = 0
    if (mailbox.length >= mostHeld || this.#heldBytes >= mostHeldBytes) {
      this.isLive = false
      this.cursor = later(before, this.cursor)
      return false
    }
    this.#heldBytes += entry.message.payload.length
    mailbox.hold(entry.message)
    return true
  }
}

/** Excludes response streams: their numbered frames show more exactly what is missing. */
function seesAnyInbox({patterns}: Subscriber): boolean {
  return patterns.some((pattern) => !pattern.startsWith(streamInboxPrefix) && seesPassing(pattern))
}

/** Receives failures and gaps of reading. */
export interface ReadListener {
  /** The log can no longer be read. */
  unreadable(error: unknown): void
  /** Called when messages were removed before a subscription read them; `passing` means messages to inboxes. */
  missed(gap: Gap, passing: boolean): void
}

export class Reader {
  readonly #log: Log
  readonly #subscribers = new Set<Subscriber>()
  readonly #trie = new SubjectTrie<Subscriber>()
  readonly #takers = new Map<number, Subscriber[]>()
  #head: Cursor = everything
  #isScheduled = false
  readonly #listener: ReadListener
  /** Gaps up to this position have been reported. */
  #reported: Cursor = {seq: 0, passing: 0}

  constructor(log: Log, listener: ReadListener) {
    this.#log = log
    this.#listener = listener
  }

  add(subscriber: Subscriber): void {
    this.#log.want(subscriber.patterns)
    this.#subscribers.add(subscriber)
    for (const pattern of subscriber.patterns) this.#trie.add(pattern, subscriber)
    this.#takers.clear()
    this.#join(subscriber)
  }

  remove(subscriber: Subscriber): void {
    this.#subscribers.delete(subscriber)
    for (const pattern of subscriber.patterns) this.#trie.remove(pattern, subscriber)
    this.#takers.clear()
    this.#log.unwant(subscriber.patterns)
  }

  /** From now on it reads by itself, and only existing messages. */
  drain(subscriber: Subscriber): void {
    if (subscriber.isLive) subscriber.cursor = later(this.#head, subscriber.cursor)
    subscriber.isLive = false
    subscriber.end = this.#log.end()
  }

  /** Reads a page for all that keep up; more follows in later turns. Returns whether there was anything. */
  run(): boolean {
    if (this.#subscribers.size === 0) return false
    try {
      return this.#run()
    } catch (error) {
      this.#listener.unreadable(error)
      return false
    }
  }

  /** Fills the mailbox of a subscriber that has fallen behind. At the end, it joins the others again. */
  refill(subscriber: Subscriber): void {
    while (!subscriber.isLive && subscriber.mailbox.length === 0) {
      const page = this.#log.page(subscriber.cursor, subscriber.end, {
        all: subscriber.all,
        passing: subscriber.passing,
        gapsAfter: this.#reported,
      })
      this.#report(page, seesAnyInbox(subscriber))
      for (const entry of page.entries) {
        if (this.#takersOf(entry).includes(subscriber)) subscriber.mailbox.hold(entry.message)
      }
      subscriber.cursor = page.cursor
      if (page.isFull) continue
      if (subscriber.end === everything) this.#join(subscriber)
      return
    }
  }

  #join(subscriber: Subscriber): void {
    subscriber.isLive = true
    const others = [...this.#subscribers].some((other) => other.isLive && other !== subscriber)
    if (!others) this.#head = subscriber.cursor
    this.#schedule()
  }

  #run(): boolean {
    const live = [...this.#subscribers].filter((subscriber) => subscriber.isLive)
    if (live.length === 0) return false
    const all = live.some((subscriber) => subscriber.all)
    const passing = live.some((subscriber) => subscriber.passing)
    const page = this.#log.page(this.#head, everything, {all, passing, gapsAfter: this.#reported})
    this.#report(page, live.some(seesAnyInbox))
    this.#deliver(page)
    this.#head = page.cursor
    if (page.isFull) this.#schedule()
    return page.entries.length > 0
  }

  #deliver(page: LogPage): void {
    const touched = new Set<Subscriber>()
    let before = this.#head
    for (const entry of page.entries) {
      for (const subscriber of this.#takersOf(entry)) {
        if (subscriber.isLive && subscriber.accept(entry, before)) touched.add(subscriber)
      }
      before = entry.cursor
    }
    for (const subscriber of touched) subscriber.mailbox.wake()
  }

  #report({gap, passingGap}: LogPage, seesAnyInbox: boolean): void {
    if (gap !== undefined) {
      this.#reported = {...this.#reported, seq: gap.last}
      if (gap.messages > 0) this.#listener.missed(gap, false)
    }
    if (passingGap === undefined || !seesAnyInbox) return
    this.#reported = {...this.#reported, passing: passingGap.last}
    this.#listener.missed(passingGap, true)
  }

  #takersOf(entry: LogEntry): Subscriber[] {
    if (entry.sid === 0) return [...new Set(this.#trie.match(entry.message.subject))]
    let takers = this.#takers.get(entry.sid)
    if (takers === undefined) {
      if (this.#takers.size >= mostKnownSubjects) this.#takers.clear()
      takers = [...new Set(this.#trie.match(entry.message.subject))]
      this.#takers.set(entry.sid, takers)
    }
    return takers
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.run()
    })
  }
}

function later(one: Cursor, other: Cursor): Cursor {
  return {seq: Math.max(one.seq, other.seq), passing: Math.max(one.passing, other.passing)}
}
