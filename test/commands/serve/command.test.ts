import {execFile} from 'node:child_process'
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {promisify} from 'node:util'
import {afterAll, describe, expect, test} from 'vitest'
import {openMessenger} from '../../../src/lib/protocols/messenger/messenger.ts'
import {bin, bus, isAlive, type Running, start} from '../../bus.ts'
import {NatsServer} from '../../nats-server.ts'

const folder = mkdtempSync(join(tmpdir(), 'serve-'))
afterAll(() => rmSync(folder, {recursive: true}))
const env = {BUS_URL: join(folder, 'bus.db')}

/** Starts `bus serve` with these arguments and resolves when it is live. */
async function serve(...args: string[]): Promise<Running> {
  const server = start(['serve', ...args], {env})
  await server.stderrLine('listening on ')
  return server
}
const req = (subject: string, ...args: string[]) => bus(['req', subject, '-t', '20s', ...args], {env})

describe('the reply of bus serve', () => {
  test('is the given text, with headers', async () => {
    await using _ = await serve('time.now', 'half past two', '-H', 'Zone: UTC', '-H', 'zone: B')
    const {stdout} = await req('time.now', '', '--json')
    expect(JSON.parse(stdout)).toMatchObject({text: 'half past two', headers: {Zone: 'UTC', zone: 'B'}})
  })

  test('is a file or decoded text, byte for byte', async () => {
    const bytes = Uint8Array.from({length: 256}, (_, i) => i)
    writeFileSync(join(folder, 'reply'), bytes)
    await using _ = await serve('file', '--file', join(folder, 'reply'))
    expect([...(await req('file', '', '--raw', '--delimiter', '')).bytes]).toEqual([...bytes])
    await using __ = await serve('hex', '00ff', '--encoding', 'hex')
    expect([...(await req('hex', '', '--raw', '--delimiter', '')).bytes]).toEqual([0, 255])
  })

  test('is a template that is filled in for each request', async () => {
    await using _ = await serve('count', 'reply {n}', '-H', 'N: {n}', '--template')
    expect((await req('count', '', '-f', '{text} {headers.N}\\n')).stdout).toBe('reply 1 1\n')
    expect((await req('count', '', '-f', '{text} {headers.N}\\n')).stdout).toBe('reply 2 2\n')
  })

  test('is the request with its headers', async () => {
    await using _ = await serve('echo.*', '--echo')
    const {stdout} = await req('echo.x', '{"a": 1}', '-H', 'b: 2', '--json')
    expect(JSON.parse(stdout)).toMatchObject({text: '{"a": 1}', headers: {b: '2'}})
  })

  test('is the value of an expression', async () => {
    await using server = await serve('math.*', '--expr', 'subject = "math.double" ? json.n * 2 : json.none')
    expect((await req('math.double', '{"n":21}')).stdout).toBe('42\n')
    expect((await req('math.other', '{"n":21}')).code).toBe(8)
    expect(await server.stdoutLine('[2]')).toContain('→ 500 --expr has no value for this request')
  })
})

test('bus serve --show-requests shows headers and payloads below the line of each request, escaped', async () => {
  await using server = await serve('shown', 'ok', '--show-requests', '-n', '1')
  await req('shown', 'two\nlines \x1b[2J', '-H', 'Trace: a')
  const [first, ...below] = (await server.ended).stdout.split('\n')
  expect(first).toMatch(/^\[1\] \S+ shown 14 B → 2 B · /)
  expect(below).toEqual(['    Trace: a', '    two', String.raw`    lines \x1b[2J`, ''])
})

describe('a program', () => {
  test('gets the request on stdin, and its stdout is the reply', async () => {
    await using _ = await serve('upper', '--exec', '--', 'tr', 'a-z', 'A-Z')
    expect((await req('upper', 'hello')).stdout).toBe('HELLO\n')
  })

  test('gets its arguments as given, without a shell, also those that look like our flags', async () => {
    const print = 'console.log(JSON.stringify(process.argv.slice(1)))'
    await using _ = await serve('args', '--exec', '--', 'node', '-e', print, '--', '--echo', '$HOME', 'a b', '-n', ';')
    expect(JSON.parse((await req('args', '')).stdout)).toEqual(['--echo', '$HOME', 'a b', '-n', ';'])
  })

  test('finds subject, reply subject and headers in its environment', async () => {
    const print = 'echo "$BUS_SUBJECT $BUS_REPLY $BUS_HEADERS $BUS_HEADER_X_ID"'
    await using _ = await serve('env.>', '--exec', '--', 'sh', '-c', print)
    const {stdout} = await req('env.a.b', '', '-H', 'x-id: one', '-H', 'x-id: two')
    expect(stdout).toMatch(/^env\.a\.b _INBOX\.\S+ \{"x-id":\["one","two"\]\} one\n/)
  })

  test('that fails, takes too long or writes only errors results in a service error with its last line', async () => {
    const script =
      'read x; echo talk >&2; case $x in fail) echo "no such order" >&2; exit 4;; slow) sleep 20;; esac; echo fine'
    await using server = await serve('orders', '--exec', '--exec-timeout', '1900ms', '--', 'sh', '-c', script)
    expect(await req('orders', 'fail')).toMatchObject({
      code: 8,
      stderr: expect.stringContaining('error 500: no such order\n'),
    })
    expect(await req('orders', 'slow')).toMatchObject({
      code: 8,
      stderr: expect.stringContaining('error 504: sh did not exit within 1900 ms: talk\n'),
    })
    expect(await req('orders', 'well')).toMatchObject({code: 0, stdout: 'fine\n\n'})
    await server.stderrLine('no such order')
    server.interrupt()
    expect((await server.ended).stderr).toMatch(/3 served · 2 failed · 0 dropped · /)
  })

  test('that does not read its stdin, or gets a megabyte, works', async () => {
    const payload = join(folder, 'large')
    writeFileSync(payload, 'x'.repeat(900_000))
    await using _ = await serve('deaf', '--exec', '--', 'echo', 'heard nothing')
    expect((await req('deaf', '--file', payload)).stdout).toBe('heard nothing\n\n')
    expect((await req('deaf', 'again')).stdout).toBe('heard nothing\n\n')
    await using __ = await serve('size', '--exec', '--', 'wc', '-c')
    expect(Number((await req('size', '--file', payload)).stdout)).toBe(900_000)
  })
})

