/** Checks as lines for a pipe or a log: one per check, its failures below it, and the totals at the end. */
import type {ChalkInstance} from 'chalk'
import type {CheckEvent, CheckResult, Reporter, Status, Totals} from '../../../lib/checks/events.ts'
import {printable} from '../../../lib/cli/render/printable.ts'
import {counted, formatDuration} from '../../../lib/cli/render/units.ts'
import {factsOf, failuresLines} from './failure.ts'
import type {ReportOutput} from './rounds.ts'

export function linesReporter(output: ReportOutput, paint: ChalkInstance | undefined): Reporter {
  let shown = Promise.resolve()
  return {
    tell(event) {
      // One after the other, because differences are made asynchronously.
      shown = shown.then(async () => {
        for (const line of await linesOf(event, paint)) output.write(`${line}\n`)
        output.ready()
      })
    },
    settled: () => shown,
    close: () => shown,
  }
}

/** `12 passed, 1 failed · 340 ms` */
function totalsLine({passed, failed, errors, skipped, ms}: Totals): string {
  const parts = [
    `${passed} passed`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(errors > 0 ? [counted(errors, 'error')] : []),
    ...(skipped > 0 ? [`${skipped} skipped`] : []),
  ]
  return `${parts.join(', ')} · ${formatDuration(ms)}`
}

async function linesOf(event: CheckEvent, paint: ChalkInstance | undefined): Promise<string[]> {
  if (event.kind === 'checkEnd') return await checkLines(event.result, paint)
  return event.kind === 'end' ? [totalsLine(event.totals)] : []
}

async function checkLines(result: CheckResult, paint: ChalkInstance | undefined): Promise<string[]> {
  const {status, name, file, line, part, failures} = result
  if (part === 'always' && failures.length === 0) return []
  const facts = factsOf(result)
  const tail = facts.length === 0 ? '' : ` · ${facts.join(' · ')}`
  const head = `${word(status, paint)} ${printable(`${file}:${line}`)} ${printable(name)}${paint?.dim(tail) ?? tail}`
  return [head, ...(await failuresLines(failures, paint)).map((text) => `  ${text}`)]
}

function word(status: Status, paint: ChalkInstance | undefined): string {
  const text = {passed: 'passed ', failed: 'FAILED ', skipped: 'skipped', error: 'ERROR  '}[status]
  if (paint === undefined || status === 'skipped') return text
  return status === 'passed' ? paint.green(text) : paint.red(text)
}
