import {describe, expect, it} from 'vitest'
import type {Subscription} from '../../../../src/lib/transport/contract.ts'
import {open} from '../../../../src/lib/transport/open.ts'
import type {Start} from '../../../../src/lib/transport/streams-contract.ts'
import {lacks, NatsServer} from '../../../nats-server.ts'
import {addConsumer, ask, startStreams, store} from './streams.ts'
import {numbers, Watched} from './watched.ts'

async function texts(reading: Subscription): Promise<string[]> {
  const all: string[] = []
  for await (const {text} of reading) all.push(text)
  return all
}

describe('a server without JetStream', () => {
  it('is reported with a hint, whatever is requested', async () => {
    await using server = await NatsServer.start()
    await using bus = await open(server.url())
    const {streams} = bus
    const publisher = streams.publisher()
    await publisher.push({subject: 'a'})
    for (const use of [
      () => streams.list(),
      () => streams.info('A'),
      () => streams.publish({subject: 'a'}),
      () => streams.read('A'),
      () => streams.consumers.consume('A', 'c'),
      () => publisher.flush(),
    ]) {
      const message = expect.stringContaining(`${bus.url} has no streams`)
      await expect(use()).rejects.toMatchObject({
        kind: 'notFound',
        message,
        try: expect.arrayContaining([expect.any(String)]),
      })
    }
  })
})

describe('a login', () => {
  it('that may not use the API, a subject or an acknowledgement is denied', async () => {
    await using server = await startStreams(`accounts { A { jetstream: enabled, users: [
      {user: all, password: p}
      {user: few, password: p, permissions: {publish: {deny: ["$JS.API.STREAM.LIST", "$JS.API.CONSUMER.MSG.NEXT.A.none", "a.secret"]}}}
    ]}}`)
    await using all = await open(server.url({login: 'all:p'}))
    await using few = await Watched.open(server.url({login: 'few:p'}))
    const {streams} = few.bus
    await all.streams.add({name: 'A', subjects: ['a.*']})
    await all.streams.consumers.add('A', {name: 'none'})
    await expect(streams.list()).rejects.toMatchObject({kind: 'denied'})
    await expect(streams.publish({subject: 'a.secret'})).rejects.toMatchObject({kind: 'denied'})
    const publisher = streams.publisher()
    publisher.push({subject: 'a.open'})
    publisher.push({subject: 'a.secret'})
    publisher.push({subject: 'a.open'})
    await expect(publisher.flush()).rejects.toMatchObject({kind: 'denied', data: {index: 1}})
    const member = await streams.consumers.consume('A', 'none')
    await expect(member.take(1)).rejects.toMatchObject({kind: 'denied'})
    await few.bus.flush()
    expect(await texts(await streams.read('A'))).toHaveLength(2)
  })
})

describe('reading', () => {
  it('accepts several filters, also overlapping ones, on every server', async () => {
    await using server = await startStreams()
    await using bus = await open(server.url())
    await bus.streams.add({name: 'A', subjects: ['a.*', 'b.>', 'c']})
    for (const [i, subject] of ['a.x', 'a.y', 'b.x.y', 'c', 'b.x', 'a.x', 'c', 'b.z'].entries())
      await store(bus, subject, [String(i + 1)])
    const read = async (filters: string[], from?: Start) => texts(await bus.streams.read('A', {filters, from}))
    expect(await read(['a.x', 'c'])).toEqual(['1', '4', '6', '7'])
    expect(await read(['a.*', '*.x'])).toEqual(['1', '2', '5', '6'])
    expect(await read(['*.x'])).toEqual(['1', '5', '6'])
    expect(await read(['z', 'y'])).toEqual([])
    expect(await read(['z'])).toEqual([])
    expect(await read(['a.x', 'c'], {last: 2})).toEqual(['6', '7'])
    expect(await read(['a.*', '*.x'], {last: 3})).toEqual(['2', '5', '6'])
    expect(await texts(await bus.streams.read('A', {lastPerSubject: true}))).toEqual(['2', '3', '5', '6', '7', '8'])
    expect(await texts(await bus.streams.read('A', {lastPerSubject: true, filters: ['b.>', 'c']}))).toEqual([
      '3',
      '5',
      '7',
      '8',
    ])
  })

  it('finds the last N messages among many others and over gaps', async () => {
    await using server = await startStreams()
    await using bus = await open(server.url())
    await bus.streams.add({name: 'A', subjects: ['a.*']})
    await using publisher = bus.streams.publisher()
    for (let i = 1; i <= 30_000; i++) {
      const subject = i % 1000 === 0 ? 'a.rare' : i % 3 === 0 ? 'a.gone' : 'a.often'
      await publisher.push({subject, data: String(i)})
    }
    await publisher.flush()
    await bus.streams.purge('A', {pattern: 'a.gone'})
    const last = async (count: number, ...filters: string[]) =>
      texts(await bus.streams.read('A', {from: {last: count}, filters}))
    expect(await last(5, 'a.rare')).toEqual(['26000', '27000', '28000', '29000', '30000'])
    expect(await last(1000, 'a.rare')).toHaveLength(30)
    expect(await last(4)).toEqual(['29996', '29998', '29999', '30000'])
    const many = await last(15_000)
    expect([many.length, many.at(-1)]).toEqual([15_000, '30000'])
    expect((await last(9000, 'a.often')).length).toBe(9000)
  })

  it('does not change a work queue', async () => {
    await using server = await startStreams()
    await using bus = await open(server.url())
    await ask(bus, 'STREAM.CREATE.W', {name: 'W', subjects: ['w.*'], retention: 'workqueue'})
    await bus.streams.consumers.add('W', {name: 'c'})
    for (const [i, subject] of ['w.x', 'w.y', 'w.x', 'w.z'].entries()) await store(bus, subject, [String(i + 1)])
    expect(await texts(await bus.streams.read('W'))).toEqual(['1', '2', '3', '4'])
    expect(await texts(await bus.streams.read('W', {from: {last: 2}, filters: ['w.x', 'w.y']}))).toEqual(['2', '3'])
    expect(await texts(await bus.streams.read('W', {lastPerSubject: true}))).toEqual(['2', '3', '4'])
    expect(await bus.streams.consumers.info('W', 'c')).toMatchObject({pending: 4})
    expect((await bus.streams.info('W')).state).toMatchObject({messages: 4, consumers: 1})
    await using follower = await bus.streams.read('W', {from: {seq: 4}, follow: true})
    await store(bus, 'w.x', ['5'])
    expect((await follower.take(1))[0]?.text).toBe('4')
    expect((await follower.take(1))[0]?.text).toBe('5')
  })

  it('leaves no consumer behind', async () => {
    await using server = await startStreams()
    await using bus = await open(server.url())
    await bus.streams.add({name: 'A', subjects: ['a']})
    await store(bus, 'a', numbers(1, 100))
    await texts(await bus.streams.read('A'))
    await texts(await bus.streams.read('A', {from: {last: 3}}))
    const left = await bus.streams.read('A', {follow: true})
    expect(await left.take(10)).not.toEqual([])
    await left.close()
    await bus.flush()
    expect(await bus.streams.consumers.list('A')).toEqual([])
  })
})

