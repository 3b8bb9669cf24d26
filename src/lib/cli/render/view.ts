/** The ways to show messages, and the choice between them by flags. */

import type {ChalkInstance} from 'chalk'
import {freeBytes} from '../../core/free-bytes.ts'
import type {Message} from '../../core/message.ts'
import {recordWriter, roundedMs} from '../../core/record.ts'
import {compileJsonata, contextOf, resultText} from '../../core/text/jsonata.ts'
import type {Exchange} from '../../messaging/pubsub/pairs.ts'
import type {ViewFlags} from '../flags/view.ts'
import {humanView} from './human.ts'
import {printable, printableJson, printableLines} from './printable.ts'
import {compileFormat, endOfFormat, unescapeText} from './template.ts'

/** Where a view writes; `Output` is one. */
export interface ViewTarget {
  write(data: string | Uint8Array): void
  /** Writes text with control characters that the user typed in a format or a delimiter. If absent, `write` is used. */
  writeAsIs?(data: string | Uint8Array): void
  /** Writes bytes that nobody uses afterwards, and frees them. If absent, `write` is used. */
  writeOwned?(data: Uint8Array): void
}

export interface View {
  /** Shows messages and returns how many of them it showed. */
  show(messages: readonly Message[], sink: ViewTarget): number | Promise<number>
  /** Set if the view writes exactly the records of the messages. */
  readonly isRecords?: boolean | undefined
  /** Shows a request with its reply; absent if the view cannot. */
  showExchange?(exchange: Exchange, sink: ViewTarget): void
}

export interface Screen {
  /** The output is a terminal, so untrusted text is escaped. */
  readonly terminal: boolean
  readonly paint?: ChalkInstance | undefined
  /** The messages come from a stream, so they are shown with their sequence and date. */
  readonly stored?: boolean | undefined
  /** At most one message is shown, so that in a pipe or a file no delimiter follows its raw payload, unless one is given. */
  readonly single?: boolean | undefined
  /** Nobody uses a payload after the view has shown it, so large ones are freed at once. */
  readonly frees?: boolean | undefined
  /** Called the first time that `--select` fails on a message, which is then not shown. Without it, the error is thrown. */
  readonly onFailure?: ((sentence: string) => void) | undefined
}

export type ViewKind = 'select' | 'raw' | 'json' | 'subjects' | 'format' | 'headers'

/** The kind of view that the flags ask for; undefined if they leave it to the command. */
export function viewKindOf(flags: ViewFlags): ViewKind | undefined {
  if (flags.select !== undefined) return 'select'
  if (flags.raw) return 'raw'
  if (flags.json) return 'json'
  if (flags['subjects-only']) return 'subjects'
  if (flags.format !== undefined) return 'format'
  return flags['headers-only'] ? 'headers' : undefined
}

/**
 * The view that the flags ask for. Fails with `usage` for flags that cannot be combined and for expressions that do not
 * compile.
 */
export async function chooseView(flags: ViewFlags, screen: Screen): Promise<View> {
  const {terminal, paint, stored, single, frees = false, onFailure} = screen
  const safe = terminal && !flags.raw
  const delimiter = flags.delimiter === undefined ? '\n' : unescapeText(flags.delimiter, '--delimiter')
  const {select = '', format = '', json = false, 'headers-only': headersOnly, 'subjects-only': subjectsOnly} = flags
  switch (viewKindOf(flags)) {
    case 'select':
      return selected(select, {json, delimiter, safe, onFailure})
    case 'raw':
      return rawView(single && !terminal && flags.delimiter === undefined ? '' : delimiter, frees)
    case 'json':
      return jsonView({safe, headersOnly, subjectsOnly, frees})
    case 'subjects':
      return perMessage(({subject}) => (safe ? printable(subject) : subject) + delimiter, {write: writeTyped})
    case 'format':
      return formatted(format, flags.delimiter, {safe, frees})
    default:
      return peopleView({paint, stored, headersOnly})
  }
}

