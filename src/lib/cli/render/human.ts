/**
 * A message as human-readable text. What fits is on one line; headers, a reply subject or a longer payload follow below. Text is shown
 * unchanged except for control characters; only long JSON is formatted, with its tokens unchanged.
 */
import type {ChalkInstance} from 'chalk'
import {type Message, sizeOf} from '../../core/message.ts'
import {hexPreview, utf8Text} from '../../core/text/encoding.ts'
import {looksLikeJson, parseJson, prettyJson} from '../../core/text/json-text.ts'
import {localCalendarClock, localClock} from '../../core/time/timestamp.ts'
import type {Exchange} from '../../messaging/pubsub/pairs.ts'
import {printable, printableLines} from './printable.ts'
import {formatBytes, formatCount, formatDuration} from './units.ts'

export interface HumanOptions {
  readonly paint?: ChalkInstance | undefined
  /** Omit payloads. */
  readonly headersOnly?: boolean | undefined
  /** What to show for a payload that was not sent. */
  readonly absent?: ((message: Message) => string) | undefined
  /** Messages of a stream are shown with their sequence instead of a running number, and with their date. */
  readonly stored?: boolean | undefined
}

export interface HumanView {
  /** With number, time and subject. Ends with a newline, like all of these. */
  message(message: Message, n: number): string
  /** A request, and its reply below it. */
  exchange(exchange: Exchange, n: number): string
  /** Headers and payload only, for the reply to a single request. */
  content(message: Message): string
}

/** The longest payload, in characters, that is shown on the line of its subject. */
const longestInline = 100
const longestLaidOut = 256 * 1024
const previewBytes = 16
const indent = '    '

export function humanView({
  paint,
  headersOnly = false,
  stored = false,
  absent = () => 'without data',
}: HumanOptions = {}): HumanView {
  const clock = stored ? localCalendarClock() : localClock()
  const dim = (text: string) => paint?.dim(text) ?? text
  const header = ([name, value]: readonly [string, string]) =>
    `${paint?.cyan(printable(name)) ?? printable(name)}: ${printable(value)}`

  function lead({subject, seq, time}: Message, n: number): string {
    const name = printable(subject)
    return `${dim(`${stored ? `#${seq}` : `[${n}]`} ${clock(time) ?? '--:--:--'}`)} ${paint?.bold(name) ?? name}`
  }

  /** The lines below the first line, and the payload if it fits on the first line. */
  function parts(message: Message): {inline: string; below: string[]} {
    const headers = message.headers.map(header)
    if (headersOnly) return {inline: '', below: headers}
    if (message.isWithoutPayload) return {inline: dim(`(${absent(message)})`), below: headers}
    const {text, isBlock} = payloadText(message.payload, dim)
    if (!isBlock && headers.length === 0) return {inline: text, below: []}
    return {inline: '', below: [...headers, ...text.split('\n')]}
  }

  const join = (first: string, below: readonly string[]) =>
    [first, ...below.map((line) => (line === '' ? '' : indent + line)), ''].join('\n')

  return {
    message(message, n) {
      const {inline, below} = parts(message)
      const first = lead(message, n)
      const {reply, deliveries = 1} = message
      if (inline !== '' && reply === undefined && deliveries === 1) return join(`${first} ${inline}`, below)
      const facts = [formatBytes(sizeOf(message.payload))]
      if (deliveries > 1) facts.push(`delivery ${formatCount(deliveries)}`)
      if (reply !== undefined) facts.push(`reply to ${printable(reply)}`)
      return join(`${first} ${dim(`· ${facts.join(' · ')}`)}`, inline === '' ? below : [inline])
    },
    exchange({request, reply, ms}, n) {
      const asked = parts(request)
      const first = `${lead(request, n)}${asked.inline === '' ? '' : ` ${asked.inline}`}`
      if (reply === undefined) return join(first, [...asked.below, paint?.yellow('↳ no reply') ?? '↳ no reply'])
      const answer = parts(reply)
      const took = dim(`↳ ${formatDuration(ms ?? 0)}`)
      const answered = [`${took} ${answer.inline}`.trimEnd(), ...answer.below.map((line) => `  ${line}`)]
      return join(first, [...asked.below, ...answered])
    },
    content(message) {
      const headers = message.headers.map((one) => `${header(one)}\n`).join('')
      if (headersOnly) return headers
      return `${headers}${payloadText(message.payload, dim).text}\n`
    },
  }
}

function payloadText(
  payload: string | Uint8Array,
  dim: (text: string) => string,
): {readonly text: string; readonly isBlock: boolean} {
  if (payload.length === 0) return {text: dim('(empty)'), isBlock: false}
  const text = utf8Text(payload)
  if (text === undefined) return {text: binaryText(Buffer.from(payload), dim), isBlock: false}
  if (text.length <= longestInline && !/\n./s.test(text)) return {text: printable(text), isBlock: false}
  return {text: printableLines(isLongJson(text) ? prettyJson(text) : text).replace(/\n$/, dim('\\n')), isBlock: true}
}

function binaryText(bytes: Uint8Array, dim: (text: string) => string): string {
  const seen = bytes.subarray(0, previewBytes)
  const more = bytes.length > previewBytes ? ' …' : ''
  const letters = Buffer.from(seen)
    .toString('latin1')
    .replace(/[^\x20-\x7e]/g, '.')
  return `${dim(`(binary, ${formatBytes(bytes.length)})`)} ${hexPreview(seen, previewBytes)}${more} ${dim(`|${letters}|`)}`
}

function isLongJson(text: string): boolean {
  const isShort = text.length <= longestLaidOut && !text.includes('\n')
  return isShort && /^[[{]/.test(text) && looksLikeJson(text) && parseJson(text) !== undefined
}
