import {execFileSync, spawnSync} from 'node:child_process'
import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, describe, expect, test} from 'vitest'
import {bin, bus, start} from '../../bus.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-pub-'))
afterAll(() => rmSync(folder, {recursive: true}))

let files = 0

/** A bus file of its own, as `--bus` takes it. */
function newBus(): string {
  const path = join(folder, String(++files))
  mkdirSync(path)
  return join(path, 'bus.db')
}

function file(content: string | Uint8Array): string {
  const path = join(folder, `${++files}.txt`)
  writeFileSync(path, content)
  return path
}

/** Runs `act` while `bus sub` listens, and returns the output of that after `count` messages. */
async function received(
  db: string,
  subjects: readonly string[],
  count: number,
  act: () => Promise<unknown>,
  flags = ['--raw'],
): Promise<Buffer> {
  await using sub = start(['sub', ...subjects, '-b', db, '-n', String(count), '--for', '40s', ...flags])
  await sub.stderrLine('listening on ')
  await act()
  const {code, bytes, stderr} = await sub.ended
  expect([code, stderr]).toEqual([0, expect.any(String)])
  return bytes
}

describe('bus pub', () => {
  test('publishes a message with headers and a reply subject, and reports it', async () => {
    const db = newBus()
    const publish = async () => {
      const args = [
        'pub',
        'orders.created',
        '{"id":1}',
        '-H',
        'Trace: x1',
        '-H',
        'Tag: a: b',
        '--reply',
        'answers',
        '-b',
        db,
      ]
      expect(await bus(args)).toMatchObject({code: 0, stdout: '', stderr: 'published 8 B to orders.created\n'})
    }
    const line = await received(db, ['orders.*'], 1, publish, ['--json'])
    expect(JSON.parse(line.toString())).toMatchObject({
      subject: 'orders.created',
      reply: 'answers',
      headers: {Trace: 'x1', Tag: 'a: b'},
      json: {id: 1},
    })
  })

  test('prints only its result as one document with --json', async () => {
    const {code, stdout, stderr} = await bus(['pub', 'a.b', 'hello', '-n', '3', '-b', newBus(), '--json'])
    expect([code, stderr]).toEqual([0, ''])
    const {ms, ...result} = JSON.parse(stdout)
    expect(result).toEqual({published: 3, subject: 'a.b', bytes: 15})
    expect(ms).toBeGreaterThan(0)
  })

  test('prints nothing with --quiet', async () => {
    expect(await bus(['pub', 'a', 'x', '-b', newBus(), '--quiet'])).toMatchObject({code: 0, stdout: '', stderr: ''})
  })

  test('takes the body from any source, byte for byte', async () => {
    const db = newBus()
    const bytes = Uint8Array.from({length: 256}, (_, at) => at)
    const out = await received(
      db,
      ['a'],
      7,
      async () => {
        await bus(['pub', 'a', 'é\n', '-b', db])
        await bus(['pub', 'a', '', '-b', db])
        await bus(['pub', 'a', '-b', db], {stdin: bytes})
        await bus(['pub', 'a', '-', '-b', db], {stdin: '\ufeffx'})
        await bus(['pub', 'a', '--file', file(bytes), '-b', db])
        await bus(['pub', 'a', 'AP8=', '--encoding', 'base64', '-b', db])
        await bus(['pub', 'a', '--encoding', 'hex', '-b', db], {stdin: '00 ff\n'})
      },
      ['--raw', '--delimiter', '|'],
    )
    const bar = Buffer.from('|')
    const bodies = ['é\n', '', bytes, '\ufeffx', bytes, Uint8Array.of(0, 255), Uint8Array.of(0, 255)]
    expect(out.equals(Buffer.concat(bodies.flatMap((body) => [Buffer.from(body), bar])))).toBe(true)
  })

  test('fills in a template', async () => {
    const db = newBus()
    const args = ['pub', 'a.{n}', '{"n":{n}}', '-H', 'N: {n}', '--template', '-n', '3', '-b', db]
    const out = await received(db, ['a.*'], 3, () => bus(args), ['-f', '{subject} {json.n} {headers.N}\\n'])
    expect(out.toString()).toBe('a.1 1 1\na.2 2 2\na.3 3 3\n')
  })

  test('publishes random payloads of a given size', async () => {
    const db = newBus()
    const out = await received(db, ['a'], 2, () => bus(['pub', 'a', '--size', '1KiB', '-n', '2', '-b', db]))
    expect(out.toString()).toMatch(/^[\w-]{1024}\n[\w-]{1024}\n$/)
  })
})

