/** Removes secrets from reports: those of the login in use, and logins in URLs. */
import {Message} from '../core/message.ts'
import {withoutSecrets} from '../core/secrets.ts'
import type {CheckResult, Failure} from './events.ts'

/** Shorter secrets would match ordinary text. */
const shortestSecret = 3

export class Scrubber {
  readonly #forms = new Set<string>()

  /** Adds a secret, in each form in which it may appear. */
  add(secret: string | undefined): void {
    if (secret === undefined || secret.length < shortestSecret) return
    for (const form of [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)]) this.#forms.add(form)
    // Base64, and the bytes in binary payloads.
    for (const encoding of ['base64', 'latin1'] as const) this.#forms.add(Buffer.from(secret).toString(encoding))
  }

  text(text: string): string {
    let clean = text
    // Longest first, since one secret may contain another.
    for (const form of [...this.#forms].sort((a, b) => b.length - a.length)) clean = clean.replaceAll(form, '***')
    return withoutSecrets(clean)
  }

  value<T>(value: T): T {
    if (typeof value === 'string') return this.text(value) as T
    if (Array.isArray(value)) return value.map((item) => this.value(item)) as T
    if (value === null || typeof value !== 'object') return value
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [this.text(key), this.value(item)])) as T
  }

  message(message: Message): Message {
    const {subject, headers, reply, seq, time} = message
    const lines = headers.map(([name, value]) => [this.text(name), this.text(value)] as const)
    const to = reply === undefined ? undefined : this.text(reply)
    return new Message(this.text(subject), this.#payload(message.payload), lines, to, seq, time)
  }

  failure(failure: Failure): Failure {
    const {message, ...rest} = failure
    return {...this.value(rest), ...(message && {message: this.message(message)})}
  }

  result(result: CheckResult): CheckResult {
    const {failures, messages, reason, ...rest} = result
    return {
      ...this.value(rest),
      failures: failures.map((failure) => this.failure(failure)),
      messages: messages.map((message) => this.message(message)),
      reason: reason === undefined ? undefined : this.text(reason),
    }
  }

  /** Unchanged, byte for byte, if there is nothing to remove. */
  #payload(payload: Uint8Array | string): Uint8Array | string {
    if (typeof payload === 'string') return this.text(payload)
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
    const text = bytes.toString('latin1')
    const clean = this.text(text)
    return clean === text ? payload : Buffer.from(clean, 'latin1')
  }
}