describe('a simulated fault', () => {
  test('is a service error for the given share of requests', async () => {
    await using _ = await serve('all', '--echo', '--fail', '100%')
    expect(await req('all', '')).toMatchObject({code: 8, stderr: expect.stringContaining('error 500: injected\n')})
    await using __ = await serve('none', '--echo', '--fail', '0%')
    expect((await req('none', 'x', '-n', '50')).code).toBe(0)
  })

  test('is a delay within the range', async () => {
    await using _ = await serve('late', '--echo', '--delay', '50ms..60ms')
    const {latencyMs} = JSON.parse((await req('late', 'x', '-n', '4', '-c', '4', '--json')).stdout)
    expect(latencyMs.min).toBeGreaterThanOrEqual(49)
  })
})

describe('several servers', () => {
  test('share the requests', async () => {
    await using one = await serve('shared', 'one')
    await using two = await serve('shared', 'two')
    await req('shared', '', '-n', '40', '-c', '8')
    one.interrupt()
    two.interrupt()
    const served = await Promise.all(
      [one.ended, two.ended].map(async (ended) => (await ended).stdout.split('\n').length - 1),
    )
    expect(served.reduce((a, b) => a + b)).toBe(40)
  })

  test('with different queues, and without one, all answer', async () => {
    await using _ = await serve('both', 'one', '-q', 'other')
    await using __ = await serve('both', 'two', '--no-queue')
    await using ___ = await serve('both', 'three')
    const {stdout, code} = await req('both', '', '--replies', '3')
    expect({code, replies: stdout.trim().split('\n').sort()}).toEqual({code: 0, replies: ['one', 'three', 'two']})
  })
})

describe('bus serve reports', () => {
  test('one line per request, with its duration', async () => {
    await using server = await serve('told', 'four')
    await req('told', 'twelve bytes')
    expect(await server.stdoutLine()).toMatch(/^\[1\] \d\d:\d\d:\d\d\.\d{3}\S+ told 12 B → 4 B · \d.* (µs|ms)$/)
    await bus(['pub', 'told', 'note'], {env})
    expect(await server.stdoutLine()).toMatch(/told 4 B → no reply wanted · /)
  })

  test('one record per request with --json, which bus pub accepts', async () => {
    await using server = await serve('told', 'four', '--json', '-n', '2', '--fail', '0%')
    await req('told', '{"n":1}', '-H', 'a: b')
    await bus(['pub', 'told', 'note'], {env})
    const {stdout, code} = await server.ended
    const lines = stdout.trim().split('\n')
    expect(code).toBe(0)
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      subject: 'told',
      json: {n: 1},
      headers: {a: 'b'},
      ms: expect.any(Number),
      replyBytes: 4,
    })
    await using again = await serve('told', 'five')
    expect((await bus(['pub', '--records', '-'], {env, stdin: stdout})).code).toBe(0)
    expect(await again.stdoutLine('[2]')).toContain('told 4 B →')
  })

  test('an error in a record, too', async () => {
    await using server = await serve('told', '--json', '--exec', '--', 'sh', '-c', 'echo why >&2; exit 1')
    await req('told', '')
    expect(JSON.parse(await server.stdoutLine())).toMatchObject({error: {code: 500, text: 'why'}})
  })
})

