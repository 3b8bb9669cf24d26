/** How served requests are shown. */

import type {ChalkInstance} from 'chalk'
import {recordWriter, roundedMs} from '../../core/record.ts'
import {localClock} from '../../core/time/timestamp.ts'
import type {Identity} from '../../messaging/pubsub/service.ts'
import type {Served} from '../../messaging/pubsub/work.ts'
import {printable, printableJson} from './printable.ts'
import {formatBytes, formatDuration} from './units.ts'
import type {ViewTarget} from './view.ts'

/** Shows one request that was served. */
export type ServedView = (served: Served, sink: ViewTarget) => void

/** `listening on greet in queue busline as greeter 1.2.3, id …` */
export function liveLine(subject: string, queue: string | undefined, identity: Identity | undefined): string {
  const group = queue === undefined ? '' : ` in queue ${queue}`
  return `listening on ${subject}${group}${identity ? ` as ${identity.name} ${identity.version}, id ${identity.id}` : ''}`
}

/** `[3] 10:24:31.482 orders.new 12 B → 42 B · 1.2 ms`, or with --json the request as a record with the outcome. */
export function servedView(json: boolean, terminal: boolean, paint: ChalkInstance | undefined): ServedView {
  return json ? servedRecords(terminal) : servedLines(paint)
}

function servedLines(paint: ChalkInstance | undefined): ServedView {
  const clock = localClock()
  const dim = (text: string) => paint?.dim(text) ?? text
  let n = 0
  return ({request, bytes, fault, ms}, sink) => {
    const subject = printable(request.subject)
    const asked = formatBytes(request.data.length)
    const sent = request.reply === undefined ? 'no reply wanted' : formatBytes(bytes)
    const failed = fault && printable(`${fault.code} ${fault.text}`)
    const outcome = failed === undefined ? sent : (paint?.red(failed) ?? failed)
    const lead = dim(`[${++n}] ${clock(request.time) ?? '--:--:--'}`)
    sink.write(`${lead} ${paint?.bold(subject) ?? subject} ${asked} → ${outcome} ${dim(`· ${formatDuration(ms)}`)}\n`)
  }
}

function servedRecords(safe: boolean): ServedView {
  const write = recordWriter()
  return ({request, bytes, fault, ms}, sink) => {
    const became = {ms: roundedMs(ms), ...(fault === undefined ? {replyBytes: bytes} : {error: fault})}
    const line = `${write(request).slice(0, -1)},${JSON.stringify(became).slice(1)}`
    sink.write(`${safe ? printableJson(line) : line}\n`)
  }
}
