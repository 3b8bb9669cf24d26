import {spawn, spawnSync} from 'node:child_process'
import {mkdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {describe, expect, onTestFinished, test} from 'vitest'
import {open} from '../../src/lib/transport/open.ts'
import {Database} from '../../src/lib/transport/sqlite/database.ts'
import {temporaryFolder} from '../lib/transport/sqlite/processes.ts'

const bin = new URL('../../bin/run.js', import.meta.url).pathname

/** A file with a stream and a consumer, locked by another connection. */
async function lockedFile() {
  const path = join(temporaryFolder(), 'bus.db')
  {
    await using bus = await open(path)
    await bus.streams.add({name: 'S', subjects: ['s.>']})
    await bus.streams.consumers.add('S', {name: 'c'})
  }
  const other = new Database(path)
  other.exec('BEGIN IMMEDIATE')
  onTestFinished(() => void other.close())
  return {path, release: () => other.exec('ROLLBACK')}
}

/** Runs a command; `signal` is sent one second after the start. */
function run(args: string, {path, stdin = '', signal}: {path: string; stdin?: string; signal?: NodeJS.Signals}) {
  const began = performance.now()
  const child = spawn(process.execPath, [bin, ...args.split(' '), '-b', path])
  onTestFinished(() => void child.kill('SIGKILL'))
  child.stdin.on('error', () => {}).end(stdin)
  let stderr = ''
  child.stderr.on('data', (chunk) => (stderr += chunk))
  let signalled = began
  if (signal !== undefined)
    setTimeout(() => {
      signalled = performance.now()
      child.kill(signal)
    }, 1000)
  return new Promise<{code: number | null; stderr: string; ms: number}>((resolve) => {
    child.on('close', (code) => resolve({code, stderr, ms: performance.now() - signalled}))
  })
}

describe('while another process has locked the bus file', () => {
  test.each([
    ['pub s.a x -t 1s', 3],
    ['pub s.a x --ack -t 1s', 6],
    ['pub s.a --lines --ack -t 1s', 6],
    ['req s.a x -t 1s', 6],
    ['sub s.a --for 1s', 6],
    ['sub s.a --queue q --for 1s', 6],
    ['sub s.> --durable c --for 1s', 6],
    ['serve s.x --echo --for 1s', 6],
    ['serve s.x --echo -t 1s', 3],
    ['rpc ls --watch --for 1s', 6],
    ['stream open s.x --for 1s', 6],
    ['events add S e -t 1s', 3],
    ['bench pub s.a --msgs 1 -t 1s', 3],
    ['bench sub s.a -t 1s', 3],
    ['consumer next S c -t 1s', 3],
    ['consumer add S d -t 1s', 3],
    ['stream add T t -t 1s', 3],
    ['stream rm S --yes -t 1s', 3],
  ] as const)('%s ends after a second and reports it', async (args, code) => {
    const {path} = await lockedFile()
    const {ms, ...result} = await run(args, {path, stdin: 'a\nb\n'})
    expect(result).toEqual({code, stderr: expect.stringMatching(/bus\.db (is|was) locked by another process/)})
    expect(ms).toBeLessThan(5000)
  })

  test('the timeout of a context has the same effect as --timeout', async () => {
    const {path} = await lockedFile()
    const home = temporaryFolder()
    mkdirSync(join(home, 'busline', 'contexts'), {recursive: true})
    writeFileSync(join(home, 'busline', 'contexts', 'slow.json'), JSON.stringify({url: path, timeout: '1s'}))
    const args = ['pub', 's.a', 'x', '--context', 'slow']
    const {status, stderr} = spawnSync(process.execPath, [bin, ...args], {
      env: {...process.env, XDG_CONFIG_HOME: home},
    })
    expect([status, String(stderr)]).toEqual([
      3,
      expect.stringMatching(/bus\.db was locked by another process for 1 s/),
    ])
  })

  test.each([
    'sub s.a',
    'sub s.> --durable c',
    'serve s.x --echo',
    'pub s.a x',
    'pub s.a x --ack',
    'consumer next S c',
  ])('%s ends soon after SIGTERM', async (args) => {
    const {path} = await lockedFile()
    const {code, ms} = await run(args, {path, signal: 'SIGTERM'})
    expect(code).toBe(130)
    expect(ms).toBeLessThan(10_000)
  })

  test('a subscription that has ended exits with 0', async () => {
    const {path, release} = await lockedFile()
    release()
    const listening = run('sub s.a --for 2s', {path})
    const other = new Database(path)
    onTestFinished(() => void other.close())
    await expect.poll(() => other.prepare('SELECT count(*) FROM interest').pluck().get()).toBe(1)
    other.exec('BEGIN IMMEDIATE')
    const {code, ms} = await listening
    expect(code).toBe(0)
    expect(ms).toBeLessThan(8000)
  })

  test('messages with a late acknowledgement are not stored later', async () => {
    const {path, release} = await lockedFile()
    await using bus = await open(path)
    const error = {
      kind: 'timeout',
      message: expect.stringMatching(/^"s\.a" was not stored within 300 ms: .* is locked/),
    }
    await expect(bus.streams.publish({subject: 's.a', data: 'x'}, {timeoutMs: 300})).rejects.toMatchObject(error)
    const refused: number[] = []
    const publisher = bus.streams.publisher({timeoutMs: 300, onRefused: (index) => void refused.push(index)})
    for (const data of ['1', '2', '3']) void publisher.push({subject: 's.a', data})
    bus.publish({subject: 's.a', data: 'unacknowledged'})
    await expect(publisher.flush()).rejects.toMatchObject(error)
    expect(refused).toEqual([0, 1, 2])
    release()
    await bus.flush()
    expect((await bus.streams.info('S')).state.messages).toBe(1)
    expect((await bus.streams.last('S', '>')).text).toBe('unacknowledged')
  })
})
