import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {bus, type Ended, isAlive, type Running, start} from '../../bus.ts'
import {NatsServer} from '../../nats-server.ts'

const folder = mkdtempSync(join(tmpdir(), 'stream-open-'))
let server: NatsServer
beforeAll(async () => {
  server = await NatsServer.start()
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  rmSync(folder, {recursive: true})
})

const path = (name: string) => join(folder, name)

describe.each(['the bus file', 'NATS'])('on %s', (name) => {
  const env = {
    get BUS_URL() {
      return name === 'NATS' ? server.url() : `sqlite:${path('bus.db')}`
    },
  }
  const run = (...args: string[]): Promise<Ended> => bus(args, {env})
  const open = (...args: string[]) => run('stream', 'open', ...args)
  async function serve(...args: string[]): Promise<Running> {
    const running = start(['serve', '--stream', ...args], {env})
    await running.stderrLine('listening on ')
    return running
  }

  describe('stream open', () => {
    test('shows the frames of a program and ends with its close', async () => {
      await using service = await serve('logs', '--exec', '--', 'sh', '-c', 'echo one; echo two; cat')
      const {code, stdout, stderr} = await open('logs', 'three', '--raw')
      expect([code, stdout]).toEqual([0, 'one\ntwo\nthree\n'])
      expect(stderr).toMatch(/opened response stream \w{8} on logs\n3 frames · close 1000 \(normal\) · /)
      expect(await service.stdoutLine('[1]')).toMatch(/logs 5 B → 3 frames, 11 B · /)
    })

    test('shows frames while the program still runs', async () => {
      await using _ = await serve('live', '--exec', '--', 'sh', '-c', 'echo now; sleep 20')
      await using running = start(['stream', 'open', 'live', '--raw'], {env})
      expect(await running.stdoutLine()).toBe('now')
      running.interrupt()
      expect((await running.ended).stderr).toContain('\n1 frame · left it open · ')
    })

    test('exits with 8 and the last line of stderr of a program that fails', async () => {
      await using service = await serve('broken', '--exec', '--', 'sh', '-c', 'echo one; echo "disk full" >&2; exit 3')
      const {code, stdout, stderr} = await open('broken', '--json')
      expect(code).toBe(8)
      const [frame, end] = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
      expect(frame).toMatchObject({subject: 'broken', text: 'one', frame: 1})
      expect(end).toEqual({
        responseStream: frame.responseStream,
        frames: 1,
        close: {code: 5000, name: 'internal server error', text: 'disk full'},
      })
      expect(JSON.parse(stderr.split('\n').find((line) => line.startsWith('{')) ?? '').error).toMatchObject({
        ...{
          kind: 'remote',
          exitCode: 8,
          message: expect.stringContaining('close 5000 (internal server error): disk full'),
        },
        data: {code: 5000, text: 'disk full'},
      })
      expect(await service.stdoutLine('[1]')).toContain('close 5000 (internal server error): disk full')
    })

    test('exits with 7 immediately when nobody serves the subject', async () => {
      expect(await open('nobody.here')).toMatchObject({code: 7, stderr: expect.stringContaining('nobody serves')})
    })

    test('detects with --idle that a service was killed', async () => {
      const service = await serve('mortal', '--exec', '--', 'sh', '-c', 'echo one; exec sleep 20')
      await using running = start(['stream', 'open', 'mortal', '--idle', '900ms'], {env})
      await running.stdoutLine('[1]')
      service.kill('SIGKILL')
      const {code, stderr} = await running.ended
      expect([code, stderr]).toEqual([6, expect.stringContaining('was not closed, but nothing arrived for 900 ms')])
      await service.ended
    })

    test('leaves the response stream on Ctrl-C, with exit code 0', async () => {
      await using _ = await serve('endless', 'tick {n}', '--template', '--every', '20ms')
      await using running = start(['stream', 'open', 'endless', '--json'], {env})
      await running.stdoutLine('{"subject":"endless"')
      running.interrupt()
      const {code, stdout, stderr} = await running.ended
      expect([code, stderr]).toEqual([0, expect.stringMatching(/frames? · left it open · /)])
      expect(JSON.parse(stdout.trim().split('\n').at(-1) ?? '')).toMatchObject({close: null})
    })

    test('ends after --count frames, and exits with 6 if there are fewer', async () => {
      await using _ = await serve('few', 'x', '-n', '3')
      expect(await open('few', '-n', '2', '--raw')).toMatchObject({code: 0, stdout: 'x\nx\n'})
      expect(await open('few', '-n', '4')).toMatchObject({
        code: 6,
        stderr: expect.stringContaining('got 3 of 4 frames before the end of the response stream'),
      })
    })

    test('has the output flags of sub', async () => {
      await using _ = await serve('out', '{"n":{n}}', '--template', '-n', '2')
      expect((await open('out', '-f', '{n}:{subject}:{json.n}\\n')).stdout).toBe('1:out:1\n2:out:2\n')
      expect((await open('out', '--select', 'json.n * 2')).stdout).toBe('2\n4\n')
      expect((await open('out', '--subjects-only')).stdout).toBe('out\nout\n')
      expect((await open('out', '--raw', '--delimiter', ',')).stdout).toBe('{"n":1},{"n":2},')
      const tape = join(mkdtempSync(path('tape-')), 'recording.ndjson')
      await open('out', '--record', tape)
      expect(readFileSync(tape, 'utf8').match(/"json":\{"n":[12]\}/g)).toHaveLength(2)
    })

    test('opens many response streams at once and tells them apart', async () => {
      await using _ = await serve('many', 'x', '-n', '5')
      const {code, stdout, stderr} = await open('many', '--open', '40', '--json')
      const lines = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
      expect(code).toBe(0)
      expect(lines.filter(({close}) => close?.code === 1000)).toHaveLength(40)
      expect(new Set(lines.map(({responseStream}) => responseStream)).size).toBe(40)
      expect(stderr).toContain('200 frames · 40 response streams · 40 × close 1000 (normal)')
    })

    test('speaks the later dialect too', async () => {
      await using service = await serve('later', '--exec', '--', 'cat')
      expect(await open('later', 'hi', '--dialect', 'later', '--raw')).toMatchObject({code: 0, stdout: 'hi\n'})
      expect(await service.stdoutLine('[1]')).toContain('later 2 B → 1 frame')
    })
  })

  describe('serve --stream', () => {
    test('streams a file line by line, and reads it again for each request', async () => {
      writeFileSync(path('lines'), 'a\nb\nc')
      await using _ = await serve('file', '--file', path('lines'))
      for (const _ of [1, 2]) expect((await open('file', '--raw')).stdout).toBe('a\nb\nc\n')
    })

    test('splits frames by a delimiter or by size, byte for byte', async () => {
      const bytes = Buffer.from(Array.from({length: 10_000}, (_, i) => i % 256))
      writeFileSync(path('bytes'), bytes)
      await using _ = await serve('chunks', '--file', path('bytes'), '--chunk', '1KiB')
      const {bytes: got, stderr} = await open('chunks', '--raw', '--delimiter', '')
      expect(bytes.equals(got)).toBe(true)
      expect(stderr).toContain('10 frames')
      await using __ = await serve('cut', '--delimiter', ';', '--exec', '--', 'printf', 'a;b\n;c')
      expect((await open('cut', '-f', '[{text}]', '--delimiter', '')).stdout).toBe('[a][b\n][c]')
    })

    test('sends BODY --count times at an interval', async () => {
      await using _ = await serve('ticks', 'tick {n}', '--template', '--every', '30ms', '-n', '3')
      const from = performance.now()
      expect((await open('ticks', '--raw')).stdout).toBe('tick 1\ntick 2\ntick 3\n')
      expect(performance.now() - from).toBeGreaterThan(60)
    })

    test('closes response streams with 1001 on Ctrl-C, and kills the program', async () => {
      await using service = await serve('going', '--exec', '--', 'sh', '-c', 'echo $$; exec sleep 60')
      await using running = start(['stream', 'open', 'going', '--raw'], {env})
      const pid = Number(await running.stdoutLine())
      service.interrupt()
      expect(await running.ended).toMatchObject({code: 8, stderr: expect.stringContaining('close 1001 (going away)')})
      expect(await service.ended).toMatchObject({
        code: 0,
        stderr: expect.stringContaining('1 response stream · 1 failed'),
      })
      await expect.poll(() => isAlive(pid)).toBe(false)
    })

    test('closes a response stream with 5000 if a line is larger than the bus allows', async () => {
      if (name !== 'NATS') return
      await using _ = await serve('wide', '--exec', '--', 'sh', '-c', 'head -c 900000 /dev/zero; echo')
      expect(await open('wide')).toMatchObject({
        code: 8,
        stderr: expect.stringMatching(/5000 .*more than 7864\d\d bytes/),
      })
    })

    test.each([
      [['x', '--stream'], 'stream', undefined],
      [['x', 'body', '--stream', '--echo'], 'cannot be used together', undefined],
      [['x', 'body', '--chunk', '1KiB'], '--chunk needs --stream', undefined],
      [['x', '--stream', '--file', '/nowhere/at/all'], 'cannot read', 5],
      [['x', 'body', '--stream', '--file', '/dev/null'], 'given twice', undefined],
    ])('refuses %j', async (args, sentence, code) => {
      expect(await run('serve', ...args)).toMatchObject({code: code ?? 2, stderr: expect.stringContaining(sentence)})
    })
  })
})
