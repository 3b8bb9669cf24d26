/** TAP 14: a line per check as it ends, with a YAML block that explains a failure. */

import {stringify} from 'yaml'
import type {CheckEvent, CheckResult} from '../../../lib/checks/events.ts'
import {printable, printableLines} from '../../../lib/cli/render/printable.ts'
import type {Message} from '../../../lib/core/message.ts'
import {recordWriter, roundedMs} from '../../../lib/core/record.ts'
import {isBad} from './rounds.ts'

/** Returns the text for each event. The plan comes last, because with --repeat it is not known before. */
export function tapWriter(): {readonly lines: (event: CheckEvent) => string; readonly end: () => string} {
  let count = 0
  const names = new Map<string, string>()
  return {
    lines(event) {
      if (event.kind === 'start') return count === 0 && event.round === 1 ? 'TAP version 14\n' : ''
      if (event.kind === 'fileStart') names.set(event.file.file, event.file.name)
      if (event.kind !== 'checkEnd' || (event.result.part === 'always' && !isBad(event.result))) return ''
      return testPoint(event.result, names.get(event.result.file) ?? event.result.file, ++count)
    },
    end: () => (count === 0 ? 'TAP version 14\n1..0\n' : `1..${count}\n`),
  }
}

function testPoint(result: CheckResult, file: string, number: number): string {
  const {name, status, reason, ms} = result
  const head = `${isBad(result) ? 'not ok' : 'ok'} ${number} - ${described(`${file}: ${name}`)}`
  if (status === 'skipped') return `${head} # SKIP ${described(reason ?? '')}\n`
  const block = isBad(result) ? failureBlock(result) : {duration_ms: roundedMs(ms)}
  const yaml = stringify(block, {lineWidth: 0, aliasDuplicateObjects: false}).trimEnd()
  return `${head}\n${['---', ...yaml.split('\n'), '...'].map((line) => `  ${line}`).join('\n')}\n`
}

function failureBlock({file, line, status, ms, attempts, failures}: CheckResult): object {
  return {
    duration_ms: roundedMs(ms),
    severity: status === 'error' ? 'error' : 'fail',
    at: {file, line},
    attempts,
    failures: failures.map((failure) => ({
      message: printableLines(failure.sentence),
      line: failure.line,
      ...(failure.expression !== undefined && {expression: failure.expression}),
      ...(failure.seen !== undefined && {seen: failure.seen}),
      ...(failure.expected !== undefined && {expected: failure.expected}),
      ...(failure.message !== undefined && {record: recordOf(failure.message)}),
    })),
  }
}

function recordOf(message: Message): unknown {
  return JSON.parse(recordWriter()(message))
}

/** Escapes `#`, which would begin a directive. */
function described(text: string): string {
  return printable(text).replace(/[\\#]/g, '\\$&')
}
