/**
 * What is said of deliveries. Words that were on their way when the connection was lost are said again once it is back;
 * those that would only have a message come sooner or later are not.
 */
import type {ConnectionListener, JetStreamSession} from './session.ts'

interface Said {
  readonly subject: Uint8Array
  readonly word: string
}

/** Number of acknowledgements after which the server is asked to confirm them. */
const mostUnconfirmed = 1024

export class NatsAcks implements Pick<ConnectionListener, 'onReconnect'> {
  readonly #session: JetStreamSession
  #said: Said[] = []
  #asking: Said[] | undefined
  /** The last word that ended the work on a message and was not yet answered. */
  #last: Said | undefined

  constructor(session: JetStreamSession) {
    this.#session = session
  }

  /** Ends the work on a message: it must arrive. */
  settle(subject: Uint8Array, word: string): void {
    this.#session.answer(subject, word)
    const said = {subject, word}
    this.#last = said
    this.#said.push(said)
    if (this.#said.length >= mostUnconfirmed && this.#asking === undefined) void this.#confirm()
  }

  say(subject: Uint8Array, word: string): void {
    this.#session.answer(subject, word)
  }

  onReconnect(): void {
    for (const {subject, word} of [...(this.#asking ?? []), ...this.#said]) this.#session.answer(subject, word)
  }

  /** All of it is with the server, and the consumer has worked on it. */
  async flush(): Promise<void> {
    do await this.#session.ready()
    while (!(await this.#confirm()))
    await this.#worked()
  }

  /** As `flush`, but waits for no connection. Answers how many words may not have arrived. */
  async close(): Promise<number> {
    const isDone = this.#session.isUp && (await this.#confirm())
    if (isDone) await this.#worked()
    return isDone ? 0 : this.#said.length + (this.#asking?.length ?? 0)
  }

  async #worked(): Promise<void> {
    const last = this.#last
    this.#last = undefined
    if (last === undefined) return
    const subject = Buffer.from(last.subject).toString('utf8')
    // Said again with a reply, it is answered after all that came before. A consumer that has gone does not answer.
    await this.#session.request({subject, data: last.word}, {timeoutMs: answerMs}).catch(() => {})
  }

  async #confirm(): Promise<boolean> {
    const said = this.#said
    this.#said = []
    this.#asking = [...(this.#asking ?? []), ...said]
    const all = this.#asking
    const isDone = await this.#session.answered()
    if (this.#asking === all) {
      if (!isDone) this.#said = [...all, ...this.#said]
      this.#asking = undefined
    }
    return isDone
  }
}

const answerMs = 2000
