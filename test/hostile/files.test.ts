/** Pipes, devices, links and files that another user may have placed where busline reads or writes. */
import {execFileSync} from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {bin, startLine} from '../bus.ts'

let home = ''
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'bus-files-'))
})
afterEach(() => rmSync(home, {recursive: true, force: true}))

const stranger = 1234
const victim = 2345
const canChangeUser = process.geteuid?.() === 0 && existsSync('/usr/bin/setpriv')
const check = 'name: n\nchecks:\n  - {name: c, pub: {subject: a, body: x}}\n'

/** Runs a line of shell that must end by itself. */
async function run(line: string) {
  await using running = startLine(line, {cwd: home, env: {HOME: home}})
  const timer = setTimeout(() => running.kill('SIGKILL'), 10_000)
  const ended = await running.ended
  clearTimeout(timer)
  return ended
}

/** Runs a command as a user without privileges, whose folder is `home`. */
async function runAs(user: number, args: string) {
  const setpriv = `setpriv --reuid ${user} --regid ${user} --clear-groups`
  return await run(`exec ${setpriv} '${process.execPath}' '${bin}' ${args}`)
}

/** Commands with a path that is not a regular file, and the beginning of the error. */
const reading: [what: string, args: string, sentence: string][] = [
  ['a check file', 'check FILE -b ./x.db', 'cannot read FILE'],
  ['credentials', 'pub a x -b nats://127.0.0.1:9 --creds FILE', 'cannot read the credentials FILE'],
  ['an nkey', 'pub a x -b nats://127.0.0.1:9 --nkey FILE', 'cannot read the credentials FILE'],
  ['a password', 'pub a x -b nats://127.0.0.1:9 --user u --password file://FILE', 'cannot read FILE (--password)'],
  ['a JWT', 'pub a x -b nats://127.0.0.1:9 --jwt FILE', 'cannot read FILE (--jwt)'],
  ['a certificate authority', 'pub a x -b nats://127.0.0.1:9 --tls-ca FILE', 'cannot read the TLS file FILE'],
  ['a baseline', 'bench pub a --for 100ms -b memory: --baseline FILE', 'cannot read the baseline FILE'],
  ['a context by its path', 'pub a x --context FILE', 'cannot read the context file FILE'],
]

describe.runIf(process.platform !== 'win32')('a pipe or a device', () => {
  it.each(reading)('in place of %s is refused', async (_, args, sentence) => {
    for (const [file, kind] of [
      [join(home, 'pipe.json'), 'a named pipe'],
      ['/dev/zero', 'a device'],
    ] as const) {
      if (kind === 'a named pipe') execFileSync('mkfifo', [file])
      else if (args.startsWith('pub a x --context')) continue
      const {code, signal, stderr} = await run(`bus ${args.replace('FILE', file)}`)
      expect(stderr).toContain(`bus: ${sentence.replace('FILE', file)}: it is ${kind}, not a regular file`)
      expect([code, signal]).toEqual([2, null])
    }
  })

  it('in place of the chosen context is refused', async () => {
    mkdirSync(join(home, '.config/busline'), {recursive: true})
    execFileSync('mkfifo', [join(home, '.config/busline/context.txt')])
    expect(await run('bus pub a x')).toMatchObject({code: 2, stderr: expect.stringContaining('it is a named pipe')})
  })

  it.each(['', '-wal', '-shm', '-journal'])('in place of x.db%s is refused', async (suffix) => {
    execFileSync('mkfifo', [join(home, `x.db${suffix}`)])
    for (const command of ['pub a.b x', 'sub a --for 100ms', ...(suffix === '' ? ['doctor'] : [])]) {
      const {code, signal, stderr, stdout} = await run(`bus ${command} -b ./x.db`)
      expect(stdout + stderr).toContain(`x.db${suffix} is a named pipe, not a regular file`)
      expect([code, signal]).toEqual([3, null])
    }
    expect(readdirSync(home).filter((name) => name.startsWith('x.db'))).toEqual([`x.db${suffix}`])
  })

  it('in place of a libbus database is refused', async () => {
    execFileSync('mkfifo', [join(home, 'l.db')])
    for (const url of ['libbus:./l.db', 'libbus:./l.db?create'])
      expect(await run(`bus pub a.b x -b '${url}'`)).toMatchObject({
        code: 3,
        stderr: expect.stringContaining('l.db is a named pipe, not a regular file'),
      })
  })

  it.each([
    ['a recording', 'bus sub a --for 100ms -b memory: --record ./pipe'],
    ['a report', 'bus check ./c.yaml -b memory: --report junit=./pipe'],
  ])('in place of %s, which nobody reads, is refused', async (_, line) => {
    writeFileSync(join(home, 'c.yaml'), check)
    execFileSync('mkfifo', [join(home, 'pipe')])
    const {code, stderr} = await run(line)
    expect(stderr).toMatch(/cannot write \.\/pipe: it is a (named )?pipe/)
    expect(code).toBe(2)
  })

  it('with a reader gets a report', async () => {
    writeFileSync(join(home, 'c.yaml'), check)
    execFileSync('mkfifo', [join(home, 'pipe')])
    const {stdout} = await run('cat ./pipe & bus check ./c.yaml -b memory: --report tap=./pipe --quiet; wait')
    expect(stdout).toContain('ok 1 - ')
  })

  it.each([['serve x --file ./pipe'], ['rpc serve a b - < ./pipe'], ['stream open x - < ./pipe']])(
    'that nobody closes does not keep "bus %s" longer than --for',
    async (command) => {
      execFileSync('mkfifo', [join(home, 'pipe')])
      const {code, stderr} = await run(`exec 9<>./pipe; bus ${command} --for 300ms -b ./x.db`)
      expect([code, stderr]).toEqual([6, 'bus: the input did not end before --for ended, after 300 ms\n'])
    },
  )
})

