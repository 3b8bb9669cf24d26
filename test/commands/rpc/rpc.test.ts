import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {bus, type Ended, type Running, start} from '../../bus.ts'
import {NatsServer} from '../../nats-server.ts'

const folder = mkdtempSync(join(tmpdir(), 'rpc-'))
let server: NatsServer
beforeAll(async () => {
  server = await NatsServer.start((home) => `jetstream {store_dir: "${home}"}`)
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  rmSync(folder, {recursive: true})
})

describe.each(['the bus file', 'NATS'])('on %s', (name) => {
  const env = {
    get BUS_URL() {
      return name === 'NATS' ? server.url() : `sqlite:${join(folder, 'bus.db')}`
    },
  }
  const run = (...args: string[]): Promise<Ended> => bus(args, {env})
  const call = (...args: string[]) => run('rpc', 'call', ...args)
  async function serve(...args: string[]): Promise<Running> {
    const running = start(['rpc', 'serve', ...args], {env})
    await running.stderrLine('listening on ')
    return running
  }

  describe('rpc call', () => {
    test('shows the decoded payload, by service and method or by subject', async () => {
      await using service = await serve('math', 'add', '--expr', 'json.a + json.b', '--instance', 'one')
      const payload = '{"a":1,"b":2}'
      expect(await call('math', 'add', payload, '--instance', 'one')).toMatchObject({
        ...{code: 0, stdout: '3\n', stderr: expect.stringMatching(/^trace [\da-f-]{36}\n$/)},
      })
      expect((await call('loom.rpc.math.one.add', payload)).stdout).toBe('3\n')
      expect(await service.stdoutLine('[1]')).toContain('loom.rpc.math.one.add')
    })

    test('writes and reads the same envelopes as other implementations', async () => {
      await using raw = start(['serve', 'loom.rpc.raw.one.echo', '--echo', '--json'], {env})
      await raw.stderrLine('listening on ')
      await call('raw', 'echo', '{"n":1.10}', '--instance', 'one', '--caller', 'me', '--trace-id', 't-1')
      expect(JSON.parse(await raw.stdoutLine()).text).toBe(
        '{"method":"echo","caller_id":"me","payload":{"n":1.10},"trace_id":"t-1"}',
      )
      await using _ = await serve('plain', 'now', 'half past two', '--instance', 'one')
      const {stdout, code} = await call('plain', 'now', '--instance', 'one', '--envelope')
      expect([code, stdout]).toEqual([0, '{"ok":true,"payload":"half past two"}\n'])
    })

    test('exits with 8 and the error of the other side, or with 7 if nobody serves', async () => {
      await using service = await serve(
        'bad',
        'run',
        '--instance',
        'one',
        '--exec',
        '--',
        'sh',
        '-c',
        'echo boom >&2; exit 3',
      )
      const {code, stdout, stderr} = await call('bad', 'run', '1', '--instance', 'one', '--envelope')
      expect([code, stdout]).toEqual([8, '{"ok":false,"error":"boom"}\n'])
      expect(stderr).toContain('"loom.rpc.bad.one.run" answered with an error: boom')
      expect(await service.stdoutLine('[1]')).toContain('500 boom')
      expect((await call('bad', 'run', '--instance', 'two')).code).toBe(7)
    })

    test('explains why a wildcard reaches no instance, and lists the instances', async () => {
      await using _ = await serve('team', 'ping', '1', '--instance', 'one')
      await using __ = await serve('team', 'ping', '2', '--instance', 'two')
      for (const words of [['team', 'ping'], ['loom.rpc.team.*.ping']]) {
        expect(await call(...words)).toMatchObject({
          code: 2,
          stderr: expect.stringMatching(/a wildcard subject is not expanded; instances: one, two\n/),
        })
      }
      expect(await call('team', 'ping', '--any')).toMatchObject({code: 0, stdout: expect.stringMatching(/^[12]\n$/)})
      const {stdout, code} = await call('team', 'ping', '--all', '--json')
      const answers = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
      expect(code).toBe(0)
      expect(answers.map(({subject, json}) => `${subject} ${json}`).sort()).toEqual([
        'loom.rpc.team.one.ping 1',
        'loom.rpc.team.two.ping 2',
      ])
      expect((await call('team', 'none', '--any')).code).toBe(7)
    })

    test('checks expectations of the answer', async () => {
      await using _ = await serve('check', 'it', '{"n":1}', '--instance', 'one')
      expect((await call('check', 'it', '--instance', 'one', '--expect', 'json.n = 1')).code).toBe(0)
      expect((await call('check', 'it', '--instance', 'one', '--expect', 'json.n = 2')).code).toBe(9)
    })

    test.each([
      [['a', 'b', 'not json', '--instance', 'x'], 'is not JSON'],
      [['a'], 'METHOD is missing'],
      [['loom.rpc.a.b.c', '1', '2'], 'one payload'],
      [['loom.rpc.a.b.c', '--any'], 'already names an instance'],
      [['a', 'b', '--any', '--all'], 'cannot be used together'],
      [['a', 'b', '--instance', 'x.y'], 'not one token'],
    ])('refuses %j', async (args, sentence) => {
      expect(await call(...args)).toMatchObject({code: 2, stderr: expect.stringContaining(sentence)})
    })

    test('skips the acknowledgement of a stream that stores the request, and names the stream', async () => {
      if (name !== 'NATS') return
      await run('stream', 'add', 'LOOM', 'my.rpc.>')
      const prefix = ['--prefix', 'my.rpc', '--instance', 'one']
      await using _ = await serve('slow', 'add', '--expr', 'json + 1', '--delay', '100ms', ...prefix)
      const {code, stdout, stderr} = await call('slow', 'add', '41', ...prefix)
      expect([code, stdout]).toEqual([0, '42\n'])
      expect(stderr).toContain('stream LOOM captures "my.rpc.slow.one.add"')
      expect(await call('nobody', 'add', '41', ...prefix, '-t', '1s')).toMatchObject({
        code: 6,
        stderr: expect.stringContaining('only LOOM stored the request'),
      })
    })
  })

  describe('rpc serve', () => {
    test('answers invalid envelopes with an error, and passes valid ones to a program', async () => {
      const print = 'cat; echo " $BUS_HEADER_METHOD $BUS_HEADER_CALLER_ID $BUS_HEADER_TRACE_ID"'
      await using _ = await serve('env', 'print', '--instance', 'one', '--exec', '--', 'sh', '-c', print)
      expect((await run('req', 'loom.rpc.env.one.print', '{')).stdout).toMatch(
        /^\{"ok":false,"error":"invalid request envelope: /,
      )
      expect((await call('env', 'print', '"x"', '--instance', 'one', '--caller', 'me', '--trace-id', 't')).stdout).toBe(
        '""x" print me t"\n'.replace('""x"', '"\\"x\\"'),
      )
    })

    test('with --wildcard answers for any instance', async () => {
      await using _ = await serve('wild', 'ping', '"me"', '--wildcard')
      expect((await call('wild', 'ping', '--instance', 'whoever')).stdout).toBe('"me"\n')
    })

    test('shares calls in a queue group, so that each gets one answer', async () => {
      await using one = await serve('shared', 'ping', '1', '--instance', 'x', '--queue', 'q', '-n', '1')
      await using two = await serve('shared', 'ping', '2', '--instance', 'x', '--queue', 'q', '-n', '1')
      const answers = [await call('shared', 'ping', '--instance', 'x'), await call('shared', 'ping', '--instance', 'x')]
      expect(answers.map(({stdout}) => stdout).sort()).toEqual(['1\n', '2\n'])
      expect([(await one.ended).code, (await two.ended).code]).toEqual([0, 0])
    })
  })

  describe('rpc ls', () => {
    test('lists services and their methods', async () => {
      await using _ = await serve('listed', 'task.assign', '1', '--instance', 'one')
      const {stdout} = await run('rpc', 'ls')
      expect(stdout).toMatch(/^SERVICE +METHOD +INSTANCE +FOUND BY\n/)
      expect(stdout).toMatch(/^listed +task\.assign +one +interest$/m)
      const found: {service: string}[] = JSON.parse((await run('rpc', 'ls', '--json')).stdout)
      expect(found.find(({service}) => service === 'listed')).toMatchObject({
        ...{service: 'listed', method: 'task.assign', instance: 'one', subject: 'loom.rpc.listed.one.task.assign'},
      })
      expect(await run('rpc', 'ls', '--prefix', 'no.such')).toMatchObject({code: 0, stdout: ''})
    })

    test('finds services that do not announce themselves', async () => {
      await using quiet = start(['serve', 'loom.rpc.silent.one.ping', '{"ok":true}'], {env})
      await quiet.stderrLine('listening on ')
      const found: {service: string}[] = JSON.parse((await run('rpc', 'ls', '--json')).stdout)
      expect(found.find(({service}) => service === 'silent')).toMatchObject({instance: 'one', by: 'interest'})
      expect(await call('silent', 'ping', '--any')).toMatchObject({code: 0})
    })

    test('with --watch shows methods when they are called', async () => {
      await using watching = start(['rpc', 'ls', '--watch', '--json'], {env})
      await watching.stderrLine('listening on ')
      const subject = `loom.rpc.quiet-${name.replaceAll(' ', '-')}.one.ping`
      for (let i = 0; i < 2; i++) await start(['req', subject, '{}', '-t', '1s'], {env}).ended
      const line = await watching.stdoutLine('{"service":"quiet')
      expect(JSON.parse(line)).toMatchObject({by: 'traffic'})
      watching.interrupt()
      expect((await watching.ended).code).toBe(0)
      expect((await run('rpc', 'ls', '--watch', '--for', '100ms')).code).toBe(0)
    })
  })
})
