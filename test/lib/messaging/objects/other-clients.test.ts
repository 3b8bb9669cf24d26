/** Objects that `@nats-io/obj` stores are read here, and the other way round. */
import {randomBytes} from 'node:crypto'
import {type ObjectStore as Obj, Objm} from '@nats-io/obj'
import {connect, type NatsConnection} from '@nats-io/transport-node'
import {afterAll, beforeAll, beforeEach, expect, it} from 'vitest'
import {ObjectStore} from '../../../../src/lib/messaging/objects/object-store.ts'
import {objectStream} from '../../../../src/lib/messaging/objects/settings.ts'
import type {Transport} from '../../../../src/lib/transport/contract.ts'
import {open} from '../../../../src/lib/transport/open.ts'
import {NatsServer} from '../../../nats-server.ts'

let server: NatsServer
let connection: NatsConnection
let transport: Transport
beforeAll(async () => {
  server = await NatsServer.start((home) => `jetstream {store_dir: "${home}"}`)
  connection = await connect({servers: server.url()})
  transport = await open(server.url())
})
afterAll(async () => {
  await transport?.close()
  await connection?.close()
  await server?.[Symbol.asyncDispose]()
})

let number = 0
let name: string
let ours: ObjectStore
let theirs: Obj
beforeEach(async () => {
  name = `bucket-${++number}`
  ours = new ObjectStore(transport.streams, name)
})

const content = randomBytes(300_001)
const meta = {
  name: 'some folder/file 1.bin',
  headers: [['Type', 'a'] as const, ['Type', 'b'] as const],
  metadata: {owner: 'me'},
}

async function* once(bytes: Uint8Array) {
  yield bytes
}

async function allOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(chunk)
  return Buffer.concat(all)
}

it('an object of ours is read, described, replaced and deleted by @nats-io/obj', async () => {
  await transport.streams.add(objectStream({name}))
  theirs = await new Objm(connection).open(name)
  const put = await ours.put({...meta, description: 'text'}, once(content), {maxPayload: transport.maxPayload})
  expect(Buffer.from((await theirs.getBlob(meta.name)) ?? []).equals(content)).toBe(true)
  const info = await theirs.info(meta.name)
  expect(info).toMatchObject({name: meta.name, size: content.length, chunks: 3, digest: put.digest})
  expect([info?.description, info?.headers?.values('Type'), info?.metadata]).toEqual([
    'text',
    ['a', 'b'],
    {owner: 'me'},
  ])
  await theirs.putBlob({name: meta.name}, Buffer.from('other'))
  expect((await ours.get(meta.name)).size).toBe(5)
  await theirs.delete(meta.name)
  expect((await ours.find(meta.name))?.deleted).toBe(true)
})

it('an object of @nats-io/obj is read, replaced and deleted by us, and its chunks go', async () => {
  theirs = await new Objm(connection).create(name)
  await theirs.putBlob({name: 'a', description: 'text', metadata: {owner: 'them'}}, content)
  const info = await ours.get('a')
  expect(info).toMatchObject({size: content.length, chunks: 3, description: 'text', metadata: {owner: 'them'}})
  expect((await allOf(ours.content(info))).equals(content)).toBe(true)
  await ours.put({name: 'a', headers: [], metadata: {}}, once(Buffer.from('ours')), {maxPayload: transport.maxPayload})
  expect(Buffer.from((await theirs.getBlob('a')) ?? []).toString()).toBe('ours')
  expect((await transport.streams.info(`OBJ_${name}`)).state.messages).toBe(2)
  await ours.remove('a')
  expect(await theirs.get('a')).toBeNull()
  expect((await transport.streams.info(`OBJ_${name}`)).state.messages).toBe(1)
})

it('a link of @nats-io/obj is followed', async () => {
  theirs = await new Objm(connection).create(name)
  const target = await theirs.putBlob({name: 'a'}, Buffer.from('content'))
  await theirs.link('b', target)
  const {store, info} = await ours.follow(await ours.get('b'))
  expect((await allOf(store.content(info))).toString()).toBe('content')
})

it('a bucket of ours has the settings that other clients give to theirs', async () => {
  const mine = (await transport.streams.add(objectStream({name, ttlMs: 60_000}))).config
  await new Objm(connection).create('other', {ttl: 60_000 * 1e6})
  const other = (await transport.streams.info('OBJ_other')).config
  const differing = {name: '', subjects: []}
  expect({...mine, ...differing}).toEqual({...other, ...differing})
})

it('of several clients that store one name at once, one wins and nothing else is left', async () => {
  await transport.streams.add(objectStream({name}))
  const texts = Array.from({length: 8}, (_, i) => `version ${i}`)
  const one = {name: 'a', headers: [], metadata: {}}
  await Promise.all(texts.map((text) => ours.put(one, once(Buffer.from(text)), {maxPayload: transport.maxPayload})))
  expect(texts).toContain((await allOf(ours.content(await ours.get('a')))).toString())
  expect((await transport.streams.info(`OBJ_${name}`)).state.messages).toBe(2)
})
