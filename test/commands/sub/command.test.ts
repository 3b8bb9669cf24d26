import {spawnSync} from 'node:child_process'
import {mkdirSync, mkdtempSync, readFileSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, describe, expect, test} from 'vitest'
import type {Outgoing} from '../../../src/lib/core/message.ts'
import {open} from '../../../src/lib/transport/open.ts'
import {bin, bus, type Ended, start, startLine} from '../../bus.ts'
import {hasTerminals} from '../../hostile/hostile-text.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-sub-'))
afterAll(() => rmSync(folder, {recursive: true}))

let files = 0

/** A bus file of its own, as `--bus` takes it. */
function newBus(): string {
  const path = join(folder, String(++files))
  mkdirSync(path)
  return join(path, 'bus.db')
}

/** Runs `bus sub` with these arguments, publishes from this process once it listens, and waits for its end. */
async function sub(args: readonly string[], messages: readonly Outgoing[], db = newBus()): Promise<Ended> {
  // Opened first, so that the first message arrives well within the bounds of a test.
  await using transport = await open(db)
  await using running = start(['sub', ...args, '-b', db])
  await running.stderrLine('listening on ')
  for (const message of messages) transport.publish(message)
  await transport.flush()
  return await running.ended
}

async function publish(db: string, messages: readonly Outgoing[]): Promise<void> {
  await using transport = await open(db)
  for (const message of messages) transport.publish(message)
  await transport.flush()
}

const orders: readonly Outgoing[] = [
  {subject: 'orders.created', data: '{"id":1,"total":50}', headers: [['Trace', 'x1']]},
  {subject: 'orders.created', data: '{"id":2,"total":500}'},
  {subject: 'orders.paid', data: 'id 1'},
  {subject: 'logs.app', data: Uint8Array.of(0xff, 0x1b)},
]

/** Ends after all messages of `orders`. */
const all = ['>', '-n', '4']

