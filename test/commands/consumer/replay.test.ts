import {mkdtempSync, readFileSync, rmSync} from 'node:fs'
import {createServer} from 'node:http'
import type {AddressInfo} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, describe, expect, onTestFinished, test} from 'vitest'
import {open} from '../../../src/lib/transport/open.ts'
import {bus, type Ended, start} from '../../bus.ts'
import {NatsServer} from '../../nats-server.ts'

const folder = mkdtempSync(join(tmpdir(), 'replay-'))
let server: NatsServer
beforeAll(async () => {
  server = await NatsServer.start((home) => `jetstream {store_dir: "${home}"}`)
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  rmSync(folder, {recursive: true})
})

let streams = 0

interface Scene {
  readonly url: string
  readonly stream: string
  /** Their sequences. */
  readonly seqs: readonly number[]
  run(...args: string[]): Promise<Ended>
  replay(...args: string[]): Promise<Ended>
}

/** A bus with a stream of its own that has `count` messages `1`, `2`, … on `NAME.a` and `NAME.b` in turn. */
async function scene(kind: string, count: number, consumer?: string): Promise<Scene> {
  const stream = `S${++streams}`
  const url = kind === 'file' ? join(folder, `${stream}.db`) : server.url()
  await using connection = await open(url)
  await connection.streams.add({name: stream, subjects: [`${stream}.>`]})
  const seqs: number[] = []
  await using publisher = connection.streams.publisher({onStored: (_index, {seq}) => void seqs.push(seq)})
  for (let n = 1; n <= count; n++) publisher.push({subject: `${stream}.${n % 2 === 1 ? 'a' : 'b'}`, data: String(n)})
  await publisher.flush()
  if (consumer !== undefined) await connection.streams.consumers.add(stream, {name: consumer, ackWaitMs: 2000})
  const run = (...args: string[]) => bus(['-b', url, ...args])
  return {
    url,
    stream,
    seqs: seqs.sort((a, b) => a - b),
    run,
    replay: (...args) => run('consumer', 'replay', stream, ...args),
  }
}

async function floor(
  {url, stream}: Scene,
  consumer: string,
): Promise<{floor: number; pending: number; ackPending: number}> {
  await using connection = await open(url)
  const {ackFloor, pending, ackPending} = await connection.streams.consumers.info(stream, consumer)
  return {floor: ackFloor, pending, ackPending}
}

function numbers(from: number, to: number): string {
  return Array.from({length: to - from + 1}, (_, i) => `${from + i}\n`).join('')
}

