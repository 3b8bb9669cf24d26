import {execFileSync, spawnSync} from 'node:child_process'
import {existsSync, mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, describe, expect, it} from 'vitest'
import pkg from '../package.json' with {type: 'json'}
import {bin, bus, start} from './bus.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-test-'))
afterAll(() => rmSync(folder, {recursive: true}))

const isCheckout = process.env['BUS_BIN'] === undefined

describe('bus --version', () => {
  it.each(['--version', '-V'])('prints name, version, platform and Node: %s', async (flag) => {
    const {code, stdout, stderr} = await bus([flag])
    expect(stdout).toMatch(new RegExp(`^busline/${pkg.version} \\S+-\\S+ node-v\\S+\\n$`))
    expect([code, stderr]).toEqual([0, ''])
  })
})

describe('help', () => {
  it.each([[['--help']], [['-h']], [['help']], [[]]])('lists the commands: bus %j', async (args) => {
    const {code, stdout, stderr} = await bus(args)
    expect(stdout).toContain(pkg.description)
    for (const command of ['pub', 'sub', 'req', 'serve', 'tour'])
      expect(stdout).toMatch(new RegExp(`^  ${command} `, 'm'))
    expect([code, stderr]).toEqual([0, ''])
  })

  it.each([[['pub', '--help']], [['pub', 'a.b', '-h']], [['help', 'pub']]])(
    'explains one command: bus %j',
    async (args) => {
      const {code, stdout} = await bus(args)
      expect(stdout).toMatch(/USAGE\n {2}\$ bus pub /)
      expect(stdout).toContain('-H, --header=')
      expect(code).toBe(0)
    },
  )

  it('is not shown for a --help that is an argument', async () => {
    const {code, stdout} = await bus(['pub', 'a.b', '-b', 'memory:', '--', '--help'])
    expect([code, stdout]).toEqual([0, ''])
  })

  it('does not look for TypeScript tools if NODE_ENV is development', async () => {
    const {code, stderr} = await bus(['--help'], {env: {NODE_ENV: 'development'}})
    expect([code, stderr]).toEqual([0, ''])
  })
})

describe('an unknown command', () => {
  it.each([
    [['pbu', 'a.b', 'hi'], 'pbu', 'bus pub'],
    [['serv'], 'serv', 'bus serve'],
    [['zebra'], 'zebra', 'bus --help'],
    [['toString'], 'toString', 'bus --help'],
  ])('%j is a usage error that suggests %s', async (args, typed, hint) => {
    const {code, stdout, stderr} = await bus(args)
    expect([code, stdout, stderr]).toEqual([2, '', `bus: there is no command "${typed}"\n  try: ${hint}\n`])
  })

  it('is one JSON object with --json', async () => {
    const {code, stdout, stderr} = await bus(['pbu', '--json'])
    expect(JSON.parse(stderr)).toMatchObject({error: {kind: 'usage', exitCode: 2, try: ['bus pub']}})
    expect([code, stdout]).toEqual([2, ''])
  })
})

describe('a failure', () => {
  it.each([
    [['pub', 'a..b', 'x', '-b', 'memory:'], 2, 'usage'],
    [['pub', 'a.b', 'x', '--cuont', '3'], 2, 'usage'],
    [['pub', 'a.b', 'x', '--count', '0'], 2, 'usage'],
    [['pub', 'a.b', 'x', '--context', 'nowhere'], 5, 'notFound'],
    [['pub', 'a.b', 'x', '-b', 'gopher://host'], 2, 'usage'],
  ])('has the same exit code with and without --json: bus %j ends with %d', async (args, exitCode, kind) => {
    const plain = await bus(args)
    const json = await bus([...args, '--json'])
    expect([plain.code, json.code, plain.stdout, json.stdout]).toEqual([exitCode, exitCode, '', ''])
    expect(plain.stderr).toMatch(/^bus: .+\n( {2}try: .+\n)+$/)
    const {error} = JSON.parse(json.stderr)
    expect(error).toMatchObject({kind, exitCode, message: expect.any(String), try: expect.any(Array)})
    expect(json.stderr.trim().split('\n')).toHaveLength(1)
  })

  it('has the same text if NODE_ENV is development', async () => {
    const args = ['pub', 'a.b', 'x', '--count', '0']
    const [usual, development] = [await bus(args), await bus(args, {env: {NODE_ENV: 'development'}})]
    expect(development.stderr).toBe(usual.stderr)
  })

  it('shows no password from the URL of a bus', async () => {
    const {stderr} = await bus(['pub', 'a.b', 'x', '-b', 'gopher://ann:hunter2@host'])
    expect(stderr).toContain('gopher://ann:***@host')
  })
})