describe('bus sub', () => {
  test('shows human-readable messages, and a summary on stderr', async () => {
    const {code, stdout, stderr} = await sub(['orders.*', '-n', '3'], orders)
    expect(code).toBe(0)
    expect(stdout.replace(/\d\d:\d\d:\d\d\.\d{3}(Z|[+-]\d\d:\d\d)/g, 'TIME')).toBe(
      [
        '[1] TIME orders.created · 19 B',
        '    Trace: x1',
        '    {"id":1,"total":50}',
        '[2] TIME orders.created {"id":2,"total":500}',
        '[3] TIME orders.paid id 1',
        '',
      ].join('\n'),
    )
    expect(stderr).toMatch(/^listening on orders\.\*\n3 received · 0 dropped · \d.* · \d.*\/s\n$/)
  })

  test('shows each message once, however many of its subjects it matches', async () => {
    const args = ['orders.created', 'orders.*', '*.app', '-n', '4', '--subjects-only']
    const {stdout, stderr} = await sub(args, orders)
    expect(stdout).toBe('orders.created\norders.created\norders.paid\nlogs.app\n')
    expect(stderr).toContain('listening on orders.created orders.* *.app\n')
  })

  test('prints only data with --quiet', async () => {
    const db = newBus()
    await using running = start(['sub', '>', '-n', '1', '--quiet', '--raw', '-b', db])
    // It becomes live at an unknown time, so this publishes until it has ended.
    let ended = false
    void running.ended.then(() => {
      ended = true
    })
    while (!ended) {
      await publish(db, [{subject: 'a', data: 'x'}])
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(await running.ended).toMatchObject({code: 0, stdout: 'x', stderr: ''})
  })

  test('shows one record per line with --json', async () => {
    const {stdout} = await sub([...all, '--json'], orders)
    const records = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(records).toMatchObject([
      {subject: 'orders.created', seq: 1, headers: {Trace: 'x1'}, json: {id: 1, total: 50}},
      {subject: 'orders.created', seq: 2, json: {id: 2, total: 500}},
      {subject: 'orders.paid', seq: 3, text: 'id 1'},
      {subject: 'logs.app', seq: 4, base64: '/xs='},
    ])
    expect(records[0].time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
  })

  test('shows payloads byte for byte with --raw', async () => {
    const {bytes} = await sub([...all, '--raw', '--delimiter', '\\0'], orders)
    expect(bytes.toString('latin1')).toBe('{"id":1,"total":50}\0{"id":2,"total":500}\0id 1\0\xff\x1b\0')
  })

  test.each([
    [
      '--format',
      '{n} {subject} {headers.trace} {json.id} {bytes}\\n',
      '1 orders.created x1 1 19\n2 orders.created  2 20\n',
    ],
    ['--select', 'json.total', '50\n500\n'],
    ['--select', '{"s": subject, "t": headers.Trace}', '{"s":"orders.created","t":"x1"}\n{"s":"orders.created"}\n'],
  ])('shows what %s %s requests', async (flag, value, expected) => {
    expect(await sub(['orders.created', '-n', '2', flag, value], orders)).toMatchObject({code: 0, stdout: expected})
  })

  test('shows only headers on request', async () => {
    const {stdout} = await sub(['orders.created', '-n', '1', '--headers-only', '--json'], orders)
    expect(JSON.parse(stdout)).toMatchObject({headers: {Trace: 'x1'}, bytes: 19})
    expect(stdout).not.toContain('total')
  })

  test.concurrent.each([
    [['--match', '"id":\\d'], 'orders.created orders.created'],
    [['--where', 'json.total > 100'], 'orders.created'],
    [['--where', 'headers.Trace = "x1" or subject = "logs.app"'], 'orders.created logs.app'],
    [['--ignore', 'orders.created', '--ignore', 'logs.>'], 'orders.paid'],
    [['--sample', '100%'], 'orders.created orders.created orders.paid logs.app'],
    [['--sample', '0%'], ''],
  ])('shows only messages selected by %j', async (flags, expected) => {
    const {stdout, stderr} = await sub(['>', '--subjects-only', '--idle', '2s', ...flags], orders)
    const kept = stdout.split('\n').filter(Boolean)
    expect(kept.join(' ')).toBe(expected)
    expect(stderr).toContain(`4 received · ${kept.length === 4 ? '' : `${kept.length} kept · `}0 dropped`)
  })

  test('reports that an expression cannot be applied, and continues', async () => {
    const db = newBus()
    await using running = start(['sub', '>', '--where', '$uppercase(json.id)', '-b', db])
    await running.stderrLine('listening on ')
    await publish(db, orders)
    await running.stderrLine('--where "$uppercase(json.id)" fails on a message: ')
    running.interrupt()
    expect((await running.ended).code).toBe(0)
  })

  test('shares the messages of a queue group, each with one member', async () => {
    const db = newBus()
    await using one = start(['sub', 'a', '-q', 'work', '-b', db, '--raw', '--idle', '3s'])
    await using two = start(['sub', 'a', '-q', 'work', '-b', db, '--raw', '--idle', '3s'])
    expect(await one.stderrLine('listening on ')).toBe('listening on a in queue work')
    await two.stderrLine('listening on ')
    const numbers = Array.from({length: 200}, (_, n) => String(n))
    await publish(
      db,
      numbers.map((data) => ({subject: 'a', data})),
    )
    const lines = [await one.ended, await two.ended].flatMap(({stdout}) => stdout.split('\n').filter(Boolean))
    expect(lines.sort()).toEqual(numbers.sort())
  })

  test('shows requests with their replies', async () => {
    const db = newBus()
    await using running = start(['sub', 'greet', '--pair', '--json', '-n', '2', '-b', db])
    await running.stderrLine('listening on ')
    await using transport = await open(db)
    const serving = await transport.subscribe('greet')
    const asked = [
      transport.request({subject: 'greet', data: 'Ann'}),
      transport.request({subject: 'greet', data: 'Bob'}),
    ]
    let served = 0
    for await (const {reply = '', text} of serving) {
      transport.publish({subject: reply, data: `hello ${text}`})
      if (++served === 2) break
    }
    await Promise.all(asked)
    const {code, stdout, stderr} = await running.ended
    const pairs = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(code).toBe(0)
    expect(pairs.map(({request, reply}) => `${request.text}: ${reply.text}`).sort()).toEqual([
      'Ann: hello Ann',
      'Bob: hello Bob',
    ])
    expect(pairs.every(({ms}) => ms >= 0 && ms < 20_000)).toBe(true)
    expect(stderr).toContain(' · 0 unanswered · ')
  })

  test('counts and shows unanswered requests', async () => {
    const {stdout, stderr} = await sub(
      ['ask', '--pair', '--for', '1500ms'],
      [{subject: 'ask', data: 'x', reply: 'r.1'}],
    )
    expect(stdout).toMatch(/^\[1] \S+ ask x\n {4}↳ no reply\n$/)
    expect(stderr).toContain(' · 1 unanswered · ')
  })

  test('records what it shows to a new file, which bus pub replays', async () => {
    const tape = join(newBus(), '..', 'recording.ndjson')
    await sub([...all, '--raw', '--record', tape], orders)
    const again = newBus()
    await using running = start(['sub', '>', '-n', '4', '--raw', '-b', again])
    await running.stderrLine('listening on ')
    expect(await bus(['pub', '--records', tape, '-b', again])).toMatchObject({code: 0})
    const {bytes} = await running.ended
    expect(bytes.toString('latin1')).toBe('{"id":1,"total":50}\n{"id":2,"total":500}\nid 1\n\xff\x1b\n')
    const before = readFileSync(tape, 'utf8')
    expect(await bus(['sub', '>', '--record', tape, '-b', again])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`bus: ${tape} already contains a recording\n`),
    })
    expect(readFileSync(tape, 'utf8')).toBe(before)
  })
})

