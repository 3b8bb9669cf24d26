import {mkdtempSync, rmSync, truncateSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {type BusOptions, bus, type Running, start} from '../../bus.ts'

const folder = mkdtempSync(join(tmpdir(), 'req-'))
afterAll(() => rmSync(folder, {recursive: true}))
const env = {BUS_URL: join(folder, 'bus.db')}
const req = (args: string[], options: BusOptions = {}) =>
  bus(['req', ...args], {...options, env: {...env, ...options.env}})

const services: Readonly<Record<string, readonly string[]>> = {
  echo: ['echo', '--echo'],
  order: ['order', '{"id":1,"total":42}', '-H', 'Trace: t1'],
  broken: ['broken', '--exec', '--', 'sh', '-c', 'echo "no \u001b[31mstock" >&2; exit 1'],
  slow: ['slow', '--echo', '--delay', '20s'],
  one: ['everybody', 'one', '--no-queue'],
  two: ['everybody', '{"n":2}', '--no-queue', '--delay', '400ms'],
}

/** Runs these services in processes of their own during the tests of a group. */
function serving(...names: string[]): void {
  let servers: Running[] = []
  beforeAll(async () => {
    servers = names.map((name) => start(['serve', ...(services[name] ?? [])], {env}))
    await Promise.all(servers.map((server) => server.stderrLine('listening on ')))
  })
  afterAll(() => Promise.all(servers.map((server) => server[Symbol.asyncDispose]())))
}

describe('the body of bus req', () => {
  serving('echo')

  test('is the argument, and the reply goes to stdout with a newline', async () => {
    expect(await req(['echo', 'hello'])).toMatchObject({
      code: 0,
      stdout: 'hello\n',
      stderr: expect.stringMatching(/^1 reply · [\d.]+ m?s\n$/),
    })
  })

  test('is stdin if there is no argument, or for -', async () => {
    expect((await req(['echo'], {stdin: 'from a pipe'})).stdout).toBe('from a pipe\n')
    expect((await req(['echo', '-'], {stdin: 'dash'})).stdout).toBe('dash\n')
    expect((await req(['echo', 'given'], {stdin: 'not read'})).stdout).toBe('given\n')
  })

  test('is a file, and every byte comes back', async () => {
    const file = join(folder, 'all-bytes')
    const bytes = Uint8Array.from({length: 256}, (_, i) => i)
    writeFileSync(file, bytes)
    expect([...(await req(['echo', '--file', file, '--raw', '--delimiter', ''])).bytes]).toEqual([...bytes])
  })

  test('is decoded, filled in, or random', async () => {
    expect((await req(['echo', 'aGk=', '--encoding', 'base64'])).stdout).toBe('hi\n')
    expect((await req(['echo', '{n}/{random:7-7}', '--template'])).stdout).toBe('1/7\n')
    expect((await req(['echo', '--size', '1KiB', '--raw'])).bytes.length).toBe(1024)
  })
})

describe('the reply of bus req', () => {
  serving('echo', 'order')

  test('is one document with --json: a record and ms', async () => {
    const {stdout, code} = await req(['order', '', '--json'])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toEqual({
      subject: expect.stringMatching(/^_INBOX\./),
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      headers: {Trace: 't1'},
      json: {id: 1, total: 42},
      ms: expect.any(Number),
    })
  })

  test.each([
    [['--raw', '--delimiter', '\\0'], '{"id":1,"total":42}\0'],
    [['--format', '{headers.trace} {json.total}\\n'], 't1 42\n'],
    [['--headers-only'], 'Trace: t1\n'],
    [['--select', 'json.total * 2'], '84\n'],
  ])('is shown as %j requests', async (flags, stdout) => {
    expect(await req(['order', '', ...flags])).toMatchObject({code: 0, stdout})
  })

  test('is the only output with --quiet', async () => {
    expect(await req(['echo', 'x', '--quiet'])).toMatchObject({stdout: 'x\n', stderr: ''})
  })
})

describe('several replies', () => {
  serving('one', 'two')

  test('arrive until the given number, until a pause, each on a line', async () => {
    expect(await req(['everybody', '', '--replies', '2'])).toMatchObject({code: 0, stdout: 'one\n{"n":2}\n'})
    const {stdout, stderr} = await req(['everybody', '', '--until-idle', '2s', '--json'])
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toMatchObject([{text: 'one'}, {json: {n: 2}}])
    expect(stderr).toMatch(/^2 replies · /)
  })

  test('are shown if fewer than requested arrive, with exit code 6', async () => {
    const {code, stdout, stderr} = await req(['everybody', '', '--replies', '3', '-t', '2s'])
    expect({code, stdout}).toEqual({code: 6, stdout: 'one\n{"n":2}\n'})
    expect(stderr).toContain('bus: only 2 of 3 replies arrived in time on "everybody" from sqlite:')
  })

  test('are judged together', async () => {
    const flags = ['--replies', '2', '--expect', '$count(messages) = 2 and text = "one" and messages[1].json.n = 2']
    expect((await req(['everybody', '', ...flags])).code).toBe(0)
  })
})

describe('a failure of bus req', () => {
  serving('order', 'broken', 'slow')

  test('without responders is exit code 7, immediately', async () => {
    const {code, stdout, stderr} = await req(['nobody', 'x', '-t', '20s'])
    expect({code, stdout}).toEqual({code: 7, stdout: ''})
    expect(stderr).toMatch(
      /^bus: nobody serves "nobody" on .*\n {2}try: check the subject, and that its service is running\n$/,
    )
  })

  test('without a reply in time is exit code 6', async () => {
    const {code, stderr} = await req(['slow', 'x', '-t', '50ms'])
    expect(code).toBe(6)
    expect(stderr).toMatch(/^bus: no reply on "slow" within 50 ms from .*\n {2}try: a longer --timeout/)
  })

  test('with a service error is exit code 8, with the reply on stdout and the text on stderr, escaped for the terminal', async () => {
    const {code, stdout, stderr} = await req(['broken', 'x', '--json'])
    expect(code).toBe(8)
    expect(JSON.parse(stdout)).toMatchObject({
      headers: {'Nats-Service-Error-Code': '500'},
      text: 'error: no \u001b[31mstock',
    })
    expect(JSON.parse(stderr.trim().split('\n').at(-1) ?? '')).toMatchObject({
      error: {kind: 'remote', exitCode: 8, data: {code: 500, text: 'no \u001b[31mstock'}},
    })
    expect((await req(['broken', 'x'])).stderr).toContain('bus: "broken" answered with error 500: no \\x1b[31mstock\n')
  })

  test('with a service error that is expected is not one', async () => {
    expect((await req(['broken', 'x', '--expect', 'status = "error" and error.code = 500'])).code).toBe(0)
    expect((await req(['broken', 'x', '--expect', 'ms < 10000'])).code).toBe(8)
  })

  test('with an unexpected reply is exit code 9, with expression, value and message', async () => {
    const {code, stdout, stderr} = await req(['order', '', '--expect', 'json.id = 1', '--expect', 'json.total > 100'])
    expect({code, stdout}).toEqual({code: 9, stdout: '{"id":1,"total":42}\n'})
    expect(stderr).toContain('bus: the reply on "order" is wrong: expected json.total > 100, but json.total is 42\n')
  })

  test('on Ctrl-C is exit code 130', async () => {
    await using tap = start(['sub', 'slow', '--raw'], {env})
    await tap.stderrLine('listening on ')
    await using running = start(['req', 'slow', 'x', '-t', '20s'], {env})
    await tap.stdoutLine('x')
    running.interrupt()
    expect(await running.ended).toMatchObject({code: 130, stderr: 'bus: interrupted before it was done\n'})
  })
})

describe('a load run', () => {
  serving('echo', 'order', 'broken', 'slow')

  test('counts, measures, and prints nothing else', async () => {
    const {code, stdout, stderr} = await req(['echo', '{n}', '--template', '-n', '200', '-c', '8'])
    expect({code, stderr}).toEqual({code: 0, stderr: ''})
    expect(stdout).toMatch(/^200 requests · 200 ok · 0 failed · .*\/s\np50 .* · p90 .* · p99 .* · max .*\n$/)
  })

  test('is one document with --json', async () => {
    const {stdout} = await req(['echo', 'x', '-n', '20', '-c', '4', '--json'])
    expect(JSON.parse(stdout)).toEqual({
      subject: 'echo',
      requests: 20,
      ok: 20,
      errors: {},
      ms: expect.any(Number),
      rate: expect.any(Number),
      concurrency: 4,
      latencyMs: Object.fromEntries(
        ['min', 'mean', 'p50', 'p90', 'p99', 'max'].map((name) => [name, expect.any(Number)]),
      ),
    })
  })

  test('shows replies if an output flag requests them, with the counts on stderr', async () => {
    const {stdout, stderr} = await req(['echo', '{n}', '--template', '-n', '3', '--raw'])
    expect(stdout).toBe('1\n2\n3\n')
    expect(stderr).toMatch(/^3 requests · 3 ok · 0 failed/)
  })

  test('with failures prints the report, then fails with the most serious one', async () => {
    const {code, stdout, stderr} = await req(['order', '', '-n', '5', '--expect', 'json.total > 100', '--json'])
    expect(code).toBe(9)
    expect(JSON.parse(stdout)).toMatchObject({requests: 5, ok: 0, errors: {expectation: 5}})
    expect(JSON.parse(stderr)).toMatchObject({
      error: {message: expect.stringMatching(/^5 of 5 requests failed, for example: .*json\.total is 42$/)},
    })
    expect((await req(['slow', '', '-n', '2', '-c', '2', '-t', '50ms'])).code).toBe(6)
    expect((await req(['broken', '', '-n', '2'])).code).toBe(8)
  })

  test('that Ctrl-C ends prints the report so far, and exits with 130', async () => {
    await using tap = start(['sub', 'slow', '--raw'], {env})
    await tap.stderrLine('listening on ')
    await using running = start(['req', 'slow', 'x', '-n', '10', '-c', '2', '-t', '20s'], {env})
    await tap.stdoutLine('x')
    running.interrupt()
    const {code, stdout, stderr} = await running.ended
    expect({code, stderr}).toEqual({code: 130, stderr: 'bus: interrupted after 0 of 10 requests\n'})
    expect(stdout).toMatch(/^0 requests · 0 ok · 0 failed · /)
  })

  test('that nobody serves ends immediately with exit code 7', async () => {
    expect(await req(['nobody', '', '-n', '1000000'])).toMatchObject({code: 7, stdout: ''})
  })
})

describe('a usage error of bus req is exit code 2 with a sentence:', () => {
  test.each([
    [[], 'SUBJECT'],
    [['a..b'], 'an empty token at position 3'],
    [['.a'], 'a leading "." at position 1'],
    [['a.*'], 'wildcard "*" at position 3'],
    [['a b'], 'a space at position 2'],
    [['a', 'x', '--count', '0'], '--count: "0" is not a whole number of at least 1'],
    [['a', 'x', '-t', '-1s'], 'it cannot be negative'],
    [['a', 'x', '-t', '5'], 'it has no unit'],
    [['a', 'x', '-H', 'no colon'], 'header "no colon" must be "Name: value"'],
    [['a', 'x', '-H', 'A: b\nc'], 'has a line break'],
    [['a', 'x', '--file', '/etc/hostname'], 'the body is given twice'],
    [['a', 'x', '--expect', 'json.'], '--expect "json." is not JSONata'],
    [['a', 'x', '--select', '('], '--select "(" is not JSONata'],
    [['a', 'x', '-c', '2'], '--concurrency needs --count'],
    [['a', 'x', '-n', '2', '--replies', '2'], '--count and --replies cannot be used together'],
    [['a', 'x', '--raw', '-f', '{text}'], '--raw and --format cannot be used together'],
    [['a', 'zz', '--encoding', 'hex'], 'the body is not hex: "z" at position 1'],
    [['a', 'x', '--size', '10'], 'the body is given twice'],
  ])('%j', async (args, sentence) => {
    const {code, stdout, stderr} = await req(args)
    expect({code, stdout}).toEqual({code: 2, stdout: ''})
    expect(stderr).toMatch(/^bus: .*\n( {2}try: .*\n)*$/)
    expect(stderr).toContain(sentence)
  })

  test('one JSON object with --json', async () => {
    const {code, stderr} = await req(['a', 'x', '--raw', '--json'])
    expect(code).toBe(2)
    expect(JSON.parse(stderr)).toMatchObject({
      error: {kind: 'usage', message: '--raw and --json cannot be used together'},
    })
  })

  test('a payload that exceeds the limit of the bus', async () => {
    const file = join(folder, 'huge')
    writeFileSync(file, '')
    truncateSync(file, 65 * 1024 * 1024)
    const {code, stderr} = await req(['a', '--file', file])
    expect(code).toBe(2)
    expect(stderr).toMatch(/^bus: the payload has 68157440 bytes, but sqlite:.* accepts at most \d+\n/)
  })

  test('a missing file, which is exit code 5', async () => {
    expect(await req(['a', '--file', '/no/such'])).toMatchObject({
      code: 5,
      stderr: expect.stringContaining('cannot read /no/such'),
    })
  })
})
