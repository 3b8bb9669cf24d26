import {existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, expect, test} from 'vitest'
import {onBothBuses} from '../../both-buses.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-native-'))
afterAll(() => rmSync(folder, {recursive: true}))
/** Written by `nats stream backup`, of nats-server 2.9: messages 1, 3 and 4, and a consumer that has acknowledged the first. */
const foreign = join(import.meta.dirname, 'nats-backup')

onBothBuses((newScene) => {
  test('a native backup keeps sequences, times and consumers; a bus file has none', async () => {
    await using scene = await newScene()
    await scene.run(['stream', 'add', 'ORDERS', 'orders.>'])
    const {streams} = scene.transport
    for (const data of ['a', 'b', 'c']) await streams.publish({subject: 'orders.new', data})
    const path = join(folder, 'orders')
    const saved = await scene.run(['stream', 'backup', 'ORDERS', path, '--native'])
    if (!scene.url.startsWith('nats:')) {
      expect(saved).toMatchObject({code: 2, stderr: expect.stringContaining('only a NATS server has')})
      expect(await scene.run(['stream', 'restore', foreign, '--native'])).toMatchObject({code: 2})
      expect(existsSync(path)).toBe(false)
      return
    }
    expect(saved).toMatchObject({code: 0, stderr: expect.stringContaining('saved 3 messages of ORDERS in')})
    expect(readdirSync(path)).toEqual(['backup.json', expect.stringMatching(/^stream\.(tar|arc)\.s2$/)])
    const last = await streams.get('ORDERS', 3)
    const there = await scene.run(['stream', 'restore', path, '--native'])
    expect(there).toMatchObject({code: 2, stderr: expect.stringContaining('there is a stream ORDERS on')})
    await streams.remove('ORDERS')
    const restored = await scene.run(['stream', 'restore', path, '--native', '--json'])
    expect(JSON.parse(restored.stdout).streams).toEqual([
      {stream: 'ORDERS', messages: 3, consumers: 0, bytes: expect.any(Number)},
    ])
    const again = await streams.get('ORDERS', 3)
    expect([again.text, again.time]).toEqual(['c', last.time])
    const other = await scene.run(['stream', 'backup', 'ORDERS', path, '--native'])
    expect(other).toMatchObject({code: 2, stderr: expect.stringContaining('is not empty')})
    expect(await scene.run(['stream', 'backup', '--all', join(folder, 'all'), '--native'])).toMatchObject({code: 0})
    expect(readdirSync(join(folder, 'all'))).toEqual(['ORDERS'])
    await streams.remove('ORDERS')
    const all = await scene.run(['stream', 'restore', join(folder, 'all'), '--native'])
    expect(all).toMatchObject({code: 0, stderr: 'restored ORDERS: 3 messages\n'})
  })

  test('a folder of nats stream backup is restored exactly', async () => {
    await using scene = await newScene()
    if (!scene.url.startsWith('nats:')) return
    const restored = await scene.run(['stream', 'restore', foreign, '--native'])
    expect(restored).toMatchObject({code: 0, stderr: 'restored OLD: 3 messages and 1 consumer\n'})
    const {streams} = scene.transport
    const found = []
    for await (const {seq, subject, text, time} of await streams.read('OLD'))
      found.push([seq, subject, text, new Date(time).toISOString().slice(0, 16)])
    expect(found).toEqual([
      [1, 'old.1', 'hello 1', '2026-11-30T16:05'],
      [3, 'old.3', 'hello 3', '2026-11-30T16:05'],
      [4, 'old.4', 'hello 4', '2026-11-30T16:06'],
    ])
    expect(await streams.consumers.info('OLD', 'c1')).toMatchObject({ackFloor: 1, pending: 2})
  })

  test('a folder that is no complete backup is refused', async () => {
    await using scene = await newScene()
    if (!scene.url.startsWith('nats:')) return
    const path = mkdtempSync(join(folder, 'bad-'))
    const refused = async () => {
      const {code, stderr} = await scene.run(['stream', 'restore', path, '--native'])
      return [code, stderr.split('\n')[0]?.replaceAll(path, 'FOLDER')]
    }
    expect(await refused()).toEqual([2, 'bus: FOLDER is not a folder of a native backup'])
    writeFileSync(join(path, 'stream.tar.s2'), 'x')
    expect(await refused()).toEqual([2, 'bus: FOLDER is not a complete backup: it was interrupted'])
    writeFileSync(join(path, 'backup.json'), '{}')
    expect(await refused()).toEqual([2, 'bus: FOLDER/backup.json does not describe a stream'])
    writeFileSync(join(path, 'backup.json'), '{"config":{"name":"BAD","subjects":["bad"]},"state":{}}')
    expect((await refused())[0]).toBe(8)
    await expect(scene.transport.streams.info('BAD')).rejects.toMatchObject({kind: 'notFound'})
  })
})
