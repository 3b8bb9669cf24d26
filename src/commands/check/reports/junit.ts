/**
 * JUnit XML as read by Jenkins, GitLab, GitHub Actions and others: a suite per file, a case per check. There is no single
 * schema; this is what all of them accept: at most one failure or error per case, and no attributes of our own.
 */
import {basename} from 'node:path'
import type {CheckResult, FileResult} from '../../../lib/checks/events.ts'
import {printableLines} from '../../../lib/cli/render/printable.ts'
import {failuresLines} from './failure.ts'
import {type Rounds, reported} from './rounds.ts'

export async function junitReport({ends, buses, startedMs}: Rounds): Promise<string> {
  const suites: string[] = []
  const sums = {tests: 0, failures: 0, errors: 0, ms: 0}
  for (const {files, round, totals} of ends) {
    sums.ms += totals.ms
    for (const file of files) {
      const {failed, errors} = file
      sums.tests += reported(file).length
      sums.failures += failed
      sums.errors += errors
      const name = ends.length > 1 ? `${file.name} (round ${round})` : file.name
      suites.push(await suite(file, {name, bus: buses.get(file.file) ?? '', startedMs}))
    }
  }
  const {ms, ...counts} = sums
  const all = attributes({name: 'bus check', ...counts, time: seconds(ms)})
  return ['<?xml version="1.0" encoding="UTF-8"?>', `<testsuites${all}>`, ...suites, '</testsuites>', ''].join('\n')
}

async function suite(
  file: FileResult,
  {name, bus, startedMs}: {name: string; bus: string; startedMs: number},
): Promise<string> {
  const results = reported(file)
  const timestamp = new Date(startedMs).toISOString().slice(0, 19)
  const {failed: failures, errors, skipped} = file
  const counts = {tests: results.length, failures, errors, skipped}
  const cases: string[] = []
  for (const result of results) cases.push(await testcase(result))
  return [
    `  <testsuite${attributes({name, ...counts, time: seconds(file.ms), timestamp, file: file.file})}>`,
    `    <properties><property${attributes({name: 'bus', value: bus})}/></properties>`,
    ...cases,
    '  </testsuite>',
  ].join('\n')
}

async function testcase(result: CheckResult): Promise<string> {
  const {name, file, ms, status, reason = '', failures} = result
  const head = `    <testcase${attributes({name, classname: classOf(file), time: seconds(ms)})}`
  if (status === 'passed') return `${head}/>`
  if (status === 'skipped') return `${head}><skipped${attributes({message: reason})}/></testcase>`
  const [first] = failures
  const kind = status === 'failed' ? 'failure' : 'error'
  const told = attributes({message: first?.sentence ?? status, type: first?.kind ?? 'expectation'})
  const lines = [`${file}:${first?.line ?? result.line}`, ...(await failuresLines(failures))]
  return `${head}><${kind}${told}>${escaped(lines.join('\n'))}</${kind}></testcase>`
}

/** Readers show it as package and class. */
function classOf(file: string): string {
  return basename(file).replace(/\.ya?ml$/, '')
}

function attributes(values: Readonly<Record<string, string | number>>): string {
  return Object.entries(values)
    .map(([name, value]) => ` ${name}="${escaped(String(value)).replace(/\n/g, '&#10;').replace(/\t/g, '&#9;')}"`)
    .join('')
}

const entities: Readonly<Record<string, string>> = {'&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;'}

/** XML cannot contain control characters or lone surrogates: they are shown as escapes or U+FFFD. */
function escaped(text: string): string {
  const clean = printableLines(Buffer.from(text).toString()).replace(/[\ufffe\uffff]/g, '\ufffd')
  return clean.replace(/[&<>"]/g, (character) => entities[character] ?? '')
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3)
}
