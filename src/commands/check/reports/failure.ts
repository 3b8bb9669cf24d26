/** What did not hold, for people: the sentence with the expression, the values that it saw, the difference, the message. */
import type {ChalkInstance} from 'chalk'
import type {Failure} from '../../../lib/checks/events.ts'
import {humanView} from '../../../lib/cli/render/human.ts'
import {printable, printableLines} from '../../../lib/cli/render/printable.ts'
import {formatBytes} from '../../../lib/cli/render/units.ts'
import type {Message} from '../../../lib/core/message.ts'
import {sizeOf} from '../../../lib/core/message.ts'
import {recordWriter} from '../../../lib/core/record.ts'
import {jsonDiff} from './diff.ts'

const mostLines = 40
const longestLine = 400

/**
 * All failures of a check, without an indent. A message that several are about stands once, below the last of them.
 * Its lines begin with a bar: what a stranger wrote cannot pass for a line of ours, nor for a command to a CI system.
 */
export async function failuresLines(failures: readonly Failure[], paint?: ChalkInstance): Promise<string[]> {
  const dim = (text: string) => paint?.dim(text) ?? text
  const keys = failures.map(({message}) => message && recordWriter()(message))
  const lines: string[] = []
  for (const [at, failure] of failures.entries()) {
    const {sentence, line, message, try: hints = []} = failure
    lines.push(`${printableLines(sentence)} ${dim(`(line ${line})`)}`)
    lines.push(...(await valueLines(failure, paint)).map((text) => `  ${text}`))
    const isLast = keys.lastIndexOf(keys[at]) === at
    if (message !== undefined && isLast) lines.push(...messageLines(message, paint).map((text) => `  ${text}`))
    lines.push(...hints.map((hint) => dim(`  try: ${printable(hint)}`)))
  }
  return lines
}

/** A difference where an exact value was asked for; else the values that the sentence has no room for. */
async function valueLines({expression = '', expected, seen = {}}: Failure, paint?: ChalkInstance): Promise<string[]> {
  if (expected !== undefined) {
    const head = `${paint?.green('- expected') ?? '- expected'} ${paint?.red('+ seen') ?? '+ seen'}`
    return [head, ...cut(await jsonDiff(expected, seen[expression], paint), paint)]
  }
  const large = Object.entries(seen).filter(([, value]) => value !== null && typeof value === 'object')
  return large.flatMap(([part, value]) => {
    const lines = cut(JSON.stringify(value, null, 2).split('\n').map(printable), paint)
    return [`${paint?.cyan(printable(part)) ?? printable(part)}:`, ...lines.map((line) => `  ${line}`)]
  })
}

/** Subject, headers and body. */
function messageLines(message: Message, paint?: ChalkInstance): string[] {
  const {subject, payload, reply, seq} = message
  const facts = [
    formatBytes(sizeOf(payload)),
    ...(seq === undefined ? [] : [`sequence ${seq}`]),
    ...(reply === undefined ? [] : [`reply to ${printable(reply)}`]),
  ]
  const bar = paint?.dim('│') ?? '│'
  const name = printable(subject)
  const content = humanView({paint}).content(message).replace(/\n$/, '').split('\n')
  const head = `${paint?.bold(name) ?? name} ${paint?.dim(`· ${facts.join(' · ')}`) ?? `· ${facts.join(' · ')}`}`
  return [`${bar} ${head}`, ...cut(content, paint).map((line) => `${bar} ${line}`)]
}

function cut(lines: readonly string[], paint?: ChalkInstance): string[] {
  const shown = lines.slice(0, mostLines).map((line) => (line.length > longestLine ? shortened(line) : line))
  const more = lines.length - shown.length
  if (more === 0) return shown
  const rest = `… ${more} more lines`
  return [...shown, paint?.dim(rest) ?? rest]
}

/** Colours end with the line. */
function shortened(line: string): string {
  const end = line.includes('\x1b') ? '\x1b[0m' : ''
  return `${line.slice(0, longestLine)}…${end}`
}
