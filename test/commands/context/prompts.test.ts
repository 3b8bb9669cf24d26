import {spawn, spawnSync} from 'node:child_process'
import {existsSync, mkdtempSync, readFileSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {stripVTControlCharacters} from 'node:util'
import {afterEach, beforeEach, describe, expect, it, onTestFinished} from 'vitest'
import {bin, bus} from '../../bus.ts'

let home = ''
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'bus-test-'))
})
afterEach(() => rmSync(home, {recursive: true}))
const path = (name: string) => join(home, '.config', 'busline', 'contexts', `${name}.json`)

/** Runs a command line on a new terminal and types each answer when its question appears. */
async function onTerminal(line: string, answers: readonly (readonly [question: string, answer: string])[], env = {}) {
  const child = spawn('script', ['-qec', `'${process.execPath}' '${bin}' ${line}`, '/dev/null'], {
    env: {PATH: process.env['PATH'], HOME: home, TERM: 'xterm', ...env},
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let seen = ''
  let shown = ''
  const left = [...answers]
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += stripVTControlCharacters(text)
    seen += stripVTControlCharacters(text)
    const [question, answer] = left[0] ?? []
    if (question === undefined || !seen.includes(question)) return
    left.shift()
    seen = ''
    child.stdin.write(answer)
  })
  const code = await new Promise((resolve) => child.once('close', resolve))
  return {code, shown, unasked: left.map(([question]) => question)}
}

const hasTerminals = process.platform === 'linux' && spawnSync('script', ['--version']).status === 0

describe.runIf(hasTerminals)('on a terminal', () => {
  it('context add prompts for what is missing, and shows no password', async () => {
    const {code, shown, unasked} = await onTerminal('context add', [
      ['Name:', 'prod\r'],
      ['Bus:', 'nats://a:4222\r'],
      ['Description:', '\r'],
      ['token', '\x1b[B\r'],
      ['User:', 'ann\r'],
      ['Password:', 'hunter2\r'],
    ])
    expect([code, unasked]).toEqual([0, []])
    expect(shown).not.toContain('hunter2')
    expect(JSON.parse(readFileSync(path('prod'), 'utf8'))).toEqual({
      url: 'nats://a:4222',
      user: 'ann',
      password: 'hunter2',
    })
  })

  it('context add prompts for the password if only --user is given', async () => {
    const typed = await onTerminal('context add two --bus nats://a --user bob', [['Password:', 'hunter2\r']])
    expect(typed).toMatchObject({code: 0, unasked: []})
    expect(JSON.parse(readFileSync(path('two'), 'utf8'))).toMatchObject({user: 'bob', password: 'hunter2'})
  })

  it('Ctrl-C at a prompt of context add exits with 130, and nothing is saved', async () => {
    expect(await onTerminal('context add', [['Name:', '\x03']])).toMatchObject({code: 130, unasked: []})
  })

  it('context add does not prompt in CI', async () => {
    const {code, shown} = await onTerminal('context add', [], {CI: 'true'})
    expect([code, shown]).toEqual([2, expect.stringContaining('the name of the context is missing')])
  })

  it('context rm asks for confirmation', async () => {
    await bus(['context', 'add', 'three', '--bus', 'nats://a'], {env: {HOME: home}})
    expect(await onTerminal('context rm three', [['remove the context three?', 'n\r']])).toMatchObject({code: 130})
    expect(existsSync(path('three'))).toBe(true)
    expect(await onTerminal('context rm three', [['remove the context three?', 'y\r']])).toMatchObject({code: 0})
    expect(existsSync(path('three'))).toBe(false)
  })
})
