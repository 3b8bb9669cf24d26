/** Backups and restores that are killed, or whose disk, server or leader fails. */
import {existsSync, readFileSync, rmSync} from 'node:fs'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {describe, expect, test} from 'vitest'
import type {Transport} from '../../src/lib/transport/contract.ts'
import {open} from '../../src/lib/transport/open.ts'
import {root, bus as runBus} from '../bus.ts'
import {type Program, startCommand, temporaryFolder} from '../lib/transport/sqlite/processes.ts'
import {Cluster} from '../nats-cluster.ts'
import {freshBus, moment, rounds, until} from './tally.ts'

const run = join(root, 'bin', 'run.js')
const start = (...args: string[]): Program => startCommand(process.execPath, [run, ...args])
/** Enough that a kill comes in the middle. */
const count = 100_000
const kills = Math.max(3, Math.floor(rounds / 5))

async function fill(bus: Transport, replicas = 1, bytes = 100): Promise<void> {
  await until(() => succeeds(bus.streams.add({name: 'S', subjects: ['s.>'], replicas})))
  await using publisher = bus.streams.publisher()
  const pad = 'x'.repeat(bytes)
  for (let n = 0; n < count; n++)
    await publisher.push({subject: `s.${n % 10}`, data: `{"n":${n},"r":${Math.random()},"pad":"${pad}"}`})
  await publisher.flush()
  const half = (await bus.streams.info('S')).state.firstSeq + count / 2
  await bus.streams.consumers.add('S', {name: 'c', deliver: {seq: half}})
}

async function payloads(bus: Transport, stream: string): Promise<string[]> {
  await using reading = await bus.streams.read(stream)
  const found: string[] = []
  for (;;) {
    const taken = await reading.take(1000)
    if (taken.length === 0) return found
    for (const {text} of taken) found.push(text)
  }
}

async function succeeds(work: Promise<unknown>): Promise<boolean> {
  return await work.then(
    () => true,
    () => false,
  )
}

/** Kills a program at a random moment; true if it was still running. */
async function killed(program: Program, mostMs: number): Promise<boolean> {
  await moment(mostMs)
  program.child.kill('SIGKILL')
  return (await program.ended) === 'SIGKILL'
}

async function isComplete(path: string): Promise<boolean> {
  return existsSync(path) && (await runBus(['stream', 'backup', '--verify', path])).code === 0
}

describe.each(['file', 'server'] as const)('kill -9, on a bus %s', (kind) => {
  test('of a backup leaves a file that is reported as incomplete, and the same command continues it', async () => {
    const {url} = await freshBus(kind)
    await using bus = await open(url)
    await fill(bus)
    const folder = temporaryFolder()
    const path = join(folder, 'saved.zst')
    const other = join(folder, 'other.db')
    let inTheMiddle = 0
    for (let kill = 0; kill < kills; kill++) {
      const wasKilled = await killed(start('stream', 'backup', 'S', path, '-b', url), 3000)
      // A process that is killed while it exits leaves a complete file.
      if (!wasKilled || (await isComplete(path))) rmSync(path)
      else if (existsSync(path)) {
        inTheMiddle++
        const refused = await runBus(['stream', 'restore', path, '-b', other])
        expect(refused).toMatchObject({code: 2, stderr: expect.stringContaining('is not a complete backup: it ends ')})
        expect((await runBus(['stream', 'ls', '-b', other, '--json'])).stdout.trim()).toBe('[]')
      }
    }
    process.stdout.write(`${kind}: backup killed ${kills} times, ${inTheMiddle} times with a file\n`)
    const ended = start('stream', 'backup', 'S', path, '-b', url)
    expect(await ended.ended, ended.stderr()).toBe(0)
    expect(await runBus(['stream', 'backup', '--verify', path])).toMatchObject({code: 0})
    expect(existsSync(`${path}.lock`)).toBe(false)
    expect(await runBus(['stream', 'restore', path, '-b', other])).toMatchObject({code: 0})
    await using restored = await open(other)
    expect(await payloads(restored, 'S')).toEqual(await payloads(bus, 'S'))
  })

  test('of a restore is continued by the same command, and stores no message twice', async () => {
    const source = await freshBus('file')
    await using bus = await open(source.url)
    await fill(bus)
    const path = join(temporaryFolder(), 'saved.zst')
    expect(await runBus(['stream', 'backup', 'S', path, '-b', source.url])).toMatchObject({code: 0})
    const {url} = await freshBus(kind)
    for (let kill = 0; kill < kills; kill++) await killed(start('stream', 'restore', path, '-b', url), 2000)
    const last = start('stream', 'restore', path, '-b', url, '--json')
    expect(await last.ended, last.stderr()).toBe(0)
    const [stream] = JSON.parse(last.lines.join('\n')).streams
    process.stdout.write(`${kind}: restore killed ${kills} times, ${stream.alreadyThere} messages were there\n`)
    expect(stream.messages + stream.alreadyThere).toBe(count)
    await using target = await open(url)
    expect(await payloads(target, 'S')).toEqual(await payloads(bus, 'S'))
    expect((await target.streams.consumers.info('S', 'c')).pending).toBe(count / 2)
  })
})