/** Writes a line whose control characters the user typed. */
export function writeTyped(sink: ViewTarget, text: string): void {
  if (sink.writeAsIs === undefined) sink.write(text)
  else sink.writeAsIs(text)
}

function perMessage(
  text: (message: Message, n: number) => string,
  {write = (sink: ViewTarget, line: string) => sink.write(line), frees = false} = {},
): View {
  let n = 0
  return {
    show(messages, sink) {
      for (const message of messages) {
        write(sink, text(message, ++n))
        if (frees && typeof message.payload !== 'string') freeBytes(message.payload)
      }
      return messages.length
    },
  }
}

function formatted(
  template: string,
  delimiter: string | undefined,
  {safe, frees}: {safe: boolean; frees: boolean},
): View {
  const [format, end] = [compileFormat(template, {safe}), endOfFormat(template, delimiter)]
  return perMessage((message, n) => format(message, n) + end, {write: writeTyped, frees})
}

function peopleView(options: Parameters<typeof humanView>[0]): View {
  const human = humanView(options)
  let n = 0
  return {
    show(messages, sink) {
      for (const message of messages) sink.write(human.message(message, ++n))
      return messages.length
    },
    showExchange: (exchange, sink) => sink.write(human.exchange(exchange, ++n)),
  }
}

/** The payloads and nothing else, byte for byte. */
function rawView(delimiter: string, frees: boolean): View {
  const bytes = Buffer.from(delimiter)
  return {
    show(messages, sink) {
      for (const {payload} of messages) {
        if (typeof payload === 'string') sink.write(payload + delimiter)
        else {
          if (frees && sink.writeOwned !== undefined) sink.writeOwned(payload)
          else sink.write(payload)
          sink.write(bytes)
        }
      }
      return messages.length
    },
  }
}

function jsonView(options: {
  readonly safe: boolean
  readonly headersOnly: boolean | undefined
  readonly subjectsOnly: boolean | undefined
  readonly frees: boolean
}): View {
  const write = options.subjectsOnly
    ? ({subject}: Message) => `{"subject":${JSON.stringify(subject)}}`
    : recordWriter({headersOnly: options.headersOnly})
  const line = options.safe ? (message: Message) => `${printableJson(write(message))}\n` : undefined
  return {
    ...perMessage(line ?? ((message) => `${write(message)}\n`), {frees: options.frees}),
    isRecords: !(options.safe || options.headersOnly || options.subjectsOnly),
    showExchange({request, reply, ms}, sink) {
      const answer = reply === undefined ? 'null' : write(reply)
      const took = ms === undefined ? '' : `,"ms":${roundedMs(ms)}`
      const text = `{"request":${write(request)},"reply":${answer}${took}}\n`
      sink.write(options.safe ? `${printableJson(text.slice(0, -1))}\n` : text)
    },
  }
}

/** The result of an expression; nothing is shown if there is none. */
async function selected(
  source: string,
  options: {readonly json: boolean; readonly delimiter: string; readonly safe: boolean} & Pick<Screen, 'onFailure'>,
): Promise<View> {
  const evaluate = await compileJsonata(source, '--select')
  const text = (value: unknown) => {
    const shown = resultText(value, '--select')
    if (shown === undefined) return undefined
    if (!options.json) return options.safe ? printableLines(shown) : shown
    const line = typeof value === 'string' ? JSON.stringify(value) : shown
    return options.safe ? printableJson(line) : line
  }
  let failed = false
  const resultOf = async (message: Message) => {
    try {
      return text(await evaluate(contextOf(message)))
    } catch (error) {
      if (options.onFailure === undefined) throw error
      if (!failed) options.onFailure(`${(error as Error).message} (on ${message.subject}; such messages are not shown)`)
      failed = true
      return undefined
    }
  }
  return {
    async show(messages, sink) {
      let shown = 0
      for (const message of messages) {
        const result = await resultOf(message)
        if (result === undefined) continue
        writeTyped(sink, result + options.delimiter)
        shown++
      }
      return shown
    },
  }
}
