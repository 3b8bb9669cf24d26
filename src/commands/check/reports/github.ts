/** Annotations for GitHub Actions, which shows them at the line of the file in a pull request. */
import {relative, resolve} from 'node:path'
import type {CheckResult, Failure} from '../../../lib/checks/events.ts'
import {printableLines} from '../../../lib/cli/render/printable.ts'
import {failuresLines} from './failure.ts'
import {isBad} from './rounds.ts'

/** One annotation per failure. Paths are relative to the repository, whose folder is in the environment. */
export async function annotations(result: CheckResult, env: NodeJS.ProcessEnv): Promise<string> {
  if (!isBad(result)) return ''
  const file = inRepository(result.file, env['GITHUB_WORKSPACE'])
  const lines = await Promise.all(result.failures.map((failure) => annotation(file, result.name, failure)))
  return lines.join('')
}

async function annotation(file: string, title: string, failure: Failure): Promise<string> {
  const [first = '', ...rest] = await failuresLines([failure])
  const text = [first.replace(/ \(line \d+\)$/, ''), ...rest].join('\n')
  const place = `file=${property(file)},line=${failure.line},title=${property(title)}`
  return `::error ${place}::${data(text)}\n`
}

function inRepository(file: string, workspace: string | undefined): string {
  if (workspace === undefined) return file
  const path = relative(workspace, resolve(file))
  return path.startsWith('..') ? file : path
}

function data(text: string): string {
  return printableLines(text).replace(/%/g, '%25').replace(/\r/g, '%0D').replace(/\n/g, '%0A')
}

function property(text: string): string {
  return data(text).replace(/:/g, '%3A').replace(/,/g, '%2C')
}
