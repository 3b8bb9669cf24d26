import {spawnSync} from 'node:child_process'
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {stripVTControlCharacters} from 'node:util'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {open} from '../../../../src/lib/transport/open.ts'
import {root} from '../../../bus.ts'

const folder = mkdtempSync(join(tmpdir(), 'progress-'))
const path = join(folder, 'bus.db')
afterAll(() => rmSync(folder, {recursive: true}))
beforeAll(async () => {
  await using bus = await open(path)
  await bus.streams.add({name: 'S', subjects: ['s', 'a.subject.that.is.wider.than.the.terminal']})
  for (let n = 1; n <= 6; n++) bus.publish({subject: 's', data: String(n)})
  await bus.flush()
})

/** Returns what a command line shows on a terminal. */
function seen(line: string, env: Record<string, string> = {}, before = ''): string {
  const command = `${before} '${process.execPath}' '${join(root, 'bin/run.js')}' ${line}`
  return spawnSync('script', ['-qec', command, '/dev/null'], {
    env: {PATH: process.env['PATH'], HOME: folder, TERM: 'xterm', BUS_URL: `sqlite:${path}`, ...env},
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
  }).stdout
}

const hasTerminals = process.platform === 'linux' && spawnSync('script', ['--version']).status === 0

describe.runIf(hasTerminals)('a progress bar', () => {
  const bar = /\d of 6 messages|\d messages/
  const replay = 'consumer replay S --rate 4/s'

  test('is drawn while messages go to a file', () => {
    expect(seen(`${replay} --raw > ${folder}/out`)).toMatch(bar)
  })

  test.each([
    ['among messages on the terminal', replay, {}],
    ['among messages that come through a pipe', `${replay} --raw | cat`, {}],
    ['on a terminal without cursor', `${replay} --raw > ${folder}/out`, {TERM: 'dumb'}],
    ['with --quiet', `${replay} --raw --quiet > ${folder}/out`, {}],
  ])('is not drawn %s', (_, line, env) => {
    expect(seen(line, env)).not.toMatch(bar)
  })

  test('is cleared before other output', () => {
    const text = seen(`${replay} --exec --on-error skip -- sh -c 'exit 1' > ${folder}/out`)
    const lines = text.split('\n').filter((line) => /exit code|failed|skipped/.test(line))
    expect(lines.length).toBeGreaterThan(0)
    for (const line of lines) expect(line.split('\x1b[2K').at(-1)).not.toMatch(bar)
  })
})

describe.runIf(hasTerminals)('a table on a terminal', () => {
  test('is drawn again in its place with --watch', () => {
    const text = seen('stream report --watch --every 200ms --for 700ms', {}, 'stty rows 24 cols 100;')
    expect(text).toContain('\x1b[2A\x1b[0J')
    expect(text).not.toContain('\\u001b')
  })

  test('of unknown width is not cut', () => {
    expect(seen('stream ls')).toContain('a.subject.that.is.wider.than.the.terminal')
  })

  test('fits its width', () => {
    const text = seen('stream ls', {}, 'stty cols 70;')
    expect(text).toContain('a.subject.that')
    expect(text).not.toContain('a.subject.that.is.wider.than.the.terminal')
    for (const line of text.split('\n').slice(1))
      expect(stripVTControlCharacters(line).trim().length).toBeLessThanOrEqual(70)
  })
})
