import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, describe, expect, test} from 'vitest'
import type {BenchReport} from '../../../src/commands/bench/report.ts'
import {onBothBuses, type StoredScene} from '../../both-buses.ts'
import {bus, startLine} from '../../bus.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-bench-'))
afterAll(() => rmSync(folder, {recursive: true}))

/** Runs a measurement and reads its document. */
async function measured(scene: StoredScene, ...args: string[]): Promise<BenchReport> {
  const {code, stdout, stderr} = await scene.run(['bench', ...args, '--json'])
  expect([code, stderr]).toEqual([0, expect.not.stringContaining('bus:')])
  return JSON.parse(stdout)
}

const sum = (counts: readonly number[]) => counts.reduce((a, b) => a + b, 0)

onBothBuses((newScene) => {
  test('bench pub --with-sub measures both sides', async () => {
    await using scene = await newScene()
    const report = await measured(scene, 'pub', '--msgs', '3000', '--size', '64', '--batch', '100', '--with-sub')
    expect(report).toMatchObject({bench: 'pub', subject: 'bench', size: 64, batch: 100})
    const same = {messages: 3000, bytes: 3000 * 64, lost: 0, errors: {}}
    expect(report.sides).toMatchObject([
      {role: 'pub', clients: 1, ...same},
      {role: 'sub', clients: 1, ...same},
    ])
    for (const {rate, ms, latencyMs, timeline} of report.sides) {
      expect(rate).toBeGreaterThan(0)
      expect(ms).toBeGreaterThan(0)
      const {min = 0, p50 = 0, p999 = 0, max = 0} = latencyMs ?? {}
      expect([min > 0, min <= p50, p50 <= p999, p999 <= max]).toEqual([true, true, true, true])
      expect(sum(timeline.counts)).toBe(3000)
    }
  })

  test('bench pub passes large messages in batches of at most 8 MiB, and in those that --batch asks for', async () => {
    await using scene = await newScene()
    const large = ['--size', '512KiB', '--msgs', '40']
    expect(await measured(scene, 'pub', ...large)).toMatchObject({batch: 16, sides: [{messages: 40}]})
    expect(await measured(scene, 'pub', ...large, '--batch', '20')).toMatchObject({batch: 20})
    expect(await measured(scene, 'pub', '--msgs', '40')).toMatchObject({batch: 1000})
  })

  test('bench pub spreads messages over clients and subjects', async () => {
    await using scene = await newScene()
    await using all = await scene.transport.subscribe('spread.>')
    const flags = ['--msgs', '31', '--clients', '3', '--subjects', '4']
    const {sides} = await measured(scene, 'pub', 'spread', ...flags)
    expect(sides).toMatchObject([{clients: 3, messages: 31}])
    const seen = new Map<string, number>()
    for (let left = 31; left > 0; ) {
      const messages = await all.take(left)
      left -= messages.length
      for (const {subject} of messages) seen.set(subject, (seen.get(subject) ?? 0) + 1)
    }
    expect(Object.fromEntries(seen)).toEqual({'spread.1': 9, 'spread.2': 9, 'spread.3': 7, 'spread.4': 6})
  })

  test('bench pub --rate sends the messages that are due and no more', async () => {
    await using scene = await newScene()
    const {asked, sides} = await measured(scene, 'pub', '--rate', '200/s', '--for', '500ms')
    expect(asked).toBe(200)
    expect(sides[0]?.messages).toBeGreaterThan(20)
    expect(sides[0]?.messages).toBeLessThanOrEqual(101)
  })

  test('bench pub --ack measures until a stream has stored each', async () => {
    await using scene = await newScene()
    const failed = await scene.run(['bench', 'pub', '--msgs', '10', '--ack'])
    expect([failed.code, failed.stderr]).toEqual([5, expect.stringContaining('bus: ')])
    await scene.transport.streams.add({name: 'BENCH', subjects: ['bench']})
    const {sides} = await measured(scene, 'pub', '--msgs', '500', '--ack', '--window', '50', '--clients', '2')
    expect(sides).toMatchObject([{messages: 500}])
    expect((await scene.transport.streams.info('BENCH')).state.messages).toBe(500)
  })

  test.each([
    ['req', []],
    ['req', ['--rate', '1000/s', '--subjects', '3']],
    ['rpc', []],
    ['open', ['--frames', '10']],
  ])('bench %s %j --with-serve measures both sides', async (name, more) => {
    await using scene = await newScene()
    const flags = ['--msgs', '200', '--clients', '2', '--window', '8', '--with-serve', ...more]
    const {sides} = await measured(scene, name, ...flags)
    expect(sides).toMatchObject([
      {role: name, clients: 2, messages: 200, errors: {}, latencyMs: {}},
      {role: 'serve', messages: 200},
    ])
  })

  test.each(['req', 'rpc', 'open'])('bench %s fails with exit code 7 if nobody serves', async (name) => {
    await using scene = await newScene()
    const {code, stdout, stderr} = await scene.run(['bench', name, 'nobody.here', '--msgs', '5'])
    expect([code, stdout, stderr]).toEqual([7, '', expect.stringContaining('nobody serves "nobody.here"')])
  })

  test('bench sub and bench serve end after --msgs, or on Ctrl-C with a report', async () => {
    await using scene = await newScene()
    await using sub = scene.start(['bench', 'sub', 'load', '--msgs', '40', '--json'])
    await using waiting = scene.start(['bench', 'sub', 'load', '--clients', '2', '--json'])
    await sub.stderrLine('listening on load')
    await waiting.stderrLine('listening on load')
    for (let i = 0; i < 40; i++) scene.transport.publish({subject: 'load', data: 'x'})
    await scene.transport.flush()
    expect(await sub.ended).toMatchObject({code: 0, stdout: expect.stringContaining('"messages":40,')})
    await using serve = scene.start(['bench', 'serve', 'ask', '--msgs', '2'])
    await serve.stderrLine('listening on ask')
    for (const _ of [1, 2]) expect((await scene.transport.request({subject: 'ask'})).payload.length).toBe(128)
    expect(await serve.ended).toMatchObject({code: 0, stdout: expect.stringMatching(/^serve: 2 served · 256 B · /)})
    waiting.interrupt()
    const {code, stdout} = await waiting.ended
    expect([code, JSON.parse(stdout).sides[0].messages]).toEqual([0, 80])
  })

  test.each([
    ['each client reads all of it', ['--clients', '2'], 600],
    ['clients share a durable consumer', ['--clients', '2', '--durable', 'worker'], 300],
  ])('bench replay fills a temporary stream and removes it: %s', async (_, flags, messages) => {
    await using scene = await newScene()
    const {sides} = await measured(scene, 'replay', '--msgs', '300', '--batch', '50', ...flags)
    expect(sides).toMatchObject([{role: 'replay', clients: 2, messages}])
    expect(await scene.transport.streams.list()).toEqual([])
  })

  test('bench --baseline exits with 9 if the run is slower, after printing its report', async () => {
    await using scene = await newScene()
    const flags = ['bench', 'pub', '--msgs', '500', '--json']
    const report = JSON.parse((await scene.run(flags)).stdout)
    const path = join(mkdtempSync(join(folder, 'baseline-')), 'baseline.json')
    const compared = async (change: object, ...more: string[]) => {
      writeFileSync(path, JSON.stringify({...report, sides: [{...report.sides[0], ...change}]}))
      return await scene.run([...flags, '--baseline', path, ...more])
    }
    // Latencies depend on the load of the machine, so the baseline's are set far too high.
    const slow = {...report.sides[0].latencyMs, p50: 1e6, p99: 1e6}
    const slower = await compared({rate: 1e12, latencyMs: slow})
    expect(slower.code).toBe(9)
    expect(JSON.parse(slower.stdout)).toMatchObject({bench: 'pub'})
    expect(JSON.parse(slower.stderr).error).toMatchObject({
      message: expect.stringContaining('slower than the baseline by more than 10%: pub rate '),
      data: {regressions: [{role: 'pub', what: 'rate', by: 1}]},
    })
    expect((await compared({rate: 1, latencyMs: slow})).code).toBe(0)
    expect((await compared({}, '--size', '16')).stderr).toContain('measured with size 128')
    expect(await compared({rate: undefined})).toMatchObject({code: 2, stdout: ''})
    expect((await compared({rate: 1, latencyMs: slow}, '--with-sub')).stderr).toContain('this run pub and sub')
  })
})