describe.runIf(process.platform !== 'win32')('a symbolic link', () => {
  it.each([
    ['a recording', './tape', 'bus sub a --for 100ms -b memory: --record ./tape'],
    [
      'a recording of refused messages',
      './tape',
      'bus consumer replay S c -b ./x.db --create --dead ./tape --exec -- false',
    ],
    ['the draft of a check file', './tape', 'bus check init ./tape --yes -b ./x.db'],
    ['a recording of a failed check', './rec/failing-c.ndjson', `bus check ./failing.yaml -b ./x.db --record ./rec`],
    ['a report', './tape', 'bus check ./failing.yaml -b ./x.db --report json=./tape'],
    ['a context', './.config/busline/contexts/c.json', 'bus context add c --bus nats://a'],
  ])('in place of %s is not written through', async (_, path, line) => {
    writeFileSync(
      join(home, 'failing.yaml'),
      'name: n\nchecks:\n  - {name: c, req: {subject: e}, expect: [status = 1]}\n',
    )
    await run('bus stream add S "s.>" -b ./x.db; bus pub s.1 x --ack -b ./x.db')
    mkdirSync(join(home, path, '..'), {recursive: true})
    symlinkSync(join(home, 'target'), join(home, path))
    const {stderr} = await run(`bus serve e --echo -b ./x.db --for 1500ms --quiet & sleep 0.3; ${line}; wait`)
    expect(stderr).not.toMatch(/Nonexistent flag|is not a flag|unknown key|\n {4}at /)
    expect(existsSync(join(home, 'target'))).toBe(false)
    // It was replaced by a file, or refused.
    if (lstatSync(join(home, path)).isSymbolicLink()) expect(stderr).toContain('it is a symbolic link')
  })
})