describe('bus serve ends', () => {
  test('after the given number of requests, with a summary', async () => {
    await using server = await serve('few', 'x', '-n', '2')
    await req('few', '')
    await req('few', '')
    expect(await server.ended).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/\n2 served · 0 failed · 0 dropped · .*\/s\n$/),
    })
  })

  test('at its time limit; fewer requests than requested are exit code 6', async () => {
    const [some, idle, free] = await Promise.all([
      bus(['serve', 'none', 'x', '-n', '2', '--for', '100ms'], {env}),
      bus(['serve', 'none', 'x', '-n', '2', '--idle', '100ms'], {env}),
      bus(['serve', 'none', 'x', '--idle', '100ms'], {env}),
    ])
    expect(some).toMatchObject({
      code: 6,
      stderr: expect.stringContaining('bus: only 0 of 2 requests arrived on "none" in time\n'),
    })
    expect(idle.code).toBe(6)
    expect(free.code).toBe(0)
  })

  test('on Ctrl-C, after the request in progress was answered', async () => {
    await using server = await serve('work', '--exec', '--', 'sh', '-c', 'echo started >&2; sleep 0.5; echo done')
    const reply = req('work', '')
    await server.stderrLine('started')
    server.interrupt()
    await server.stderrLine('finishing 1 request; press Ctrl-C again to stop immediately')
    expect((await req('work', '')).code).toBe(7)
    expect((await reply).stdout).toBe('done\n\n')
    expect(await server.ended).toMatchObject({code: 0, stderr: expect.stringContaining('\n1 served · ')})
  })

  test('immediately on the second Ctrl-C, and kills its program', async () => {
    await using server = await serve('work', '--exec', '--', 'sh', '-c', 'echo pid $$ >&2; exec sleep 20')
    const reply = bus(['req', 'work', '', '-t', '300ms'], {env})
    const pid = Number((await server.stderrLine('pid ')).slice(4))
    server.interrupt()
    await server.stderrLine('finishing 1 request; press Ctrl-C again to stop immediately')
    server.interrupt()
    expect(await server.ended).toMatchObject({signal: 'SIGINT'})
    await expect.poll(() => isAlive(pid)).toBe(false)
    expect((await reply).code).toBe(6)
  })

  test('when the reader of its output is gone', async () => {
    const script = `"$0" "$1" serve gone x | head -1 & until "$0" "$1" req gone '' --quiet; do :; done; "$0" "$1" req gone '' --quiet; wait`
    const home = {PATH: process.env['PATH'] ?? '', HOME: folder, ...env}
    const {stdout} = await promisify(execFile)('sh', ['-c', script, process.execPath, bin], {
      env: home,
      timeout: 30_000,
    })
    expect(stdout).toMatch(/gone 0 B → 1 B/)
  })
})

describe('a usage error of bus serve is exit code 2 with a sentence:', () => {
  test.each([
    [[], 'SUBJECT'],
    [['a'], 'no reply is given for "a"'],
    [['a', 'x', '--echo'], 'the reply is given twice, by the argument and by --echo'],
    [['a', '--expr', '1', '--exec', '--', 'cat'], 'the reply is given twice, by --expr and by --exec'],
    [['a', '--exec'], '--exec needs a program after --'],
    [['a', '--exec', '--'], '--exec needs a program after --'],
    [['a', '--exec', '--', 'no-such-program'], 'cannot run "no-such-program": it is not on the PATH'],
    [['a', '--expr', 'json.('], '--expr "json.(" is not JSONata'],
    [['a', 'x', '--exec-timeout', '1s'], '--exec-timeout needs --exec'],
    [['a..b', 'x'], 'an empty token at position 3'],
    [['a.>.b', 'x'], '">" before the last token at position 3'],
    [['a', 'x', '-q', 'b', '--no-queue'], '--queue and --no-queue cannot be used together'],
    [['a', 'x', '--concurrency', '0'], '"0" is not a whole number of at least 1'],
    [['a', 'x', '--fail', '5'], '"5" is not a percentage'],
    [['a', 'x', '--fail', '101%'], '"101%" is not a percentage'],
    [['a', 'x', '--delay', '5s..1s'], 'starts after its end'],
    [['a', 'x', '-H', 'none'], 'header "none" must be "Name: value"'],
    [['a', 'x{nope}', '--template'], '{nope}'],
    [['a', '--file', '/'], 'cannot read /: it is a folder'],
  ])('%j', async (args, sentence) => {
    const {code, stdout, stderr} = await bus(['serve', ...args], {env})
    expect({code, stdout}).toEqual({code: 2, stdout: ''})
    expect(stderr).toMatch(/^bus: .*\n( {2}try: .*\n)*$/)
    expect(stderr).toContain(sentence)
  })
})

describe('the queue group', () => {
  test('is shared with the servers of a messenger', async () => {
    await using server = await NatsServer.start()
    for (const url of [server.url(), join(folder, 'shared.db')]) {
      await using messenger = await openMessenger(url)
      await using running = start(['serve', 'shared', 'cli', '-b', url])
      await running.stderrLine('listening on shared')
      let handled = 0
      await messenger.serve('shared', () => String(++handled))
      let asked = 0
      let byCommand = 0
      // On a busy machine one of them may answer a whole round.
      await expect
        .poll(async () => {
          const replies = await Promise.all(Array.from({length: 100}, () => messenger.request('shared', '')))
          asked += replies.length
          byCommand += replies.filter((reply) => Buffer.from(reply).toString() === 'cli').length
          return handled > 0 && byCommand > 0
        })
        .toBe(true)
      expect([url, handled + byCommand]).toEqual([url, asked])
      running.interrupt()
      expect((await running.ended).stderr).toContain(`${byCommand} served`)
    }
  })
})