test('a full disk ends a backup with exit code 10, and the same command continues the file once there is room', async () => {
  const {url} = await freshBus('file')
  await using bus = await open(url)
  await fill(bus)
  const path = join(temporaryFolder(), 'saved.zst')
  const line = `trap '' XFSZ; ulimit -f 800; exec "$0" "$@"`
  const full = startCommand('sh', ['-c', line, process.execPath, run, 'stream', 'backup', 'S', path, '-b', url])
  expect(await full.ended, full.stderr()).toBe(10)
  expect(full.stderr()).toContain(`cannot write ${path}: the disk is full`)
  expect(await runBus(['stream', 'backup', '--verify', path])).toMatchObject({code: 2})
  const again = await runBus(['stream', 'backup', 'S', path, '-b', url])
  expect(again).toMatchObject({code: 0, stderr: expect.stringContaining('continuing')})
  expect(await runBus(['stream', 'backup', '--verify', path])).toMatchObject({code: 0})
})

test('of two backups to the same file one is refused, and the file is complete', async () => {
  const {url} = await freshBus('file')
  await using bus = await open(url)
  await fill(bus)
  const path = join(temporaryFolder(), 'saved.zst')
  const both = [0, 1].map(() => start('stream', 'backup', 'S', path, '-b', url))
  const codes = await Promise.all(both.map(({ended}) => ended))
  expect(codes).toContain(0)
  expect([2, 4]).toContain(codes.find((code) => code !== 0))
  expect(both.map(({stderr}) => stderr()).join('')).toMatch(
    /another process is writing .*saved\.zst: \d+ on |already contains/,
  )
  expect(await runBus(['stream', 'backup', '--verify', path])).toMatchObject({code: 0})
})

test('a server that is killed ends a native backup and a native restore at once, and says that the stream may be incomplete', async () => {
  const {url, server} = await freshBus('server')
  await using bus = await open(url)
  await fill(bus)
  const wanted = await payloads(bus, 'S')
  const folder = join(temporaryFolder(), 'native')
  const saving = start('stream', 'backup', 'S', folder, '--native', '-b', url)
  await until(() => existsSync(folder))
  await server?.stop('SIGKILL')
  await server?.run()
  const saved = await saving.ended
  if (saved !== 0) expect(saving.stderr()).toMatch(/^bus: /m)
  await until(() => succeeds(bus.streams.info('S')))
  if (saved !== 0) {
    const again = start('stream', 'backup', 'S', folder, '--native', '-b', url)
    expect(await again.ended, again.stderr()).toBe(0)
  }
  for (const waitMs of [250, 450]) {
    await until(() => succeeds(bus.streams.remove('S')))
    const restoring = start('stream', 'restore', folder, '--native', '-b', url)
    await sleep(waitMs)
    await server?.stop('SIGKILL')
    const killedAt = performance.now()
    await server?.run()
    const restored = await restoring.ended
    const tookMs = performance.now() - killedAt
    await until(() => succeeds(bus.streams.list()))
    const there = await bus.streams.info('S').catch(() => undefined)
    process.stdout.write(
      `server killed: backup ended ${saved}, restore ended ${restored}, ${there?.state.messages ?? 'no'} messages are there\n`,
    )
    if (restored !== 0) {
      expect(restoring.stderr()).toMatch(/^bus: .*: the server may have all of it, a part or nothing/m)
      expect(tookMs).toBeLessThan(10_000)
      if (there !== undefined) await bus.streams.remove('S')
      const again = start('stream', 'restore', folder, '--native', '-b', url)
      expect(await again.ended, again.stderr()).toBe(0)
    }
    expect(await payloads(bus, 'S')).toEqual(wanted)
  }
})

test('a new leader during a native backup or restore of an R3 stream leaves no incomplete folder, and a second run succeeds', async () => {
  await using cluster = await Cluster.start()
  const urls = cluster.servers.map((server) => server.url()).join(',')
  await using bus = await open(urls, {heartbeatMs: 1000})
  await fill(bus, 3)
  const wanted = await payloads(bus, 'S')
  const folder = temporaryFolder()
  const outcomes: unknown[] = []
  for (let round = 0; round < 3; round++) {
    const path = join(folder, `native${round}`)
    const saving = start('stream', 'backup', 'S', path, '--native', '-b', urls)
    await moment(800)
    await runBus(['stream', 'step-down', 'S', '-b', urls])
    outcomes.push(await saving.ended)
    const whole = existsSync(join(path, 'backup.json'))
    expect(whole).toBe(outcomes.at(-1) === 0)
    if (!whole) {
      const again = start('stream', 'backup', 'S', path, '--native', '-b', urls)
      expect(await again.ended, again.stderr()).toBe(0)
    }
    await until(() => succeeds(bus.streams.remove('S')))
    const restoring = start('stream', 'restore', path, '--native', '-b', urls)
    await moment(800)
    await runBus(['stream', 'step-down', 'S', '-b', urls])
    outcomes.push(await restoring.ended)
    if (outcomes.at(-1) !== 0) {
      const there = await bus.streams.info('S').catch(() => undefined)
      process.stdout.write(
        `cluster: restore failed (${restoring.stderr().trim()}), stream ${there?.state.messages ?? 'none'}\n`,
      )
      if (there !== undefined) await bus.streams.remove('S')
      const again = start('stream', 'restore', path, '--native', '-b', urls)
      expect(await again.ended, again.stderr()).toBe(0)
    }
    await until(async () => (await payloads(bus, 'S').catch(() => [])).length === count)
    expect(await payloads(bus, 'S')).toEqual(wanted)
  }
  process.stdout.write(`cluster: new leaders, backup and restore ended ${outcomes.join(' ')}\n`)
  expect(readFileSync(join(folder, 'native0', 'backup.json'), 'utf8')).toContain('"S"')
})
