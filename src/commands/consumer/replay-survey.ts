/** How a dry run is shown. */
import type {ChalkInstance} from 'chalk'
import {table} from '../../lib/cli/render/table.ts'
import {formatBytes, formatCount} from '../../lib/cli/render/units.ts'
import {isoTime} from '../../lib/core/time/timestamp.ts'
import type {Survey, Tally} from '../../lib/messaging/replay/survey.ts'

/** A line a subject, and a last one for all. */
export async function surveyText({total, subjects}: Survey, paint: ChalkInstance | undefined): Promise<string> {
  if (total.messages === 0) return 'nothing to replay\n'
  const rows = [...subjects].sort(([a], [b]) => (a < b ? -1 : 1)).map(([subject, tally]) => row(subject, tally))
  const columns = [
    {head: 'subject'},
    {head: 'messages', align: 'right'},
    {head: 'bytes', align: 'right'},
    {head: 'first'},
    {head: 'last'},
  ] as const
  return table(columns, [...rows, row('all', total)], paint)
}

/** Times as ISO 8601. */
export function surveyJson(
  {total, subjects, firstSeq, lastSeq}: Survey,
  {stream, consumer}: {readonly stream: string; readonly consumer?: string | undefined},
): object {
  const each = Object.fromEntries([...subjects].map(([subject, tally]) => [subject, tallyJson(tally)]))
  return {stream, consumer, ...tallyJson(total), firstSeq, lastSeq, subjects: each}
}

function tallyJson({messages, bytes, firstTime, lastTime}: Tally): object {
  return messages === 0
    ? {messages, bytes}
    : {messages, bytes, firstTime: isoTime(firstTime), lastTime: isoTime(lastTime)}
}

function row(subject: string, {messages, bytes, firstTime, lastTime}: Tally): string[] {
  return [subject, formatCount(messages), formatBytes(bytes), isoTime(firstTime), isoTime(lastTime)]
}