describe.each(['file', 'nats'])('consumer replay on a bus of kind %s', (kind) => {
  test('of a range shows its messages and ends', async () => {
    const {replay, seqs, stream} = await scene(kind, 100)
    expect(await replay('--raw')).toMatchObject({code: 0, stdout: numbers(1, 100)})
    expect((await replay('--raw', '--from', '-3')).stdout).toBe(numbers(98, 100))
    expect((await replay('--raw', '--range', `${seqs[9]}..${seqs[11]}`)).stdout).toBe(numbers(10, 12))
    expect((await replay('--raw', '--filter', `${stream}.b`, '-n', '2')).stdout).toBe('2\n4\n')
    expect((await replay('--raw', '--last-per-subject')).stdout).toBe('99\n100\n')
    expect((await replay('--raw', '--where', 'json > 98')).stdout).toBe('99\n100\n')
    expect((await replay('--raw', '--from', 'end')).stdout).toBe('')
    expect((await replay('--from', '-1')).stdout).toMatch(new RegExp(`^#${seqs[99]} \\S+ ${stream}\\.b 100\n$`))
    const [record] = (await replay('--json', '-n', '1')).stdout.split('\n')
    expect(JSON.parse(record ?? '')).toMatchObject({subject: `${stream}.a`, seq: seqs[0], json: 1})
  })

  test('of a range with --follow continues with new messages', async () => {
    const {stream, run, url} = await scene(kind, 2)
    await using following = start(['consumer', 'replay', stream, '--raw', '--follow', '-n', '3', '-b', url])
    expect(await following.stdoutLine()).toBe('1')
    await run('pub', `${stream}.a`, 'later')
    expect(await following.ended).toMatchObject({code: 0, stdout: '1\n2\nlater\n'})
  })

  test('of a durable consumer resumes after its ack floor and acknowledges, without reconfiguring it', async () => {
    const here = await scene(kind, 100, 'd')
    expect(await here.replay('d', '--raw', '-n', '40')).toMatchObject({code: 0, stdout: numbers(1, 40)})
    expect(await floor(here, 'd')).toEqual({floor: here.seqs[39], pending: 60, ackPending: 0})
    expect((await here.replay('d', '--peek', '--raw')).stdout).toBe(numbers(41, 100))
    expect(await floor(here, 'd')).toEqual({floor: here.seqs[39], pending: 60, ackPending: 0})
    const {code, stdout, stderr} = await here.replay('d', '--raw')
    expect([code, stdout]).toEqual([0, numbers(41, 100)])
    expect(stderr).toContain(`60 read · 60 handled · 0 redelivered · ack floor #${here.seqs[39]} → #${here.seqs[99]}`)
    expect(await here.replay('d', '--raw')).toMatchObject({code: 0, stdout: ''})
    expect((await here.replay('d', '--raw', '--reset', String(here.seqs[97]))).stdout).toBe(numbers(98, 100))
    expect((await here.replay('d', '--raw', '--reset', 'first')).stdout).toBe(numbers(1, 100))
  })

  test('creates a durable consumer only with --create', async () => {
    const {replay} = await scene(kind, 3)
    const {code, stderr} = await replay('late', '--raw')
    expect([code, stderr]).toEqual([5, expect.stringContaining('--create')])
    expect(await replay('late', '--raw', '--create')).toMatchObject({code: 0, stdout: numbers(1, 3)})
    expect(await replay('late', '--raw', '--create')).toMatchObject({code: 0, stdout: ''})
    expect((await bus(['consumer', 'replay', 'NOPE', '-b', (await scene(kind, 0)).url])).code).toBe(5)
  })

  test('into a program acknowledges handled messages, and stops before an unhandled one', async () => {
    const here = await scene(kind, 5, 'd')
    const script = 'read n; [ "$n" != 4 ] || { echo "no four" >&2; exit 1; }; echo "got $n on $BUS_SUBJECT"'
    const failed = await here.replay('d', '--max-deliver', '2', '--exec', '--', 'sh', '-c', script)
    expect(failed.code).toBe(8)
    expect(failed.stderr).toContain(`stopped at message ${here.seqs[3]}`)
    expect(failed.stderr).toContain('no four')
    expect(failed.stdout).toBe([1, 2, 3].map((n) => `got ${n} on ${here.stream}.${n % 2 ? 'a' : 'b'}\n`).join(''))
    expect((await floor(here, 'd')).floor).toBe(here.seqs[2])
    const dead = join(folder, `${here.stream}.dead`)
    const put = await here.replay(
      'd',
      '--max-deliver',
      '2',
      '--dead',
      dead,
      '--json',
      '--exec',
      '--',
      'sh',
      '-c',
      script,
    )
    expect(put.code).toBe(8)
    expect(JSON.parse(put.stderr.trim().split('\n').at(-1) ?? '')).toMatchObject({
      error: {data: {handled: 1, givenUp: 1, unhandled: [{seq: here.seqs[3], fate: 'given up'}]}},
    })
    expect(JSON.parse(readFileSync(dead, 'utf8'))).toMatchObject({
      subject: `${here.stream}.b`,
      seq: here.seqs[3],
      json: 4,
    })
    expect(await floor(here, 'd')).toEqual({floor: here.seqs[4], pending: 0, ackPending: 0})
  })

  test('with --on-error skip leaves unhandled messages for the next run', async () => {
    const here = await scene(kind, 4, 'd')
    const refusing = ['--on-error', 'skip', '--exec', '--', 'sh', '-c', 'read n; [ "$n" != 2 ]']
    const skipped = await here.replay('d', ...refusing)
    expect([skipped.code, skipped.stderr]).toEqual([8, expect.stringContaining(`skipped: ${here.seqs[1]}`)])
    expect(await floor(here, 'd')).toMatchObject({floor: here.seqs[0]})
    expect(await here.replay('d', '--raw')).toMatchObject({code: 0, stdout: '2\n'})
  })

  test('into a long-running program passes all messages', async () => {
    const here = await scene(kind, 300, 'd')
    const script = 'while read -r line; do echo "$line" >> "$0"; echo ack; done'
    const log = join(folder, `${here.stream}.log`)
    expect((await here.replay('d', '--exec-lines', '--', 'sh', '-c', script, log)).code).toBe(0)
    const seen = readFileSync(log, 'utf8').trim().split('\n')
    expect(seen.map((line) => JSON.parse(line).json)).toEqual(Array.from({length: 300}, (_, i) => i + 1))
    expect(await floor(here, 'd')).toEqual({floor: here.seqs[299], pending: 0, ackPending: 0})
  })

  test('into a webhook retries after the time that the server requests', async () => {
    const here = await scene(kind, 20, 'd')
    const got: string[] = []
    const http = createServer(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      got.push(`${body} ${request.headers['bus-subject']} ${request.headers['bus-consumer']}`)
      if (body === '7' && got.filter((one) => one.startsWith('7 ')).length === 1) response.writeHead(503).end('later')
      else response.end()
    })
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void http.close())
    const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/`
    const {code, stdout} = await here.replay('d', '--webhook', url, '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({read: 20, handled: 20, failed: 1, floor: {after: here.seqs[19]}})
    expect(got).toHaveLength(21)
    expect(got[0]).toBe(`1 ${here.stream}.a d`)
  })

  test('with --republish publishes each message once under another subject', async () => {
    const here = await scene(kind, 10)
    await using listening = start(['sub', 'copy.>', '-n', '10', '-f', '{subject} {text}\\n', '-b', here.url])
    await listening.stderrLine('listening on')
    expect((await here.replay('--republish', 'copy.{subject}')).code).toBe(0)
    expect((await listening.ended).stdout).toContain(`copy.${here.stream}.b 10\n`)
    expect((await here.replay('--republish', '{subject}', '--follow')).code).toBe(2)
  })

  test('into another bus resumes after an interruption without loss or duplicates', async () => {
    const here = await scene(kind, 5000)
    const target = kind === 'file' ? server.url() : join(folder, `${here.stream}-copy.db`)
    const into = (...args: string[]) => here.replay('--into', target, ...args)
    expect((await into()).code).toBe(5)
    expect((await into('--create', '-n', '700')).code).toBe(0)
    await using copy = await open(target)
    const copies = async () => (await copy.streams.info(here.stream)).state.messages
    for (let tenth = 1; tenth < 10; tenth++) {
      const copying = start(['consumer', 'replay', here.stream, '--into', target, '--rate', '3000/s', '-b', here.url])
      const before = await copies()
      await expect.poll(copies, {interval: 5}).toBeGreaterThan(Math.min(before + tenth * 20, 4999))
      copying.kill('SIGKILL')
      await copying.ended
    }
    expect((await into()).code).toBe(0)
    const {stderr} = await into()
    expect(stderr).toContain(`has copies of ${here.stream}: copying what is missing`)
    expect(stderr).toContain('5,000 read · 0 handled · 5,000 already there')
    const copied = await bus(['consumer', 'replay', here.stream, '--raw', '-b', target])
    expect(copied.stdout).toBe(numbers(1, 5000))
    const [first] = (await bus(['consumer', 'replay', here.stream, '--json', '-n', '1', '-b', target])).stdout.split(
      '\n',
    )
    expect(JSON.parse(first ?? '').headers).toMatchObject({
      'Bus-Stream': here.stream,
      'Bus-Sequence': String(here.seqs[0]),
    })
  })

  test('acknowledges nothing before messages in flight to a dead client, if one acknowledgement covers all earlier ones', async () => {
    const here = await scene(kind, 10)
    {
      await using connection = await open(here.url)
      const {consumers} = connection.streams
      await consumers.add(here.stream, {name: 'd', ack: 'all', ackWaitMs: 6000})
      const gone = await consumers.consume(here.stream, 'd', {max: 4})
      expect(await gone.take(4)).toHaveLength(4)
    }
    const stopped = await here.replay('d', '--raw', '-n', '6')
    expect(stopped.stdout).toBe(numbers(5, 10))
    expect((await floor(here, 'd')).floor).toBeLessThan(here.seqs[0] ?? 0)
    const {code, stdout} = await here.replay('d', '--raw')
    expect(code).toBe(0)
    expect(new Set(stdout.split('\n'))).toEqual(new Set(numbers(1, 10).split('\n')))
    expect(await floor(here, 'd')).toEqual({floor: here.seqs[9], pending: 0, ackPending: 0})
  })

  test('with --dry-run only counts messages', async () => {
    const here = await scene(kind, 9, 'd')
    const {stdout, code} = await here.replay('d', '--dry-run', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      messages: 9,
      bytes: 9,
      firstSeq: here.seqs[0],
      subjects: {[`${here.stream}.a`]: {messages: 5}, [`${here.stream}.b`]: {messages: 4}},
    })
    expect((await here.replay('d', '--dry-run')).stdout).toMatch(/^all +9 +9 B /m)
    expect(await floor(here, 'd')).toMatchObject({pending: 9})
  })

  test('handles every message at least once although it is killed repeatedly, and never acknowledges an unhandled one', async () => {
    const here = await scene(kind, 2000, 'd')
    const log = join(folder, `${here.stream}-${kind}.log`)
    const script = 'while read -r line; do printf "%s\\n" "$line" >> "$0"; echo ack; done'
    const args = ['consumer', 'replay', here.stream, 'd', '--exec-lines', '--', 'sh', '-c', script, log]
    const handled = () => new Set(lines(log).map((line) => JSON.parse(line).seq as number))
    for (let round = 0; round < 20; round++) {
      const replaying = start(args, {env: {BUS_URL: here.url}})
      if (round === 0) await expect.poll(() => lines(log).length).toBeGreaterThan(0)
      else await new Promise((resolve) => setTimeout(resolve, 150 + Math.random() * 200))
      replaying.kill('SIGKILL')
      await replaying.ended
      const {floor: reached} = await floor(here, 'd')
      const seen = handled()
      expect(here.seqs.filter((seq) => seq <= reached && !seen.has(seq))).toEqual([])
    }
    const last = await bus(args, {env: {BUS_URL: here.url}})
    expect(last.code).toBe(0)
    expect(handled().size).toBe(2000)
    expect(await floor(here, 'd')).toEqual({floor: here.seqs[1999], pending: 0, ackPending: 0})
  }, 90_000)

  test('keeps a message from redelivery while its handling takes longer than the ack wait', async () => {
    const here = await scene(kind, 0)
    await using connection = await open(here.url)
    await connection.streams.consumers.add(here.stream, {name: 'slow', ackWaitMs: 1000})
    for (const data of ['1', '2', '3']) await connection.streams.publish({subject: `${here.stream}.a`, data})
    const done = await here.replay('slow', '--json', '--exec', '--', 'sleep', '1.6')
    expect(JSON.parse(done.stdout)).toMatchObject({read: 3, handled: 3, redelivered: 0})
    expect(await floor(here, 'slow')).toMatchObject({pending: 0, ackPending: 0})
  })

  test('shares a durable consumer with a second replay', async () => {
    const here = await scene(kind, 3000)
    expect((await here.run('consumer', 'add', here.stream, 'd')).code).toBe(0)
    const both = await Promise.all([1, 2].map(() => here.replay('d', '--raw', '--rate', '2000/s')))
    expect(both.map(({code}) => code)).toEqual([0, 0])
    const seen = both.flatMap(({stdout}) => stdout.trim().split('\n').filter(Boolean).map(Number))
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({length: 3000}, (_, i) => i + 1))
    expect(await floor(here, 'd')).toEqual({floor: here.seqs[2999], pending: 0, ackPending: 0})
  })
})

test('consumer replay survives a restart of the server in the middle', async () => {
  await using own = await NatsServer.start((home) => `jetstream {store_dir: "${home}"}`)
  const url = own.url()
  {
    await using connection = await open(url)
    await connection.streams.add({name: 'R', subjects: ['r']})
    await using publisher = connection.streams.publisher()
    for (let n = 1; n <= 600; n++) publisher.push({subject: 'r', data: String(n)})
    await publisher.flush()
    await connection.streams.consumers.add('R', {name: 'd', ackWaitMs: 1000})
  }
  await using replaying = start(['consumer', 'replay', 'R', 'd', '--raw', '--rate', '300/s', '-b', url])
  await replaying.stdoutLine('100')
  await own.stop()
  await replaying.stderrLine('the connection to ')
  await own.run()
  const {code, stdout, stderr} = await replaying.ended
  expect([code, stderr]).toEqual([0, expect.stringContaining('reconnected after')])
  expect([...new Set(stdout.trim().split('\n'))].join('\n')).toBe(numbers(1, 600).trim())
})

/** Complete lines only: a kill may cut off the last one. */
function lines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n').slice(0, -1)
  } catch {
    return []
  }
}

describe('consumer replay refuses', () => {
  test.each([
    [['S', '--exec', '--webhook', 'http://x', '--', 'true'], '--exec and --webhook cannot be used together'],
    [['S', '--raw', '--webhook', 'http://x'], '--webhook and --raw cannot be used together'],
    [['S', '--peek'], '--peek needs a CONSUMER'],
    [['S', 'd', '--from', '1'], '--from is for a range'],
    [['S', 'd', '--where', 'true'], 'otherwise skipped messages would be acknowledged'],
    [['S', '--range', '5'], '"5" is not a range'],
    [['S', '--from', 'yesterday'], 'is not a position'],
    [['S', '--speed', '0'], 'is not a speed'],
    [['S', '--webhook', 'ftp://x'], 'is not an HTTP URL'],
    [['S', '--exec', '--', '/no/such'], 'cannot run "/no/such"'],
    [['S', '--exec-lines'], '--exec-lines needs a program after --'],
    [['S', '--step'], 'needs a terminal'],
  ])('%j', async (args, sentence) => {
    const {code, stderr} = await bus(['consumer', 'replay', ...args, '-b', join(folder, 'bad.db')])
    expect([code, stderr]).toEqual([2, expect.stringContaining(sentence)])
  })
})