describe.runIf(canChangeUser)('a file of another user', () => {
  beforeEach(() => chmodSync(home, 0o1777))

  function planted(path: string, content = ''): string {
    writeFileSync(join(home, path), content)
    chmodSync(join(home, path), 0o666)
    chownSync(join(home, path), stranger, stranger)
    return join(home, path)
  }

  it.each(reading)('in place of %s is refused', async (_, args, sentence) => {
    const path = planted('planted.json', 'x')
    const {code, stderr} = await runAs(victim, args.replace('FILE', path))
    expect(stderr).toContain(`bus: ${sentence.replace('FILE', path)}: it belongs to another user (uid 1234)`)
    expect(code).toBe(4)
  })

  it.each([
    ['a recording', 'sub a --for 100ms -b memory: --record ./planted'],
    ['a report', 'check ./c.yaml -b memory: --report junit=./planted'],
  ])('in place of %s is refused', async (_, args) => {
    writeFileSync(join(home, 'c.yaml'), check)
    const path = planted('planted')
    const {code, stderr} = await runAs(victim, args)
    expect(stderr).toContain('cannot write ./planted: it belongs to another user (uid 1234)')
    expect(code).toBe(4)
    expect(readFileSync(path, 'utf8')).toBe('')
  })

  it.each([
    ['', victim],
    ['', 0],
    ['-wal', victim],
    ['-wal', 0],
    ['-shm', victim],
    ['-shm', 0],
  ])('in place of x.db%s is refused for uid %i', async (suffix, user) => {
    const path = planted(`x.db${suffix}`)
    const {code, stderr} = await runAs(user, 'pub a.b secret -b ./x.db')
    expect(stderr).toContain(`bus: ./x.db${suffix} belongs to another user (uid 1234)`)
    expect(code).toBe(4)
    expect(readFileSync(path, 'utf8')).toBe('')
  })

  it('in place of the folder of wake files is refused', async () => {
    mkdirSync(join(home, 'x.db.bells'))
    chownSync(join(home, 'x.db.bells'), stranger, stranger)
    expect(await runAs(victim, 'sub a --for 100ms -b ./x.db')).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('x.db.bells belongs to another user (uid 1234)'),
    })
  })

  it('that links to a file of this user is refused', async () => {
    writeFileSync(join(home, 'empty'), '')
    chownSync(join(home, 'empty'), victim, victim)
    symlinkSync('empty', join(home, 'x.db'))
    lchownSync(join(home, 'x.db'), stranger, stranger)
    const {code, stderr} = await runAs(victim, 'pub a.b x -b ./x.db')
    expect(code, stderr).toBe(4)
    expect(readFileSync(join(home, 'empty'), 'utf8')).toBe('')
  })

  it('that is shared with a group of this user can be used, in a folder of that group', async () => {
    chmodSync(home, 0o2770)
    chownSync(home, stranger, 4321)
    const as = (user: number) => `setpriv --reuid ${user} --regid 4321 --clear-groups '${process.execPath}' '${bin}'`
    const {stderr} = await run(
      `umask 007; ${as(stranger)} sub a --for 4s -b ./x.db --quiet & sleep 1; chmod 660 x.db*; ${as(victim)} pub a hello -b ./x.db; wait`,
    )
    expect(stderr).toContain('published 5 B to a')
  })
})

describe('the working folder of another user', () => {
  it('contains no file that a command runs or reads unless an argument names it', async () => {
    const pwned = join(home, 'pwned')
    const code = `require('fs').appendFileSync(${JSON.stringify(pwned)}, __filename + '\\n')`
    const modules = ['better-sqlite3', 'bindings', 'bufferutil', 'utf-8-validate', 'ws', 'tslib', 'oclif', 'typescript']
    for (const name of [...modules, 'supports-color', 'chalk', 'yaml', 'ts-node']) {
      mkdirSync(join(home, 'node_modules', name), {recursive: true})
      writeFileSync(join(home, 'node_modules', name, 'index.js'), code)
    }
    for (const name of ['.oclif' + 'rc.js', 'oclif.config.js', 'index.js', 'main.js', 'dist.js'])
      writeFileSync(join(home, name), code)
    for (const name of ['package.json', 'tsconfig.json', '.npmrc', '.env']) writeFileSync(join(home, name), '}')
    for (const name of ['sh', 'node', 'bus', 'sqlite3']) {
      writeFileSync(join(home, name), `#!/bin/sh\necho ${name} >> '${pwned}'\n`)
      chmodSync(join(home, name), 0o755)
    }
    for (const args of [
      '--version',
      'pub a x',
      'help pub',
      'nonsense',
      'doctor',
      'stream ls --json',
      'check',
      'serve a --for 100ms --exec -- cat',
    ])
      expect((await run(`bus ${args}`)).stderr, args).not.toContain('    at ')
    expect(existsSync(pwned) ? readFileSync(pwned, 'utf8') : '').toBe('')
  })
})
