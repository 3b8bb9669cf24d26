/** What was expected and what came, as lines of JSON with `-` and `+`. */
import type {ChalkInstance} from 'chalk'
import {printable} from '../../../lib/cli/render/printable.ts'

/** Unchanged lines that stay around a change. */
const around = 3

/** Members are sorted, so that their order is no difference. Long runs without a difference are left out. */
export async function jsonDiff(expected: unknown, seen: unknown, paint?: ChalkInstance): Promise<string[]> {
  const {diffJson} = await import('diff')
  const parts = diffJson(jsonText(expected), jsonText(seen))
  return parts.flatMap(({value, added, removed}, at) => {
    const lines = value.replace(/\n$/, '').split('\n').map(printable)
    if (removed) return lines.map((line) => paint?.green(`- ${line}`) ?? `- ${line}`)
    if (added) return lines.map((line) => paint?.red(`+ ${line}`) ?? `+ ${line}`)
    const same = shortened(lines, {before: at > 0, after: at < parts.length - 1})
    return same.map((line) => paint?.dim(`  ${line}`) ?? `  ${line}`)
  })
}

/** `diff` lays out objects by itself, and would take a text for lines. */
function jsonText(value: unknown): object | string {
  if (value === undefined) return 'nothing'
  return value !== null && typeof value === 'object' ? value : JSON.stringify(value)
}

/** Of lines that are the same those beside a change: what stands `before` them has changed, or what comes `after`. */
function shortened(lines: readonly string[], {before, after}: {before: boolean; after: boolean}): readonly string[] {
  const [head, tail] = [before ? around : 0, after ? around : 0]
  if (lines.length <= head + tail + 1) return lines
  return [...lines.slice(0, head), '…', ...lines.slice(lines.length - tail)]
}
