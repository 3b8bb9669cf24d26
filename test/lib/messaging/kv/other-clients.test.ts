/** Buckets that `@nats-io/kv` writes are read here, and the other way round; the same for a bucket that was on a bus file. */
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {type KV, Kvm} from '@nats-io/kv'
import {connect, type NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, beforeEach, describe, expect, it} from 'vitest'
import {Bucket} from '../../../../src/lib/messaging/kv/bucket.ts'
import {bucketStream} from '../../../../src/lib/messaging/kv/settings.ts'
import type {Transport} from '../../../../src/lib/transport/contract.ts'
import {open} from '../../../../src/lib/transport/open.ts'
import {bus} from '../../../bus.ts'
import {lacks, NatsServer} from '../../../nats-server.ts'

let server: NatsServer
let connection: NatsConnection
let transport: Transport
const folder = mkdtempSync(join(tmpdir(), 'bus-kv-clients-'))
beforeAll(async () => {
  server = await NatsServer.start((home) => `jetstream {store_dir: "${home}"}`)
  connection = await connect({servers: server.url()})
  transport = await open(server.url())
})
afterAll(async () => {
  await transport?.close()
  await connection?.close()
  await server?.[Symbol.asyncDispose]()
  rmSync(folder, {recursive: true})
})

let number = 0
let name: string
let ours: Bucket
beforeEach(() => {
  name = `bucket-${++number}`
  ours = new Bucket(transport.streams, name)
})

const add = (settings = {}) => transport.streams.add(bucketStream({name, history: 5, ...settings}))
const theirs = (options = {}): Promise<KV> => new Kvm(connection).create(name, {history: 5, ...options})

describe('a bucket of ours', () => {
  it('is one that @nats-io/kv opens, reads, changes and watches', async () => {
    await add()
    const kv = await theirs()
    await ours.put('a.b', 'one')
    expect((await kv.get('a.b'))?.string()).toBe('one')
    const watched = await kv.watch({key: 'a.>'})
    const seen: string[] = []
    const watching = (async () => {
      for await (const {operation, revision} of watched) {
        seen.push(`${operation} ${revision}`)
        if (seen.length === 4) return
      }
    })()
    await ours.update('a.b', 'two', 1)
    await ours.remove('a.b')
    await ours.remove('a.b', {purge: true})
    await watching
    // A purge removes what a slow watcher has not read yet.
    expect(seen.at(-1)).toBe('PURGE 4')
    expect((await kv.get('a.b'))?.operation).toBe('PURGE')
    expect(await kv.create('a.b', 'three')).toBe(5)
    expect((await ours.get('a.b'))?.value).toBe('three')
    const status = await kv.status()
    expect([status.history, status.values]).toEqual([5, 2])
  })

  it('has the settings that other clients give to theirs', async () => {
    const mine = (await add({ttlMs: 60_000, maxValueSize: 1000})).config
    await new Kvm(connection).create('other', {history: 5, ttl: 60_000, maxValueSize: 1000})
    const other = (await transport.streams.info('KV_other')).config
    const differing = {name: '', subjects: []}
    // Go and the NATS CLI deny the deletion of single messages, nats.js does not.
    expect({...mine, ...differing}).toEqual({...other, ...differing, denyDelete: true})
  })
})

describe('a bucket of @nats-io/kv', () => {
  it('is one that bus kv reads and changes', async () => {
    const kv = await theirs()
    await kv.put('log.level', 'debug')
    const binary = Uint8Array.from([0, 255, 1])
    await kv.put('bytes', binary)
    const run = async (line: string) => await bus([...line.split(' '), '-b', server.url()])
    expect((await run(`kv get ${name} log.level`)).stdout).toBe('debug')
    expect((await run(`kv get ${name} bytes`)).bytes).toEqual(Buffer.from(binary))
    expect((await run(`kv update ${name} log.level info --revision 1`)).code).toBe(0)
    expect((await kv.get('log.level'))?.string()).toBe('info')
    await kv.delete('log.level')
    expect((await run(`kv get ${name} log.level`)).code).toBe(5)
    await kv.purge('bytes')
    expect((await run(`kv history ${name} bytes --json`)).stdout).toContain('"operation":"purge"')
    expect((await run(`kv create ${name} bytes again`)).code).toBe(0)
    expect((await kv.get('bytes'))?.string()).toBe('again')
    expect(JSON.parse((await run(`kv ls ${name} --json`)).stdout)).toMatchObject([{key: 'bytes', revision: 6}])
  })

  it('without direct reads and without rollup is read through the leader', async () => {
    await theirs({allow_direct: false})
    await ours.put('a', '1')
    expect((await ours.last('a', {direct: true}))?.value).toBe('1')
    expect(await ours.last('none', {direct: true})).toBeUndefined()
  })

  it('that is a mirror cannot be written, which is said', async () => {
    await theirs()
    await new Kvm(connection).create(`${name}-mirror`, {mirror: {name}})
    const {code, stderr} = await bus(['kv', 'put', `${name}-mirror`, 'a', '1', '-b', server.url()])
    expect([code, stderr]).toEqual([5, expect.stringContaining('no stream')])
  })
})

describe(`values that expire${await lacks(2, 11)}`, async () => {
  const isOld = (await lacks(2, 11)) !== ''

  it.skipIf(isOld)('are removed, and nats.js sees it', async () => {
    const kv = await theirs({markerTTL: 5000})
    expect(await ours.update('lock', 'me', 0, {ttlMs: 1000})).toBe(1)
    const {code} = await bus(['kv', 'create', name, 'lock', 'other', '-b', server.url()])
    expect(code).toBe(9)
    await expect.poll(async () => (await kv.get('lock'))?.operation, {timeout: 5000}).toBe('PURGE')
    expect((await ours.last('lock'))?.operation).toBe('purge')
    expect(await ours.update('lock', 'other', 0)).toBe(3)
  })

  it.skipIf(isOld)('need a bucket that allows them', async () => {
    await add()
    const {code, stderr} = await bus(['kv', 'create', name, 'lock', 'me', '--ttl', '5s', '-b', server.url()])
    expect([code, stderr]).toEqual([8, expect.stringContaining('per-message TTL is disabled')])
  })
})

describe('a bucket of a bus file', () => {
  it('that is copied to a server is a working bucket there', async () => {
    const file = join(folder, `${name}.db`)
    const run = async (line: string) => await bus([...line.split(' '), '-b', file])
    await run(`kv add ${name} --history 3`)
    for (const value of ['1', '2', '3', '4']) await run(`kv put ${name} a ${value}`)
    await run(`kv put ${name} b x`)
    await run(`kv purge ${name} b`)
    await run(`kv put ${name} c y`)
    await run(`kv del ${name} c`)
    const copied = await run(`consumer replay KV_${name} --into ${server.url()} --create --obey-headers --yes`)
    expect(copied).toMatchObject({code: 0})
    const kv = await new Kvm(connection).open(name)
    const history: string[] = []
    for await (const entry of await kv.history({key: 'a'})) history.push(entry.string())
    expect(history).toEqual(['2', '3', '4'])
    expect([(await kv.get('b'))?.operation, (await kv.get('c'))?.operation]).toEqual(['PURGE', 'DEL'])
    expect(await kv.create('c', 'again')).toBeGreaterThan(0)
  })
})
