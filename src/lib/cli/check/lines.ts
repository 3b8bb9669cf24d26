/** Checks as lines: one for each as it ends, what did not hold below it, and the sum at the end. */
import type {ChalkInstance} from 'chalk'
import type {CheckEvent, CheckResult, Failure, Reporter, Status, Totals} from '../../check/events.ts'
import type {Message} from '../../message.ts'
import {recordWriter} from '../../record.ts'
import {printable, printableJson} from '../printable.ts'
import {formatDuration} from '../units.ts'
import type {Sink} from '../view.ts'

const longestShown = 2000

export function linesReporter(sink: Sink, paint: ChalkInstance | undefined): Reporter {
  return {
    tell(event) {
      for (const line of linesOf(event, paint)) sink.write(`${line}\n`)
    },
  }
}

/** `12 passed, 1 failed · 340 ms` */
function totalsLine({passed, failed, errors, skipped, ms}: Totals): string {
  const parts = Object.entries({passed, failed, errors, skipped}).filter(
    ([name, count]) => count > 0 || name === 'passed',
  )
  return `${parts.map(([name, count]) => `${count} ${name}`).join(', ')} · ${formatDuration(ms)}`
}

function linesOf(event: CheckEvent, paint: ChalkInstance | undefined): string[] {
  if (event.kind === 'checkEnd') return checkLines(event.result, paint)
  return event.kind === 'end' ? [totalsLine(event.totals)] : []
}

function checkLines(result: CheckResult, paint: ChalkInstance | undefined): string[] {
  const {status, name, file, line, ms, attempts, reason, part, failures} = result
  if (part === 'always' && failures.length === 0) return []
  const facts = [
    ...(status === 'skipped' ? [] : [formatDuration(ms)]),
    ...(attempts > 1 ? [`${attempts} attempts`] : []),
    ...(reason === undefined ? [] : [printable(reason)]),
  ]
  const tail = facts.length === 0 ? '' : ` · ${facts.join(' · ')}`
  const head = `${word(status, paint)} ${printable(`${file}:${line}`)} ${printable(name)}${paint?.dim(tail) ?? tail}`
  const message = failures.findLast((failure) => failure.message !== undefined)?.message
  return [head, ...failures.flatMap((failure) => failureLines(failure, paint)), ...messageLines(message, paint)]
}

function word(status: Status, paint: ChalkInstance | undefined): string {
  const text = {passed: 'passed ', failed: 'FAILED ', skipped: 'skipped', error: 'ERROR  '}[status]
  if (paint === undefined || status === 'skipped') return text
  return status === 'passed' ? paint.green(text) : paint.red(text)
}

function failureLines({sentence, line, try: hints = []}: Failure, paint: ChalkInstance | undefined): string[] {
  const dim = (text: string) => paint?.dim(text) ?? text
  return [`  ${printable(sentence)} ${dim(`(line ${line})`)}`, ...hints.map((hint) => dim(`  try: ${printable(hint)}`))]
}

function messageLines(message: Message | undefined, paint: ChalkInstance | undefined): string[] {
  if (message === undefined) return []
  const line = `  message: ${printableJson(recordWriter()(message)).slice(0, longestShown)}`
  return [paint?.dim(line) ?? line]
}
