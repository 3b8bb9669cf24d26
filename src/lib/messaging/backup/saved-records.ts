/**
 * Reads the records of a backup. Most are not parsed as JSON: their members have the same order, and the payload is a part of the line,
 * so a few searches are enough. A line for which that is not certain is parsed.
 */
import {BusError} from '../../core/errors.ts'
import type {Headers} from '../../core/message.ts'
import {type Recorded, recordHeaders, recordObject, recordPayload} from '../../core/record.ts'
import {reworded} from '../../core/rewording.ts'
import {compactEnd} from '../../core/text/compact-json.ts'
import type {RecordLines} from './format.ts'

/** A message of a backup. */
export interface SavedMessage extends Recorded {
  readonly seq: number
}

const [quote, brace, zero] = [0x22, 0x7d, 0x30]
const [subjectHead, seqHead, timeHead] = ['{"subject":"', '"seq":', ',"time":"']
const [headersHead, jsonHead, textHead, base64Head] = [',"headers":', ',"json":', ',"text":"', ',"base64":"']

export class SavedRecords {
  readonly #path: string
  readonly #text: string
  #line: number
  #at = 0
  /** The beginning of the last line, up to its sequence. */
  #head = ''
  #subject = ''
  #headersJson = ''
  #headers: Headers = []

  constructor(path: string, {text, line}: RecordLines) {
    this.#path = path
    this.#text = text.toString()
    this.#line = line - 1
  }

  /** The number of the line that was read last. */
  get line(): number {
    return this.#line
  }

  /** The next message; undefined at the end. Throws `usage` with the number of the line. */
  next(): SavedMessage | undefined {
    const text = this.#text
    const from = this.#at
    if (from >= text.length) return undefined
    const found = text.indexOf('\n', from)
    const end = found < 0 ? text.length : found
    this.#at = end + 1
    this.#line++
    return this.#quick(from, end) ?? this.#parse(text.slice(from, end))
  }

  /** Undefined if the line has to be parsed. */
  #quick(from: number, end: number): SavedMessage | undefined {
    const text = this.#text
    if ((this.#head === '' || !text.startsWith(this.#head, from)) && !this.#readSubject(from)) return undefined
    let at = from + this.#head.length
    let seq = 0
    for (let digit = text.charCodeAt(at) - zero; digit >= 0 && digit <= 9; digit = text.charCodeAt(++at) - zero)
      seq = seq * 10 + digit
    if (!text.startsWith(timeHead, at)) return undefined
    at = text.indexOf('"', at + timeHead.length) + 1
    let headers: Headers | undefined
    if (text.startsWith(headersHead, at)) {
      headers = this.#readHeaders(at + headersHead.length)
      at += headersHead.length + this.#headersJson.length
      if (headers === undefined) return undefined
    }
    const data = this.#readPayload(at, end)
    return data === undefined ? undefined : {subject: this.#subject, seq, data, headers, timeMs: undefined}
  }

  #readSubject(from: number): boolean {
    const begin = from + subjectHead.length
    const close = this.#text.indexOf('"', begin)
    const subject = this.#text.slice(begin, close)
    if (!this.#text.startsWith(subjectHead, from)) return false
    if (!this.#text.startsWith(seqHead, close + 2) || subject.includes('\\')) return false
    this.#subject = subject
    this.#head = this.#text.slice(from, close + 2 + seqHead.length)
    return true
  }

  /** Most messages have the same headers as the one before. */
  #readHeaders(at: number): Headers | undefined {
    const last = this.#headersJson
    if (last !== '' && this.#text.startsWith(last, at) && this.#text.startsWith(',"', at + last.length))
      return this.#headers
    const end = compactEnd(this.#text, at)
    if (end < 0) return undefined
    this.#headersJson = this.#text.slice(at, end)
    this.#headers = recordHeaders(JSON.parse(this.#headersJson))
    return this.#headers
  }

  #readPayload(at: number, end: number): string | Uint8Array | undefined {
    const text = this.#text
    if (text.charCodeAt(end - 1) !== brace) return undefined
    if (text.startsWith(jsonHead, at)) {
      // The exact text of the payload may follow; then the line ends with a quotation mark.
      return text.charCodeAt(end - 2) === quote ? undefined : text.slice(at + jsonHead.length, end - 1)
    }
    if (text.charCodeAt(end - 2) !== quote) return undefined
    if (text.startsWith(base64Head, at)) return Buffer.from(text.slice(at + base64Head.length, end - 2), 'base64')
    if (!text.startsWith(textHead, at)) return undefined
    const quoted = text.slice(at + textHead.length - 1, end - 1)
    return quoted.includes('\\') ? JSON.parse(quoted) : quoted.slice(1, -1)
  }

  #parse(line: string): SavedMessage {
    try {
      const record = recordObject(line)
      const {subject, seq, headers} = record
      if (typeof subject !== 'string' || typeof seq !== 'number')
        throw new BusError('usage', `has no "${typeof subject === 'string' ? 'seq' : 'subject'}"`)
      const data = recordPayload(record, line)
      return {
        subject,
        seq,
        data,
        headers: headers === undefined ? undefined : recordHeaders(headers),
        timeMs: undefined,
      }
    } catch (error) {
      throw error instanceof BusError ? reworded(error, `${this.#path}, line ${this.#line}: ${error.message}`) : error
    }
  }
}
