/** How the replies to a request are shown. */

import {recordWriter, roundedMs} from '../../core/record.ts'
import type {TimedReply} from '../../messaging/pubsub/request.ts'
import type {ViewFlags} from '../flags/view.ts'
import {humanView} from './human.ts'
import {printableJson} from './printable.ts'
import {compileFormat, endOfFormat} from './template.ts'
import {chooseView, type Screen, type ViewTarget, viewKindOf, writeTyped} from './view.ts'

/** Shows one reply. */
export type ReplyView = (answer: TimedReply, sink: ViewTarget) => unknown

/**
 * How replies are shown: as the flags say; otherwise headers and payload on a terminal, and in a pipe the payload alone, byte
 * for byte and with a newline.
 */
export async function chooseReplyView(
  flags: ViewFlags,
  {terminal, paint, single}: Pick<Screen, 'terminal' | 'paint' | 'single'>,
): Promise<ReplyView> {
  const kind = viewKindOf(flags) ?? (terminal ? undefined : 'raw')
  if (kind === 'format') return timedFormat(flags, terminal)
  const isDefault = kind === 'raw' && flags.raw !== true
  const view = await chooseView(isDefault ? {...flags, raw: true, delimiter: '\\n'} : flags, {terminal, paint, single})
  if (kind === 'json') return timedRecords(flags['headers-only'], terminal)
  if (kind !== undefined && kind !== 'headers') return ({message}, sink) => view.show([message], sink)
  const human = humanView({paint, headersOnly: flags['headers-only']})
  return ({message}, sink) => sink.write(human.content(message))
}

function timedFormat({format: template = '', delimiter}: ViewFlags, safe: boolean): ReplyView {
  const [format, end] = [compileFormat(template, {safe, timed: true}), endOfFormat(template, delimiter)]
  let n = 0
  return ({message, ms}, sink) => writeTyped(sink, format(message, ++n, ms) + end)
}

/** Records with `ms`, the milliseconds from the request to this reply. */
function timedRecords(headersOnly: boolean | undefined, safe: boolean): ReplyView {
  const write = recordWriter({headersOnly})
  return ({message, ms}, sink) => {
    const line = `${write(message).slice(0, -1)},"ms":${roundedMs(ms)}}`
    sink.write(`${safe ? printableJson(line) : line}\n`)
  }
}
