/**
 * Pairs requests with their replies, found in the traffic. A reply is recognised by its subject, which is the reply subject of
 * the request. On a busy bus a reply may be seen before its request, and a request may have several replies.
 */
import type {Message} from '../../core/message.ts'

/** Subjects of replies to requests that were sent with `request`. */
export const inboxes = '_INBOX.>'

export interface Exchange {
  readonly request: Message
  /** Undefined if there was none. */
  readonly reply: Message | undefined
  /** Milliseconds from request to reply. */
  readonly ms: number | undefined
  /** The request already had a reply. */
  readonly again: boolean
}

export class Pairs {
  readonly #open = new Map<string, {request: Message; answered: boolean}>()
  readonly #early = new Map<string, Message>()
  readonly #mostOpen: number
  unanswered = 0

  /** Number of requests to remember; older ones count as unanswered. */
  constructor(mostOpen = 8192) {
    this.#mostOpen = mostOpen
  }

  /** Whether a message was received only to be matched. */
  isReply(message: Message): boolean {
    return message.subject.startsWith('_INBOX.') || this.#open.has(message.subject)
  }

  /** The exchanges that this message completes, or the message itself if it is neither request nor reply. */
  add(message: Message): readonly (Exchange | Message)[] {
    const asked = this.#open.get(message.subject)
    if (asked !== undefined) {
      const again = asked.answered
      asked.answered = true
      return [exchange(asked.request, message, again)]
    }
    if (this.isReply(message)) {
      this.#early.set(message.subject, message)
      dropOldest(this.#early, this.#mostOpen)
      return []
    }
    return message.reply === undefined ? [message] : this.#request(message, message.reply)
  }

  /** The requests without a reply. */
  end(): readonly Exchange[] {
    const left = [...this.#open.values()].filter(({answered}) => !answered)
    this.#open.clear()
    this.unanswered += left.length
    return left.map(({request}) => exchange(request, undefined))
  }

  #request(request: Message, inbox: string): readonly Exchange[] {
    const early = this.#early.get(inbox)
    this.#early.delete(inbox)
    this.#open.set(inbox, {request, answered: early !== undefined})
    const dropped = dropOldest(this.#open, this.#mostOpen)
    const completed = early === undefined ? [] : [exchange(request, early)]
    if (dropped === undefined || dropped.answered) return completed
    this.unanswered++
    return [exchange(dropped.request, undefined), ...completed]
  }
}

function exchange(request: Message, reply: Message | undefined, again = false): Exchange {
  return {request, reply, ms: reply === undefined ? undefined : Math.max(0, reply.time - request.time), again}
}

function dropOldest<V>(map: Map<string, V>, most: number): V | undefined {
  if (map.size <= most) return undefined
  const [oldest] = map
  if (oldest === undefined) return undefined
  map.delete(oldest[0])
  return oldest[1]
}
