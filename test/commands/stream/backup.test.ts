import {execFileSync} from 'node:child_process'
import {mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {zstdDecompressSync} from 'node:zlib'
import {afterAll, expect, test} from 'vitest'
import {open} from '../../../src/lib/transport/open.ts'
import {onBothBuses, type StoredScene} from '../../both-buses.ts'
import {bus} from '../../bus.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-backup-'))
afterAll(() => rmSync(folder, {recursive: true}))
let files = 0
const newPath = (name: string) => join(folder, `${++files}-${name}`)

/** A stream with payloads and headers of all kinds, and a consumer that has acknowledged the first two messages. */
async function fill({transport, run}: StoredScene): Promise<void> {
  await run(['stream', 'add', 'ORDERS', 'orders.>', '--max-age', '7d', '--description', 'all orders'])
  const {streams} = transport
  await streams.publish({
    subject: 'orders.new',
    data: '{"id":1}',
    headers: [
      ['Trace', 'a'],
      ['trace', 'b'],
    ],
  })
  await streams.publish({subject: 'orders.new', data: '{ "id": 1.0 }', headers: [['Nats-Msg-Id', 'first']]})
  await streams.publish({subject: 'orders.odd', data: '{"a":1},"text":"not JSON'})
  await streams.publish({subject: 'orders.odd', data: '{"a":1,"text":"x"}'})
  await streams.publish({subject: 'orders.bytes', data: Uint8Array.of(255, 0, 10)})
  await streams.publish({subject: 'orders.empty', data: ''})
  await run(['consumer', 'add', 'ORDERS', 'billing', '--ack-wait', '1m', '--filter', 'orders.>'])
  await run(['consumer', 'next', 'ORDERS', 'billing', '-n', '2'])
}

async function contents(url: string, stream: string) {
  await using transport = await open(url)
  await using reading = await transport.streams.read(stream)
  const found = []
  for await (const {subject, data, headers} of reading) found.push([subject, [...data], headers])
  return found
}

/** The lines of a backup, as zstd reads them. */
function linesOf(path: string): string[] {
  const bytes = readFileSync(path)
  let text = ''
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32LE(at + 8)
    text += zstdDecompressSync(bytes.subarray(at + 16, at + 16 + length)).toString()
    at += 16 + length
  }
  return text.trimEnd().split('\n')
}