describe('bench', () => {
  const on = join(folder, 'other.db')

  test('measures a memory bus, which no other process can reach', async () => {
    const {code, stdout} = await bus(['bench', 'pub', '--msgs', '2000', '--with-sub', '-b', 'memory:bench'])
    expect(code).toBe(0)
    expect(stdout).toMatch(
      /^pub: 2,000 published · 250 KiB · .*\np50 .* · p99\.9 .*\nsub: 2,000 received · .*\np50 .*\n$/,
    )
  })

  test('prints a header and a line for each side with --csv', async () => {
    const {stdout} = await bus(['bench', 'pub', '--msgs', '100', '--with-sub', '--csv', '-b', on])
    const [names = '', ...rows] = stdout.trimEnd().split('\n')
    expect(names).toMatch(/^bench,size,role,clients,messages,.*,p9999Ms,maxMs$/)
    expect(rows.map((row) => row.split(',').slice(0, 5).join())).toEqual(['pub,128,pub,1,100', 'pub,128,sub,1,100'])
    for (const row of rows) expect(row.split(',')).toHaveLength(names.split(',').length)
  })

  test.each([
    [['pub', '--with-sub', '--size', '4'], 2, 'at least 8 B'],
    [['pub', '--msgs', '2', '--clients', '3'], 2, '3 clients cannot share 2 messages'],
    [['pub', '--csv', '--json'], 2, 'cannot be used together'],
    [['pub', '--max-regression', '5%'], 2, '--max-regression needs --baseline'],
    [['pub', '--baseline', 'none.json'], 5, 'cannot read the baseline none.json'],
    [['pub', 'a.*'], 2, 'has wildcard'],
    [['worker'], 2, 'is only for use by bus bench'],
  ])('%j exits with %i', async (args, code, sentence) => {
    const ended = await bus(['bench', ...args, '-b', on])
    expect([ended.code, ended.stdout, ended.stderr]).toEqual([code, '', expect.stringContaining(sentence)])
  })

  test.each([200, 350, 500, 1500])('ends all of its processes on Ctrl-C after %i ms', async (ms) => {
    await using running = startLine('bus bench pub --msgs 1000000000 --with-sub', {env: {BUS_URL: on}})
    await new Promise((resolve) => setTimeout(resolve, ms))
    running.interrupt()
    const {code, signal, stdout, stderr} = await running.ended
    expect(signal).toBeNull()
    expect(code).toBe(130)
    expect(stdout).not.toContain(' lost')
    expect(stderr).not.toContain('a bench worker exited')
  })

  test('does not list bench worker in its help', async () => {
    const {stdout} = await bus(['bench', '--help'])
    expect(stdout).toContain('bench pub')
    expect(stdout).not.toContain('worker')
  })

  test('has its JSON report described in docs/json-output.md', () => {
    const text = readFileSync(new URL('../../../docs/json-output.md', import.meta.url), 'utf8')
    expect(text).toContain('- `bench … --json`')
  })
})