describe('global flags', () => {
  it('may precede the command', async () => {
    const {code, stdout} = await bus(['--json', '--bus', 'memory:x', 'pub', 'a.b', 'hi'])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({subject: 'a.b'})
  })

  it.each([['--bus'], ['--server'], ['-b'], ['-s']])('select the bus with %s', async (flag) => {
    const file = join(folder, `named${flag}.db`)
    expect((await bus(['pub', 'a.b', 'hi', flag, file])).code).toBe(0)
    expect(existsSync(file)).toBe(true)
  })

  it('silence stderr with --quiet', async () => {
    expect((await bus(['pub', 'a.b', 'hi', '--quiet'])).stderr).toBe('')
  })
})

/** Runs a command line on a terminal of its own and returns what the terminal shows. */
function onTerminal(line: string): string {
  const env = {PATH: process.env['PATH'], HOME: folder, TERM: 'xterm'}
  const command = `'${process.execPath}' '${bin}' ${line}`
  return execFileSync('script', ['-qec', command, '/dev/null'], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
  })
}

const hasTerminals = process.platform === 'linux' && spawnSync('script', ['--version']).status === 0

describe.runIf(hasTerminals && isCheckout)('on a terminal', () => {
  const chosen = `sqlite:${folder}/.local/state/busline/bus.db (your own bus file)`

  it('shows in a dim line which bus is used, and why', () => {
    expect(onTerminal('pub a.b hi')).toContain(`\x1b[2m${chosen}\x1b[22m`)
  })

  it('shows that line without colour with --no-color', () => {
    const seen = onTerminal('pub a.b hi --no-color')
    expect(seen).toContain(chosen)
    expect(seen).not.toContain('\x1b')
  })

  it.each(['--quiet', '--json'])('does not show that line with %s', (flag) => {
    expect(onTerminal(`pub a.b hi ${flag}`)).not.toContain('your own bus file')
  })
})

describe('a reader that goes away', () => {
  it('is not a failure for a command that has written all its output', async () => {
    await using running = start(['--help'])
    running.hangUp()
    expect(await running.ended).toMatchObject({code: 0, stderr: ''})
  })

  it('ends a command that streams', async () => {
    await using running = start(['sub', 'gone', '--raw'])
    await running.stderrLine('listening on ')
    running.hangUp()
    await bus(['pub', 'gone', 'x', '-n', '3'])
    expect(await running.ended).toMatchObject({code: 0, signal: null})
  })
})

describe.runIf(existsSync('/dev/full') && isCheckout)('a full disk', () => {
  it.each([
    ['a word', '--version'],
    ['help', '--help'],
    ['help of a command', 'sub --help'],
    ['a result', 'pub a.b hi --json --quiet'],
    ['a table', 'stream ls --json'],
    ['a report', 'doctor'],
    ['the end of a stream of messages', 'sub full --for 2s --json'],
    ['messages to a bound', 'sub full -n 1 --for 10s --raw'],
  ])('is a failure in one sentence: %s', (_, args) => {
    const publish = `(sleep 1; '${process.execPath}' '${bin}' pub full x --quiet) &`
    const line = `${args.startsWith('sub full') ? publish : ''} '${process.execPath}' '${bin}' ${args} > /dev/full`
    const {status, stderr} = spawnSync('sh', ['-c', line], {encoding: 'utf8', env: {HOME: folder}, timeout: 30_000})
    expect([status, stderr]).toEqual([10, expect.stringMatching(/cannot write to stdout: the disk is full["\n]/)])
  })
})

describe('Ctrl-C', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)('ends a command that streams with exit code 0: %s', async (signal) => {
    await using running = start(['sub', 'quiet'])
    await running.stderrLine('listening on ')
    running.kill(signal)
    expect(await running.ended).toMatchObject({code: 0, signal: null})
  })
})