onBothBuses((newScene) => {
  test('a stream comes back from a backup on another bus, with its settings, messages and consumers', async () => {
    await using scene = await newScene()
    await fill(scene)
    const path = newPath('orders.zst')
    const saved = await scene.run(['stream', 'backup', 'ORDERS', path])
    expect(saved).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('saved 6 messages and 1 consumer of ORDERS in'),
    })
    const verified = await bus(['stream', 'backup', '--verify', path, '--json'])
    expect(JSON.parse(verified.stdout)).toMatchObject({
      file: path,
      messages: 6,
      streams: [{stream: 'ORDERS', messages: 6, consumers: 1}],
    })
    const url = newPath('other.db')
    const restored = await bus(['stream', 'restore', path, '-b', url, '--json'])
    expect(JSON.parse(restored.stdout)).toEqual({
      file: path,
      streams: [{stream: 'ORDERS', created: true, messages: 6, alreadyThere: 0, consumers: ['billing']}],
    })
    const before = await contents(scene.url, 'ORDERS')
    const after = await contents(url, 'ORDERS')
    expect(after[1]?.[2]).toEqual([['Bus-Msg-Id', 'first']])
    expect(after.with(1, before[1] as never)).toEqual(before)
    await using other = await open(url)
    const {config} = await other.streams.info('ORDERS')
    expect(config).toMatchObject({subjects: ['orders.>'], maxAgeMs: 7 * 86_400_000, description: 'all orders'})
    const consumer = await other.streams.consumers.info('ORDERS', 'billing')
    expect(consumer).toMatchObject({pending: 4, config: {ackWaitMs: 60_000, filters: ['orders.>']}})
    const next = await bus(['consumer', 'next', 'ORDERS', 'billing', '--peek', '--raw', '-b', url])
    expect(next.stdout).toBe('{"a":1},"text":"not JSON')
  })

  test('a second restore stores nothing twice, and continues where an interrupted one ended', async () => {
    await using scene = await newScene()
    await fill(scene)
    const path = newPath('orders.zst')
    await scene.run(['stream', 'backup', 'ORDERS', path])
    const before = await contents(scene.url, 'ORDERS')
    await scene.transport.streams.remove('ORDERS')
    // As if it had been interrupted after three messages, before the consumer was created.
    await scene.run(['stream', 'restore', path])
    await scene.run(['consumer', 'rm', 'ORDERS', 'billing', '--yes'])
    const {streams} = scene.transport
    const seqs = []
    for await (const {seq = 0} of await streams.read('ORDERS')) seqs.push(seq)
    for (const seq of seqs.slice(3).toReversed()) await streams.erase('ORDERS', seq)
    const again = await scene.run(['stream', 'restore', path])
    expect(again).toMatchObject({
      code: 0,
      stderr: 'restored ORDERS: 3 messages · 3 already there · consumers billing\n',
    })
    expect((await contents(scene.url, 'ORDERS')).map(([, data]) => data)).toEqual(before.map(([, data]) => data))
    expect((await streams.consumers.info('ORDERS', 'billing')).pending).toBe(4)
    const third = await scene.run(['stream', 'restore', path])
    expect(third.stderr).toContain('restored ORDERS: 0 messages · 6 already there')
    expect((await streams.info('ORDERS')).state.messages).toBe(6)
  })

  test('a stream with other messages is refused, unless they are to be added', async () => {
    await using scene = await newScene()
    await fill(scene)
    const path = newPath('orders.zst')
    await scene.run(['stream', 'backup', 'ORDERS', path])
    const {streams} = scene.transport
    await streams.remove('ORDERS')
    await streams.add({name: 'ORDERS', subjects: ['orders.>']})
    await streams.publish({subject: 'orders.other', data: 'of somebody else'})
    const refused = await scene.run(['stream', 'restore', path])
    expect(refused).toMatchObject({code: 2, stderr: expect.stringContaining('has other messages than the backup: #')})
    expect((await streams.info('ORDERS')).state.messages).toBe(1)
    const added = await scene.run(['stream', 'restore', path, '--append'])
    expect(added).toMatchObject({code: 0, stderr: expect.stringContaining('restored ORDERS: 6 messages')})
    const again = await scene.run(['stream', 'restore', path, '--append'])
    expect(again.stderr).toContain('restored ORDERS: 0 messages · 6 already there')
    expect((await streams.info('ORDERS')).state.messages).toBe(7)
  })

  test('a stream is restored beside the original, under another name and other subjects', async () => {
    await using scene = await newScene()
    await fill(scene)
    const path = newPath('orders.zst')
    await scene.run(['stream', 'backup', 'ORDERS', path])
    const overlapping = await scene.run(['stream', 'restore', path, '--as', 'OLD'])
    expect(overlapping).toMatchObject({code: 2, stderr: expect.stringContaining('ORDERS')})
    const beside = await scene.run(['stream', 'restore', path, '--as', 'OLD', '--prefix', 'old.'])
    expect(beside).toMatchObject({code: 0, stderr: expect.stringContaining('restored OLD: 6 messages')})
    const {config} = await scene.transport.streams.info('OLD')
    expect(config.subjects).toEqual(['old.orders.>'])
    expect((await scene.transport.streams.consumers.info('OLD', 'billing')).pending).toBe(4)
  })

  test('several streams are saved in one file, and those that are empty too', async () => {
    await using scene = await newScene()
    await scene.run(['stream', 'add', 'A', 'a.>'])
    await scene.run(['stream', 'add', 'B', 'b.>'])
    await scene.run(['consumer', 'add', 'B', 'all'])
    for (let i = 0; i < 3; i++) await scene.transport.streams.publish({subject: 'a.b', data: String(i)})
    const path = newPath('all.zst')
    const saved = await scene.run(['stream', 'backup', '--all', path, '--json'])
    expect(JSON.parse(saved.stdout).streams).toEqual([
      {stream: 'A', messages: 3, consumers: 0},
      {stream: 'B', messages: 0, consumers: 1},
    ])
    const lines = linesOf(path).map((line) => Object.keys(JSON.parse(line))[0])
    expect(lines).toEqual(['backup', 'stream', 'subject', 'subject', 'subject', 'end', 'stream', 'end', 'total'])
    const url = newPath('both.db')
    expect(await bus(['stream', 'restore', path, '-b', url])).toMatchObject({code: 0})
    expect((await bus(['stream', 'ls', '-b', url, '--json'])).stdout).toContain('"name":"B"')
    const one = await bus(['stream', 'restore', path, '--as', 'C', '-b', newPath('c.db')])
    expect(one).toMatchObject({code: 2, stderr: expect.stringContaining('has 2 streams')})
  })
})

