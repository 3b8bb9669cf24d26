/** Another subject of the same bus as a sink. */
import {BusError} from '../../core/errors.ts'
import type {Message, Outgoing} from '../../core/message.ts'
import {checkSubject} from '../../core/subject.ts'
import {splitPlaceholders, unknownPlaceholder} from '../../core/text/placeholders.ts'
import type {Transport} from '../../transport/contract.ts'
import type {Copied, CopySink, Refusal} from '../sinks/sink.ts'
import {asCopied, type CopyOptions, copyBatch, copyRefusal, nearDepth, Storing} from './copy-storage.ts'
import {keeping} from './target-stream.ts'

/** Largest number of subjects for which the storing stream is cached. */
const mostSubjects = 10_000

export interface RepublishOptions extends CopyOptions {
  /** Whether a published subject would be replayed again, endlessly. */
  readonly wouldReturn: (subject: string) => boolean
}

/**
 * Publishes each message on the same bus under another subject, such as `copy.{subject}`. If a stream stores that subject, its
 * acknowledgement is awaited. Throws `usage`.
 */
export function republishSink(bus: Transport, template: string, options: RepublishOptions): CopySink {
  return new RepublishSink(bus, compileSubject(template), options)
}

class RepublishSink implements CopySink {
  readonly batch = copyBatch
  readonly #bus: Transport
  readonly #subjectOf: (message: Message) => string
  readonly #options: RepublishOptions
  /** Whether a stream stores a subject. */
  readonly #kept = new Map<string, boolean>()
  #storing: Storing | undefined

  constructor(bus: Transport, subjectOf: (message: Message) => string, options: RepublishOptions) {
    this.#bus = bus
    this.#subjectOf = subjectOf
    this.#options = options
  }

  get depth(): number {
    return this.#storing?.depth ?? nearDepth
  }

  async copy(messages: readonly Message[]): Promise<Copied> {
    const refused = new Map<Message, Refusal>()
    const copies: [Message, Outgoing][] = []
    for (const message of messages) {
      try {
        const {payload, headers} = message
        const subject = this.#checked(this.#subjectOf(message))
        copies.push([message, {subject, data: payload, headers: asCopied(headers, this.#options)}])
      } catch (error) {
        if (error instanceof EndlessError) throw error
        refused.set(message, copyRefusal(error))
      }
    }
    await this.#learn(copies.map(([, {subject}]) => subject))
    const isKept = ({subject}: Outgoing) => this.#kept.get(subject) === true
    for (const [message, copy] of copies) {
      try {
        if (!isKept(copy)) this.#bus.publish(copy)
      } catch (error) {
        refused.set(message, copyRefusal(error))
      }
    }
    const toStore = copies.filter(([, copy]) => isKept(copy))
    if (toStore.length > 0) {
      this.#storing ??= new Storing(this.#bus, this.#options)
      await this.#storing.store(toStore, refused)
    }
    await this.#bus.flush()
    return {refused, alreadyThere: 0}
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#storing?.[Symbol.asyncDispose]()
  }

  async #learn(subjects: readonly string[]): Promise<void> {
    if (this.#kept.size > mostSubjects) this.#kept.clear()
    const fresh = [...new Set(subjects)].filter((subject) => !this.#kept.has(subject))
    await Promise.all(
      fresh.map(async (subject) => {
        this.#kept.set(subject, (await keeping(this.#bus, subject)).length > 0)
      }),
    )
  }

  #checked(subject: string): string {
    if (!this.#options.wouldReturn(subject)) return subject
    throw new EndlessError(subject)
  }
}

/** A mistake of the user, which is not attributed to a message. */
class EndlessError extends BusError {
  constructor(subject: string) {
    super('usage', `"${subject}" is one of the replayed subjects, so the replay would never end`, {
      try: ['another subject', 'a replay without --follow'],
    })
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
      made = checkSubject(parts.map((part) => (typeof part === 'string' ? part : subject)).join(''))
      last = subject
    }
    return made
  }
}
