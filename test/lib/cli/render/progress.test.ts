import {spawnSync} from 'node:child_process'
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {open} from '../../../../src/lib/transport/open.ts'
import {root} from '../../../bus.ts'

const folder = mkdtempSync(join(tmpdir(), 'progress-'))
const path = join(folder, 'bus.db')
afterAll(() => rmSync(folder, {recursive: true}))
beforeAll(async () => {
  await using bus = await open(path)
  await bus.streams.add({name: 'S', subjects: ['s']})
  for (let n = 1; n <= 6; n++) bus.publish({subject: 's', data: String(n)})
  await bus.flush()
})

/** What is seen on a terminal where a command line runs. */
function seen(line: string, env: Record<string, string> = {}): string {
  const command = `'${process.execPath}' '${join(root, 'bin/run.js')}' ${line}`
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

  test('is gone before anything else is written', () => {
    const text = seen(`${replay} --exec --on-error skip -- sh -c 'exit 1' > ${folder}/out`)
    const lines = text.split('\n').filter((line) => /exit code|failed|skipped/.test(line))
    expect(lines.length).toBeGreaterThan(0)
    for (const line of lines) expect(line.split('\x1b[2K').at(-1)).not.toMatch(bar)
  })
})