describe('the stdin of bus pub', () => {
  test('is not read if there is a body', async () => {
    const db = newBus()
    await using pub = start(['pub', 'a', 'body', '-b', db], {stdin: 'open'})
    expect(await pub.ended).toMatchObject({code: 0, stderr: 'published 4 B to a\n'})
    // In a loop over lines, pub must leave the lines to the loop.
    const loop = `printf '1\\n2\\n3\\n' | while read n; do "$0" "$1" pub a "body $n" -b "$2"; done`
    const {stderr} = spawnSync('sh', ['-c', loop, process.execPath, bin, db], {encoding: 'utf8'})
    expect(stderr).toBe('published 6 B to a\n'.repeat(3))
  })

  test.each([
    ['a closed one', '<&-', 0],
    ['/dev/null', '< /dev/null', 0],
    ['a file', '< "$3"', 5],
    ['a file, when stdout is one too', '< "$3" > "$4"', 5],
    ['a pipe from a program that writes nothing', '', 0],
  ])('may be %s', (_name, redirection, size) => {
    const script = `${redirection === '' ? 'true | ' : ''}"$0" "$1" pub a -b "$2" ${redirection}`
    const args = ['-c', script, process.execPath, bin, newBus(), file('hello'), join(folder, `${++files}.out`)]
    const {stderr, status} = spawnSync('sh', args, {encoding: 'utf8'})
    expect([status, stderr]).toEqual([0, `published ${size} B to a\n`])
  })

  test.skipIf(process.platform !== 'linux')('is not read if it is a terminal: the message is empty', () => {
    const command = `'${process.execPath}' '${bin}' pub a -b '${newBus()}' --json`
    const out = execFileSync('script', ['-qec', command, '/dev/null'], {
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    expect(out).toContain('"published":1,"subject":"a","bytes":0')
  })
})

describe('bus pub --lines', () => {
  test('publishes each line while stdin stays open', async () => {
    const db = newBus()
    await using sub = start(['sub', 'a', '-b', db, '--raw'])
    await sub.stderrLine('listening on ')
    await using pub = start(['pub', 'a', '--lines', '-b', db], {stdin: 'open'})
    pub.stdin.write('one\ntw')
    expect(await sub.stdoutLine()).toBe('one')
    pub.stdin.write('o\n\nlast')
    expect([await sub.stdoutLine(), await sub.stdoutLine()]).toEqual(['two', ''])
    pub.stdin.end()
    expect(await sub.stdoutLine()).toBe('last')
    expect(await pub.ended).toMatchObject({code: 0, stderr: expect.stringMatching(/^4 published · 10 B · .*\/s\n$/)})
  })

  test('reports how many were published when Ctrl-C comes before the end, and exits with 130', async () => {
    const db = newBus()
    await using sub = start(['sub', 'a', '-b', db, '--raw'])
    await sub.stderrLine('listening on ')
    await using pub = start(['pub', 'a', '--lines', '-b', db], {stdin: 'open'})
    pub.stdin.write('one\n')
    await sub.stdoutLine('one')
    pub.interrupt()
    expect(await pub.ended).toMatchObject({code: 130, stderr: 'bus: interrupted after 1 message was published\n'})
  })

  test('splits at the given delimiter', async () => {
    const db = newBus()
    const publish = () => bus(['pub', 'a', '--lines', '--delimiter', '\\0', '-b', db], {stdin: 'one\ntwo\0three\0'})
    expect((await received(db, ['a'], 2, publish, ['--raw', '--delimiter', '|'])).toString()).toBe('one\ntwo|three|')
  })
})

describe('bus pub --records', () => {
  test('restores every byte, header and subject of bus sub --json', async () => {
    const [db, other] = [newBus(), newBus()]
    const record = (line: object) => `${JSON.stringify(line)}\n`
    const tape = [
      record({subject: 'a.é', text: '{"a": 1.0}', headers: {b: ['1', '2'], A: ' x '}}),
      record({subject: 'a.b', base64: '/wAA', reply: 'r'}),
      record({
        subject: 'a.b',
        text: '',
        headers: [
          ['7', 'x'],
          ['B', '1'],
          ['7', 'y'],
        ],
      }),
      '{"subject":"a.b","json":[1e400,-0,12345678901234567890]}\n',
      '{"subject":"a.b","json":{"a":1,"a":2}}\n',
    ].join('')
    const withoutTime = (lines: Buffer) => lines.toString().replace(/"seq":\d+,"time":"[^"]+",?/g, '')
    const first = await received(db, ['a.>'], 5, () => bus(['pub', '--records', '-', '-b', db], {stdin: tape}), [
      '--json',
    ])
    const copied = file(first)
    const second = await received(other, ['a.>'], 5, () => bus(['pub', '--records', copied, '-b', other]), ['--json'])
    expect(withoutTime(second)).toBe(withoutTime(first))
    const [one, , three, four] = first.toString().split('\n')
    expect(one).toContain('"headers":{"b":["1","2"],"A":" x "},"json":{"a":1.0},"text":"{\\"a\\": 1.0}"}')
    expect(three).toContain('"headers":[["7","x"],["B","1"],["7","y"]],"text":""}')
    expect(four).toContain('"json":[1e400,-0,12345678901234567890],"text"')
  })

  test('keeps the recorded pace with --speed, and only then', async () => {
    const at = (time: string) => `{"subject":"a","time":"2026-11-20T${time}Z"}\n`
    const soon = file(at('12:00:00.000') + at('12:00:00.060') + at('12:00:00.120'))
    const hours = file(at('12:00:00') + at('16:00:00'))
    const publish = async (...flags: string[]) => {
      const {code, stdout} = await bus(['pub', '--records', ...flags, '-b', newBus(), '--json'])
      expect(code).toBe(0)
      return JSON.parse(stdout).ms as number
    }
    expect(await publish(soon, '--speed', '1')).toBeGreaterThanOrEqual(120)
    expect(await publish(soon, '--speed', '2')).toBeGreaterThanOrEqual(60)
    await publish(hours)
    await publish(hours, '--speed', 'max')
    await publish(hours, '--speed', '1000000')
  })

  test('names the line that is not a record, and publishes those before it', async () => {
    const db = newBus()
    const tape = file(
      '{"subject":"a","json":1}\n\n{"subject":"a","json":2}\n{"subject":"a",\n{"subject":"a","json":3}\n',
    )
    const failing = async () => {
      const {code, stderr} = await bus(['pub', '--records', tape, '-b', db])
      expect(code).toBe(2)
      expect(stderr).toMatch(`bus: line 4 of ${tape} is not JSON: `)
      expect(stderr).toContain('; the 2 messages before it were published\n  try: ')
    }
    expect((await received(db, ['a'], 2, failing)).toString()).toBe('1\n2\n')
  })

  test('refuses a record whose payload has another name, instead of publishing it without', async () => {
    const db = newBus()
    const lines = '{"subject":"a","json":1}\n{"subject":"a","data":2}\n{"subject":"a","json":3}\n'
    const failing = async () => {
      const {code, stderr} = await bus(['pub', '--records', '-', '-b', db], {stdin: lines})
      expect(code).toBe(2)
      expect(stderr).toMatch('line 2 of stdin has a member that records do not have: "data"; the message before it was')
    }
    expect((await received(db, ['a'], 1, failing)).toString()).toBe('1')
  })
})

describe('bus pub without an end', () => {
  test('with --every exits with 0 on Ctrl-C, and prints a summary', async () => {
    const db = newBus()
    await using sub = start(['sub', 'a', '-b', db, '--raw'])
    await sub.stderrLine('listening on ')
    await using pub = start(['pub', 'a', 'tick', '--every', '5ms', '-b', db])
    for (const _ of [1, 2, 3]) await sub.stdoutLine('tick')
    pub.interrupt()
    expect(await pub.ended).toMatchObject({code: 0, stderr: expect.stringMatching(/^\d+ published · /)})
  })

  test('with --count is interrupted by Ctrl-C before its end with exit code 130, even with --json', async () => {
    const db = newBus()
    await using sub = start(['sub', 'a', '-b', db, '--raw'])
    await sub.stderrLine('listening on ')
    await using pub = start(['pub', 'a', 'tick', '--rate', '100/s', '-n', '100000', '-b', db, '--json'])
    await sub.stdoutLine('tick')
    pub.interrupt()
    const {code, stdout, stderr} = await pub.ended
    expect([code, stdout]).toEqual([130, ''])
    expect(JSON.parse(stderr).error).toMatchObject({
      kind: 'interrupted',
      exitCode: 130,
      data: {published: expect.any(Number)},
    })
  })
})

describe('bus pub refuses', () => {
  const missing = join(folder, 'missing')
  test.concurrent.each<[number, string, string[]]>([
    [2, 'SUBJECT is missing', []],
    [2, 'subject "a..b" has an empty token at position 3', ['a..b', 'x']],
    [2, 'subject ".a" has a leading "." at position 1', ['.a', 'x']],
    [2, 'subject "a." has a trailing "." at position 2', ['a.', 'x']],
    [2, 'the subject is empty', ['', 'x']],
    [2, 'subject "a.*" has wildcard "*" at position 3', ['a.*', 'x']],
    [2, 'subject "a.>" has wildcard ">" at position 3', ['a.>', 'x']],
    [2, 'subject "a b" has a space at position 2', ['a b', 'x']],
    [2, 'subject "a\\nb" has a newline at position 2', ['a\nb', 'x']],
    [2, 'subject "a\\u0007b" has the control character U+0007 at position 2', ['a\x07b', 'x']],
    [2, '--count: "0" is not a whole number of at least 1', ['a', 'x', '--count', '0']],
    [2, '--count: "-1" is not a whole number of at least 1', ['a', 'x', '--count=-1']],
    [2, '--every: "-1s" is not a duration: it cannot be negative', ['a', 'x', '--every=-1s']],
    [2, '--every: "100" is not a duration: it has no unit', ['a', 'x', '--every', '100']],
    [2, '--rate: "fast" is not a rate above zero', ['a', 'x', '--rate', 'fast']],
    [2, '--size: "big" is not a size', ['a', '--size', 'big']],
    [2, '--speed: "slow" is not a speed', ['--records', 'x', '--speed', 'slow']],
    [2, '--header: header "nocolon" must be "Name: value"', ['a', 'x', '-H', 'nocolon']],
    [2, '--header: the value of header "A" has a line break or NUL', ['a', 'x', '-H', 'A: b\nc']],
    [2, 'the body is given twice, by the argument and by --file', ['a', 'x', '--file', 'y']],
    [2, '--lines and --count cannot be used together', ['a', '--lines', '-n', '2']],
    [2, 'the body has the unknown "{x}", at position 1', ['a', '{x}', '--template']],
    [2, 'the body is not hex: "x" at position 1', ['a', 'xx', '--encoding', 'hex']],
    [2, '--size is 1073741824 bytes, but sqlite:', ['a', '--size', '1GiB']],
    [5, `cannot read ${missing}: there is no such file`, ['a', '--file', missing]],
    [5, `cannot read ${missing}: there is no such file`, ['--records', missing]],
    [2, `cannot read ${folder}: it is a folder`, ['a', '--file', folder]],
  ])('with exit code %i: %s', async (code, sentence, args) => {
    const refused = await bus(['pub', ...args, '-b', newBus()])
    expect(refused.stderr).toContain(`bus: ${sentence}`)
    expect([refused.code, refused.stdout]).toEqual([code, ''])
  })

  test('a payload that exceeds the limit of the bus', async () => {
    const large = join(folder, 'large')
    writeFileSync(large, new Uint8Array(64 * 1024 * 1024 + 1))
    const {code, stderr} = await bus(['pub', 'a', '--file', large, '-b', newBus()])
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/^bus: the payload has 67108865 bytes, .* accepts at most 67108864\n/),
    ])
  })

  test('as one JSON object on stderr with --json', async () => {
    const {code, stdout, stderr} = await bus(['pub', 'a..b', 'x', '-b', newBus(), '--json'])
    expect([code, stdout]).toEqual([2, ''])
    expect(JSON.parse(stderr)).toEqual({
      error: {
        kind: 'usage',
        exitCode: 2,
        message: 'subject "a..b" has an empty token at position 3',
        try: expect.any(Array),
        data: {position: 3},
      },
    })
  })
})
