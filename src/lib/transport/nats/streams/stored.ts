/** A stream's response to a publish: an acknowledgement, or the reason why the message was not stored. */
import {BusError} from '../../../core/errors.ts'
import {objectIn} from '../../../core/text/json-text.ts'
import {kindOfCode} from '../../shared/jetstream-errors.ts'
import {refused} from '../../shared/stream-errors.ts'
import type {Stored} from '../../streams-contract.ts'
import {isNoResponders} from '../headers.ts'
import {apiFailure} from './api.ts'
import type {ErrorJson} from './json.ts'

interface AnswerJson {
  readonly stream?: string
  readonly seq?: number
  readonly duplicate?: boolean
  /** The domain of its JetStream, if it has one. */
  readonly domain?: string
  readonly error?: ErrorJson | null
}

/** Why a message was not stored; `nobody`: no stream stores its subject, or not at this moment. */
export type StoreRefusal = BusError | 'nobody'

/**
 * Parses responses. Those of one stream differ only in the sequence: the text around it is compared, and JSON is parsed only if
 * it differs.
 */
export class StoredReader {
  readonly #url: string
  /** Acknowledgements of other domains are no confirmation. */
  readonly #domain: string | undefined
  readonly #before = new Uint8Array(longest)
  readonly #after = new Uint8Array(longest)
  #beforeSize = 0
  #afterSize = 0
  stream = ''
  seq = 0
  duplicate = false

  constructor(url: string, domain?: string) {
    this.#url = url
    this.#domain = domain
  }

  /** Sets stream, seq and duplicate, or returns why there are none. */
  read(data: Uint8Array, headerSize: number): StoreRefusal | undefined {
    if (headerSize > 0) {
      if (isNoResponders(data, headerSize)) return 'nobody'
      data = data.subarray(headerSize)
    }
    return this.#readAlike(data) ? undefined : this.#readJson(data)
  }

  get stored(): Stored {
    return {stream: this.stream, seq: this.seq, duplicate: this.duplicate}
  }

  #readAlike(data: Uint8Array): boolean {
    let at = this.#beforeSize
    const end = data.length - this.#afterSize
    if (at === 0 || end <= at) return false
    // From its end, where the names of streams differ.
    for (let i = at - 1; i >= 0; i--) if (data[i] !== this.#before[i]) return false
    for (let i = 0; i < this.#afterSize; i++) if (data[end + i] !== this.#after[i]) return false
    let seq = 0
    for (; at < end; at++) {
      const digit = (data[at] ?? 0) - 48
      if (digit < 0 || digit > 9) return false
      seq = seq * 10 + digit
    }
    this.seq = seq
    this.duplicate = false
    return true
  }

  #readJson(data: Uint8Array): StoreRefusal | undefined {
    const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('utf8')
    const answer = objectIn(text) as AnswerJson | undefined
    if (answer?.error) return refusal(this.#url, answer.error, answer.stream)
    if (typeof answer?.stream !== 'string' || typeof answer.seq !== 'number') return notAStream(this.#url, text)
    if (this.#domain !== undefined && answer.domain !== this.#domain) return strange(this.#url, this.#domain, answer)
    this.stream = answer.stream
    this.seq = answer.seq
    this.duplicate = answer.duplicate === true
    if (!this.duplicate) this.#learn(text)
    return undefined
  }

  #learn(text: string): void {
    const [, before = '', after = ''] = /^(.*"seq": *)\d+(.*)$/s.exec(text) ?? []
    if (Buffer.byteLength(before) > longest || after.length > longest) return
    this.#beforeSize = Buffer.from(before).copy(this.#before)
    this.#afterSize = Buffer.from(after).copy(this.#after)
  }
}

const longest = 512

function refusal(url: string, error: ErrorJson, stream = ''): BusError {
  const failure = apiFailure(url, error, {stream})
  const {err_code: code = error.code, description} = error
  const isOfStream = failure.kind === 'remote' || kindOfCode(code) === 'denied'
  return !isOfStream || stream === '' ? failure : refused(url, stream, code, description ?? `error ${code}`)
}

function strange(url: string, domain: string, {stream, domain: other}: AnswerJson): BusError {
  const from = other === undefined ? 'outside domains' : `of the domain ${other}`
  const sentence = `on ${url} a stream ${stream} ${from} stored the message; ${domain} did not confirm that it has it`
  return new BusError('remote', sentence, {try: ['subjects that only one of the domains stores']})
}

function notAStream(url: string, text: string): BusError {
  return new BusError('remote', `an answer from ${url} is not a stream: ${JSON.stringify(text.slice(0, 60))}`)
}
