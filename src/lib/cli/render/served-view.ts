/** How served requests are shown. */

import type {ChalkInstance} from 'chalk'
import type {Message} from '../../core/message.ts'
import {recordWriter, roundedMs} from '../../core/record.ts'
import {localClock} from '../../core/time/timestamp.ts'
import type {Identity} from '../../messaging/pubsub/service.ts'
import type {Served} from '../../messaging/pubsub/work.ts'
import {printable, printableJson} from './printable.ts'
import {formatBytes, formatDuration} from './units.ts'
import type {ViewTarget} from './view.ts'

/** Shows one request that was served. */
export type ServedView = (served: Served, sink: ViewTarget) => void

/** `listening on greet in queue greeters as greeter 1.2.3, id …`; the default queue is not shown. */
export function liveLine(subject: string, queue: string | undefined, identity: Identity | undefined): string {
  const group = queue === undefined || queue === subject ? '' : ` in queue ${queue}`
  return `listening on ${subject}${group}${identity ? ` as ${identity.name} ${identity.version}, id ${identity.id}` : ''}`
}

/** How an answered request is shown: as text, or as a record with `record` added to it. */
interface AnsweredForms<T> {
  readonly text: (one: T) => string
  readonly record: (one: T) => object
  /** What is shown below the line of a request. */
  readonly below?: ((request: Message) => string) | undefined
}

/** Shows requests with their outcome, as lines or with --json as records. */
export function answeredView<T extends {readonly request: Message; readonly ms: number}>(
  [json, terminal, paint]: readonly [json: boolean, terminal: boolean, paint: ChalkInstance | undefined],
  {text, record, below = () => ''}: AnsweredForms<T>,
): (one: T, sink: ViewTarget) => void {
  const write = recordWriter()
  const clock = localClock()
  const dim = (words: string) => paint?.dim(words) ?? words
  let n = 0
  return (one, sink) => {
    const {request, ms} = one
    if (json) {
      const line = `${write(request).slice(0, -1)},${JSON.stringify({ms: roundedMs(ms), ...record(one)}).slice(1)}`
      return sink.write(`${terminal ? printableJson(line) : line}\n`)
    }
    const subject = printable(request.subject)
    const lead = dim(`[${++n}] ${clock(request.time) ?? '--:--:--'}`)
    const asked = formatBytes(request.data.length)
    const line = `${lead} ${paint?.bold(subject) ?? subject} ${asked} → ${text(one)} ${dim(`· ${formatDuration(ms)}`)}`
    sink.write(`${line}\n${below(request)}`)
  }
}

/** `[3] 10:24:31.482 orders.new 12 B → 42 B · 1.2 ms`, or with --json the request as a record with the outcome. */
export function servedView(
  json: boolean,
  terminal: boolean,
  paint: ChalkInstance | undefined,
  below?: (request: Message) => string,
): ServedView {
  return answeredView([json, terminal, paint], {
    below,
    text({request, bytes, fault}) {
      if (fault === undefined) return request.reply === undefined ? 'no reply wanted' : formatBytes(bytes)
      const failed = printable(`${fault.code} ${fault.text}`)
      return paint?.red(failed) ?? failed
    },
    record: ({bytes, fault}) => (fault === undefined ? {replyBytes: bytes} : {error: fault}),
  })
}
