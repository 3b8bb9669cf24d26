import {describe, expect, test} from 'vitest'
import {commands} from '../../../../src/commands/index.ts'
import {onGivenBus} from '../../../../src/lib/cli/base/error-report.ts'
import {bus} from '../../../bus.ts'

interface Example {
  readonly description: string
  readonly command: string
}

/** The lines of the section, without their indent. */
function examplesIn(help: string): string[] {
  const [, section = ''] = /^EXAMPLES\n([\s\S]*?)(?=^\S|$(?![\s\S]))/m.exec(help) ?? []
  return section.split('\n').map((line) => line.replace(/^ {1,4}/, ''))
}

/** Joins lines that end with a backslash, as a shell does. */
const joined = (lines: readonly string[]) => lines.join('\n').replace(/ \\\n +/g, ' ')

describe('an example in help at 80 columns can be copied', () => {
  const ids = [...commands.keys()].filter((id) => id !== 'bench worker')
  test.each(ids)('%s', async (id) => {
    const load = commands.get(id)
    const examples = (await load?.())?.default as unknown as {examples?: readonly Example[]}
    const {code, stdout} = await bus([...id.split(' '), '--help'])
    expect(code).toBe(0)
    const lines = examplesIn(stdout)
    for (const {command} of examples.examples ?? []) {
      expect(joined(lines)).toContain(command.replaceAll('<%= config.bin %>', 'bus'))
    }
    for (const line of lines) expect(line.replace(/\\.|"(?:\\.|[^"])*"|'[^']*'/g, '')).not.toMatch(/['"]/)
  })
})

describe('the help', () => {
  test('of a command names the flags for the connection and the login, which one page describes', async () => {
    const {stdout} = await bus(['context', 'rm', '--help'])
    expect(stdout.split('\n').length).toBeLessThan(45)
    expect(stdout).toContain('--tls-ca')
    expect(stdout).toContain('\n  bus context add --help describes them.\n')
    expect((await bus(['context', 'add', '--help'])).stdout).toContain('--tls-ca=<file>')
  })

  test('of a command says once what it does, and that an argument may be repeated', async () => {
    const {stdout} = await bus(['sub', '--help'])
    expect(stdout.match(/^ *show messages as they arrive$/gm)).toHaveLength(1)
    expect(stdout).toContain('$ bus sub SUBJECT...')
  })

  test('of everything lists each command once', async () => {
    const {stdout} = await bus(['--help'])
    expect(stdout.match(/^ {2}check /gm)).toHaveLength(1)
  })
})

describe('an unknown command', () => {
  test.each([
    ['nope --help', 'bus --help'],
    ['help nope', 'bus --help'],
    ['stream nope --help', 'bus stream --help'],
    ['subscribe x', 'bus sub'],
    ['publish', 'bus pub'],
    ['consumer create ORDERS x', 'bus consumer add'],
    ['consumer delete ORDERS x', 'bus consumer rm'],
    ['kv report', 'bus kv ls'],
    ['consumer rest', 'bus consumer --help'],
    ['stream alter', 'bus stream --help'],
    ['context select x', 'bus context use'],
    ['ctx ls', 'bus context ls'],
    ['steam ls', 'bus --help'],
  ])('bus %s is a usage error that suggests %s', async (line, hint) => {
    const {code, stdout, stderr} = await bus(line.split(' '))
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(/^bus: there is no command /)
    expect(stderr).toContain(`\n  try: ${hint}\n`)
  })
})

describe('a hint that is a command line', () => {
  test.each([
    [['stream', 'info', 'NOPE', '-b', './a b.db'], "bus -b './a b.db' stream ls"],
    [['stream', 'info', 'NOPE', '--bus=memory:h'], 'bus -b memory:h stream ls'],
    [['stream', 'info', 'NOPE'], 'bus stream ls'],
    [['pub', 'a.*', 'x', '-b', 'memory:h'], 'wildcards are only for subscribing: bus -b memory:h sub'],
    [['pub', "it's.$a", 'x', '--ack', '-b', 'memory:h'], `bus -b memory:h stream add NAME 'it'\\''s.$a'`],
  ])('%j names the bus, quoted for a shell', async (args, hint) => {
    const {stderr} = await bus(args)
    expect(stderr).toContain(`\n  try: ${hint}\n`)
  })

  test('repeats the login of the command, except for secrets', () => {
    const {argv} = process
    process.argv = ['node', 'bus', 'req', 'a', '-bnats://h', '--creds=a b.creds', '--password', 's3cret', '--insecure']
    try {
      expect(onGivenBus(['bus sub a', 'see it: bus sub a', 'bus context ls'])).toEqual([
        "bus -b nats://h --creds 'a b.creds' --insecure sub a",
        "see it: bus -b nats://h --creds 'a b.creds' --insecure sub a",
        'bus context ls',
      ])
    } finally {
      process.argv = argv
    }
  })
})