test('an interrupted backup is continued, and has no message twice', async () => {
  const url = newPath('many.db')
  const path = newPath('many.zst')
  await using transport = await open(url)
  await transport.streams.add({name: 'MANY', subjects: ['many.>']})
  await using publisher = transport.streams.publisher()
  const pad = 'x'.repeat(2000)
  for (let i = 0; i < 3000; i++)
    await publisher.push({subject: `many.${i % 3}`, data: JSON.stringify({i, pad: pad + Math.random()})})
  await publisher.flush()
  expect(await bus(['stream', 'backup', 'MANY', path, '-b', url])).toMatchObject({code: 0})
  const whole = linesOf(path)
  // In the middle of a frame.
  truncateSync(path, Math.floor(readFileSync(path).length * 0.6))
  expect(await bus(['stream', 'backup', '--verify', path])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('is not a complete backup'),
  })
  const partial = newPath('partial.db')
  expect(await bus(['stream', 'restore', path, '-b', partial])).toMatchObject({code: 2})
  expect((await bus(['stream', 'ls', '-b', partial, '--json'])).stdout.trim()).toBe('[]')
  await publisher.push({subject: 'many.later', data: 'not in the backup'})
  await publisher.flush()
  const other = await bus(['stream', 'backup', '--all', path, 'MANY', '-b', url])
  expect(other.code).toBe(2)
  const again = await bus(['stream', 'backup', 'MANY', path, '-b', url])
  expect(again).toMatchObject({
    code: 0,
    stderr: expect.stringMatching(/^continuing .*which has \d,?\d+ messages\nsaved 3,000/),
  })
  expect(linesOf(path).slice(1, -1)).toEqual(whole.slice(1, -1))
  expect(await bus(['stream', 'backup', '--verify', path])).toMatchObject({code: 0})
  expect(await bus(['stream', 'backup', 'MANY', path, '-b', url])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('already contains a complete backup'),
  })
})

test('a damaged or foreign file is refused with a sentence, and nothing is restored', async () => {
  const url = newPath('few.db')
  const path = newPath('few.zst')
  await bus(['stream', 'add', 'FEW', '-b', url])
  for (const body of ['1', '2', '3']) await bus(['pub', 'FEW', body, '-b', url])
  await bus(['stream', 'backup', 'FEW', path, '-b', url])
  const bytes = readFileSync(path)
  const target = newPath('target.db')
  const refused = async (content: Uint8Array | string) => {
    const damaged = newPath('damaged.zst')
    writeFileSync(damaged, content)
    const {code, stderr} = await bus(['stream', 'restore', damaged, '-b', target])
    expect((await bus(['stream', 'ls', '-b', target, '--json'])).stdout.trim()).toBe('[]')
    return [code, stderr.split('\n')[0]?.replace(damaged, 'FILE')]
  }
  const notComplete = 'bus: FILE is not a complete backup: it ends'
  expect(await refused(bytes.subarray(0, -5))).toEqual([2, `${notComplete} after 1 of 1 streams`])
  expect(await refused(bytes.subarray(0, 60))).toEqual([2, `${notComplete} before its first stream`])
  expect(await refused('')).toEqual([2, `${notComplete} before its first stream`])
  const none = [2, 'bus: FILE is not a backup of bus stream backup']
  expect(await refused('{"subject":"a","text":"b"}\n')).toEqual(none)
  const flipped = Buffer.from(bytes)
  flipped[60] = (flipped[60] ?? 0) ^ 1
  const damaged = 'bus: FILE is damaged before its first stream: its contents do not match its checksums'
  expect(await refused(flipped)).toEqual([9, damaged])
  expect(await bus(['stream', 'restore', folder, '-b', target])).toMatchObject({code: 2})
  expect(await bus(['stream', 'restore', join(folder, 'none'), '-b', target])).toMatchObject({code: 5})
  expect(await bus(['stream', 'backup', 'FEW', '-b', url])).toMatchObject({code: 2})
  const recording = newPath('recording.ndjson')
  writeFileSync(recording, '{"subject":"a","text":"b"}\n')
  expect(await bus(['stream', 'backup', 'FEW', recording, '-b', url])).toMatchObject({code: 2})
  expect(readFileSync(recording, 'utf8')).toBe('{"subject":"a","text":"b"}\n')
})

const zstdcat = 'zstdcat'
const hasZstd = (() => {
  try {
    execFileSync(zstdcat, ['--version'], {stdio: 'ignore'})
    return true
  } catch {
    return false
  }
})()

test.runIf(hasZstd)('zstdcat reads a backup', async () => {
  const url = newPath('zstd.db')
  const path = newPath('zstd.zst')
  await bus(['stream', 'add', 'Z', '-b', url])
  await bus(['pub', 'Z', '{"a":1}', '-b', url])
  await bus(['stream', 'backup', 'Z', path, '-b', url])
  const text = execFileSync(zstdcat, [path]).toString()
  expect(text.trimEnd().split('\n')).toEqual(linesOf(path))
  const {createHash} = await import('node:crypto')
  const lines = text.trimEnd().split('\n')
  const hash = createHash('sha256')
    .update(`${lines.slice(0, -1).join('\n')}\n`)
    .digest('hex')
  expect(JSON.parse(lines.at(-1) ?? '').sha256).toBe(hash)
})
