/** Failures as text: the sentence, the values of the expression, the difference and the message. */
import type {ChalkInstance} from 'chalk'
import type {CheckResult, Failure} from '../../../lib/checks/events.ts'
import {onGivenBus} from '../../../lib/cli/base/error-report.ts'
import {humanView} from '../../../lib/cli/render/human.ts'
import {printable, printableLines} from '../../../lib/cli/render/printable.ts'
import {formatBytes, formatCount, formatDuration} from '../../../lib/cli/render/units.ts'
import {type Message, sizeOf} from '../../../lib/core/message.ts'
import {recordWriter} from '../../../lib/core/record.ts'
import {localTime} from '../../../lib/core/time/timestamp.ts'

/** Duration, attempts and reason, as text. */
export function factsOf({status, ms, attempts, reason}: CheckResult): string[] {
  return [
    ...(status === 'skipped' ? [] : [formatDuration(ms)]),
    ...(attempts > 1 ? [`${attempts} attempts`] : []),
    ...(reason === undefined ? [] : [printable(reason)]),
  ]
}

const mostLines = 40
const longestLine = 400

/**
 * The lines of all failures of a check, not indented. A message that several of them judged is shown once, below the
 * last. Its lines begin with a bar, so that its content cannot pass for our output or for a command to a CI system.
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
    lines.push(...onGivenBus(hints).map((hint) => dim(`  try: ${printable(hint)}`)))
  }
  return lines
}

/** The difference from an exact value; otherwise the values that are too large for the sentence. */
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
  const {subject, payload, reply, seq, time, deliveries} = message
  const facts = [
    formatBytes(sizeOf(payload)),
    localTime(time),
    ...(seq === undefined ? [] : [`sequence ${seq}`]),
    ...(deliveries === undefined ? [] : [`delivery ${formatCount(deliveries)}`]),
    ...(reply === undefined ? [] : [`reply to ${printable(reply)}`]),
  ]
  const bar = paint?.dim('│') ?? '│'
  const name = printable(subject)
  const content = humanView({paint}).content(message).replace(/\n$/, '').split('\n')
  const head = `${paint?.bold(name) ?? name} ${paint?.dim(`· ${facts.join(' · ')}`) ?? `· ${facts.join(' · ')}`}`
  return [`${bar} ${head}`, ...cut(content, paint).map((line) => `${bar} ${line}`)]
}

function cut(lines: readonly string[], paint?: ChalkInstance): string[] {
  const shown = lines.slice(0, mostLines).map((line) => (line.length > longestLine ? clipped(line) : line))
  const more = lines.length - shown.length
  if (more === 0) return shown
  const rest = `… ${more} more lines`
  return [...shown, paint?.dim(rest) ?? rest]
}

/** Resets colours at the end of the line. */
function clipped(line: string): string {
  const end = line.includes('\x1b') ? '\x1b[0m' : ''
  return `${line.slice(0, longestLine)}…${end}`
}

/** Unchanged lines to show around a change. */
const around = 3

/** Lines of JSON with `-` and `+`. Members are sorted, so that their order does not matter; long unchanged runs are cut. */
async function jsonDiff(expected: unknown, seen: unknown, paint?: ChalkInstance): Promise<string[]> {
  const {diffJson} = await import('diff')
  const parts = diffJson(jsonText(expected), jsonText(seen))
  return parts.flatMap(({value, added, removed}, at) => {
    const lines = value.replace(/\n$/, '').split('\n').map(printable)
    if (removed) return lines.map((line) => paint?.green(`- ${line}`) ?? `- ${line}`)
    if (added) return lines.map((line) => paint?.red(`+ ${line}`) ?? `+ ${line}`)
    const same = nearChange(lines, {before: at > 0, after: at < parts.length - 1})
    return same.map((line) => paint?.dim(`  ${line}`) ?? `  ${line}`)
  })
}

/** `diff` formats objects itself, but would split a string into lines. */
function jsonText(value: unknown): object | string {
  if (value === undefined) return 'nothing'
  return value !== null && typeof value === 'object' ? value : JSON.stringify(value)
}

/** The unchanged lines next to a change, which is `before` or `after` them. */
function nearChange(lines: readonly string[], {before, after}: {before: boolean; after: boolean}): readonly string[] {
  const [head, tail] = [before ? around : 0, after ? around : 0]
  if (lines.length <= head + tail + 1) return lines
  return [...lines.slice(0, head), '…', ...lines.slice(lines.length - tail)]
}