describe('consumers', () => {
  it('are moved before their start, and to their start', async () => {
    await using server = await startStreams()
    await using bus = await open(server.url())
    const {consumers, ...streams} = bus.streams
    await streams.add({name: 'A', subjects: ['a']})
    await store(bus, 'a', numbers(1, 10))
    for (const deliver of [{seq: 5}, 'new', 'all'] as const) {
      await consumers.add('A', {name: 'c', deliver, description: 'mine'})
      for (const seq of [2, 9]) {
        await consumers.reset('A', 'c', {seq})
        await using member = await consumers.consume('A', 'c', {max: 1})
        expect((await member.take(1))[0]?.text).toBe(String(seq))
      }
      expect((await consumers.info('A', 'c')).config.description).toBe('mine')
      await consumers.remove('A', 'c')
    }
  })

  it('that limit what a pull may request are consumed', async () => {
    await using server = await startStreams()
    await using bus = await open(server.url())
    await bus.streams.add({name: 'A', subjects: ['a']})
    await addConsumer(bus, 'A', {name: 'c', ack_policy: 'explicit', max_batch: 7, max_expires: 1e9, max_bytes: 1000})
    await store(bus, 'a', numbers(1, 300))
    await using member = await bus.streams.consumers.consume('A', 'c')
    const got: string[] = []
    while (got.length < 300) {
      for (const delivery of await member.take(50)) {
        got.push(delivery.text)
        delivery.ack()
      }
    }
    expect(got).toEqual(numbers(1, 300))
  })

  it('without acknowledgements deliver only what is requested', async () => {
    await using server = await startStreams()
    await using watched = await Watched.open(server.url())
    const {streams} = watched.bus
    await streams.add({name: 'A', subjects: ['a']})
    await streams.consumers.add('A', {name: 'c', ack: 'none'})
    await store(watched.bus, 'a', numbers(1, 100))
    const got: string[] = []
    for (let i = 0; i < 4; i++) {
      const member = await streams.consumers.consume('A', 'c', {max: 5})
      while (!member.ended) for (const each of await member.take(50)) got.push(each.text)
      await member.close()
    }
    expect(got).toEqual(numbers(1, 20))
    expect(watched.kinds).toEqual([])
  })

  it('accept several filters if the server does, otherwise the error names the required version', async () => {
    await using server = await startStreams()
    await using bus = await open(server.url())
    await bus.streams.add({name: 'A', subjects: ['a.*']})
    const isThere = (await lacks(2, 10)) === ''
    const adding = bus.streams.consumers.add('A', {name: 'c', filters: ['a.x', 'a.y']})
    if (isThere) expect((await adding).config.filters).toEqual(['a.x', 'a.y'])
    else await expect(adding).rejects.toMatchObject({kind: 'usage', message: expect.stringContaining('2.10')})
  })
})
