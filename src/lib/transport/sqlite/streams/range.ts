/** Reads a range of a stream, one page after the other. */
import {Mailbox} from '../../shared/mailbox.ts'
import type {ReadOptions} from '../../streams-contract.ts'
import type {State} from './catalogue.ts'
import type {StreamView} from './view.ts'
import {YieldCheck} from './yield-check.ts'

const leastRows = 256

/** What a read needs from its connection. */
export interface ReadingDeps {
  /** Readers that are woken after every commit. */
  readonly readers: Set<Mailbox>
  readonly failure: (error: unknown) => unknown
}

export function readRange(view: StreamView, options: ReadOptions, {readers, failure}: ReadingDeps): Mailbox {
  const source = options.lastPerSubject === true ? lastMessages(view, options) : allMessages(view, options)
  const turn = new YieldCheck()
  const mailbox: Mailbox = new Mailbox({
    signal: options.signal,
    failure,
    refill: (max) => {
      const progress = turn.isDue() ? 'more' : source(mailbox, Math.max(max, leastRows))
      if (progress === 'end') void mailbox.drain()
      if (progress !== 'more') return undefined
      setImmediate(() => mailbox.wake())
      return 'later'
    },
    onClose: () => readers.delete(mailbox),
  })
  if (!mailbox.closed) readers.add(mailbox)
  return mailbox
}

/** Puts the next messages into the mailbox; `more` if there may be some, although none were found yet. */
type Source = (mailbox: Mailbox, most: number) => 'held' | 'more' | 'end' | 'wait'

function allMessages(view: StreamView, {from, to, follow = false}: ReadOptions): Source {
  const [first, last] = view.read((state) => [begin(view, state, from), end(view, state, to)])
  const until = follow ? Number.MAX_SAFE_INTEGER : last
  let next = first
  return (mailbox, most) => {
    if (next > until) return 'end'
    const {messages, upTo, isEnd} = view.read((state) => {
      const page = view.page(state, next, until, most)
      return {...page, messages: page.rows.map((row) => view.message(row)), isEnd: page.upTo >= state.last}
    })
    next = upTo + 1
    for (const message of messages) mailbox.hold(message)
    if (messages.length > 0) return 'held'
    if (next > until) return 'end'
    return isEnd ? 'wait' : 'more'
  }
}

function lastMessages(view: StreamView, {to}: ReadOptions): Source {
  const seqs = view.read((state) => view.lasts(end(view, state, to)))
  let next = 0
  return (mailbox, most) => {
    view.read((state) => {
      for (let taken = 0; taken < most && next < seqs.length; next++) {
        const seq = seqs[next] ?? 0
        const [row] = view.page(state, seq, seq, 1).rows
        if (row === undefined) continue
        mailbox.hold(view.message(row))
        taken++
      }
    })
    return mailbox.length > 0 ? 'held' : 'end'
  }
}

function begin(view: StreamView, state: State, from: ReadOptions['from']): number {
  return from === undefined ? state.first : view.begin(state, from)
}

function end(view: StreamView, state: State, to: ReadOptions['to']): number {
  if (to === undefined) return state.last
  return Math.min(state.last, 'seq' in to ? to.seq : view.at(state, to.timeMs * 1000) - 1)
}