describe('bus sub ends', () => {
  test.each([
    ['--for', 'got 1 of 2 messages within 900 ms'],
    ['--idle', 'got 1 of 2 messages and then nothing for 900 ms'],
  ])('with exit code 6 if %s comes before --count', async (flag, sentence) => {
    const {code, stdout, stderr} = await sub(['a', '-n', '2', flag, '900ms', '--raw'], [{subject: 'a', data: 'x'}])
    expect([code, stdout]).toEqual([6, 'x\n'])
    expect(stderr).toContain(`bus: ${sentence}\n  try: a longer ${flag}\n`)
  })

  test('with exit code 0 at --for without --count', async () => {
    expect(await sub(['a', '--for', '100ms'], [])).toMatchObject({code: 0, stdout: ''})
  })

  test('with exit code 0 on Ctrl-C and SIGTERM, after the messages that had arrived, with a summary', async () => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      const db = newBus()
      await using running = start(['sub', 'a', '-n', '9', '--for', '1h', '--raw', '-b', db])
      await running.stderrLine('listening on ')
      await publish(db, [{subject: 'a', data: 'x'}])
      await running.stdoutLine('x')
      running.kill(signal)
      const ended = await running.ended
      expect(ended).toMatchObject({code: 0, stdout: 'x\n'})
      expect(ended.stderr).toContain('1 received · 0 dropped · ')
    }
  })

  test('with exit code 0 when the reader of its output is gone', async () => {
    const db = newBus()
    await using feeding = start(['pub', 'a', 'x', '--every', '2ms', '-b', db])
    const script = '{ "$0" "$1" sub a -b "$2" --json; echo "code $?" >&2; } | head -1'
    const {stdout, stderr} = spawnSync('sh', ['-c', script, process.execPath, bin, db], {
      encoding: 'utf8',
      timeout: 30_000,
    })
    expect(JSON.parse(stdout)).toMatchObject({subject: 'a', text: 'x'})
    expect(stderr).toContain('code 0\n')
    feeding.interrupt()
  })
})

describe('bus sub refuses', () => {
  test.concurrent.each<[number, string, string[]]>([
    [2, 'SUBJECT is missing', []],
    [2, 'subject "a..b" has an empty token at position 3', ['a..b']],
    [2, 'subject ".a" has a leading "." at position 1', ['x', '.a']],
    [2, 'subject "a.>.b" has ">" before the last token at position 3', ['a.>.b']],
    [2, 'subject "a b" has a space at position 2', ['a b']],
    [2, '--count: "0" is not a whole number of at least 1', ['a', '-n', '0']],
    [2, '--for: "10" is not a duration: it has no unit', ['a', '--for', '10']],
    [2, '--idle: "-2s" is not a duration: it cannot be negative', ['a', '--idle=-2s']],
    [2, '--sample: "1" is not a percentage from 0% to 100%', ['a', '--sample', '1']],
    [2, '--match /a(b/ is not a regular expression: Unterminated group at position 2', ['a', '--match', 'a(b']],
    [2, '--where "json.a =" is not JSONata: Unexpected end of expression at position 8', ['a', '--where', 'json.a =']],
    [2, '--select "a..b" is not JSONata: Syntax error: ".." at position 3', ['a', '--select', 'a..b']],
    [2, '--format has the unknown "{subjct}", at position 3', ['a', '-f', 'x {subjct}']],
    [2, 'subject "b..c" has an empty token at position 3', ['a', '--ignore', 'b..c']],
    [2, '--raw and --json cannot be used together', ['a', '--raw', '--json']],
    [2, '--pair and --queue cannot be used together', ['a', '--pair', '-q', 'q']],
    [2, '--delimiter needs --raw or --format or --select or --subjects-only', ['a', '--delimiter', ',']],
    [2, 'there is no flag --jsn', ['a', '--jsn']],
    [5, `cannot write ${folder}/no/such: there is no such folder`, ['a', '--record', `${folder}/no/such`]],
  ])('with exit code %i: %s', async (code, sentence, args) => {
    const refused = await bus(['sub', ...args, '-b', newBus()])
    expect(refused.stderr).toContain(args.includes('--json') ? JSON.stringify(sentence) : `bus: ${sentence}`)
    expect([refused.code, refused.stdout]).toEqual([code, ''])
  })
})

test.skipIf(!hasTerminals)('after Ctrl-C on a terminal, the summary begins on a new line', async () => {
  await using running = startLine("script -qec 'bus sub echoed' /dev/null", {stdin: 'open'})
  await running.stdoutLine('listening on ')
  running.stdin.write('\x03')
  expect((await running.ended).stdout).toMatch(/\^C\r\n0 received /)
})
