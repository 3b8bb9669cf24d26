import {describe, expect, it} from 'vitest'
import type {BusError} from '../../../../src/lib/core/errors.ts'
import {open} from '../../../../src/lib/transport/open.ts'
import {startStreams, store} from './streams.ts'
import {numbers, take, Watched} from './watched.ts'

describe('when the server of a stream is restarted', () => {
  it('a read in progress continues, without loss or duplicates', async () => {
    await using server = await startStreams()
    await using watched = await Watched.open(server.url())
    const {bus} = watched
    await bus.streams.add({name: 'A', subjects: ['a']})
    await store(bus, 'a', numbers(1, 30_000))
    await using reading = await bus.streams.read('A')
    const early = await take(reading, 1000)
    await server.stop()
    await watched.told('disconnected')
    await server.run()
    await watched.told('reconnected')
    expect([...early, ...(await take(reading, 29_000))]).toEqual(numbers(1, 30_000))
    expect(await reading.take(1)).toEqual([])
  })

  it('a read with follow continues with messages stored later', async () => {
    await using server = await startStreams()
    await using watched = await Watched.open(server.url())
    const {bus} = watched
    await bus.streams.add({name: 'A', subjects: ['a']})
    await store(bus, 'a', numbers(1, 10))
    await using reading = await bus.streams.read('A', {from: {seq: 4}, follow: true})
    expect(await take(reading, 7)).toEqual(numbers(4, 10))
    await server.stop('SIGKILL')
    await watched.told('disconnected')
    await server.run()
    await watched.told('reconnected')
    await store(bus, 'a', numbers(11, 500))
    expect(await take(reading, 490)).toEqual(numbers(11, 500))
  })

  it('a member that asks about its consumer while the signal of the bus aborts does not fail', async () => {
    await using server = await startStreams()
    const stop = new AbortController()
    await using bus = await open(server.url(), {signal: stop.signal})
    await bus.streams.add({name: 'A', subjects: ['a']})
    await bus.streams.consumers.add('A', {name: 'c'})
    await using member = await bus.streams.consumers.consume('A', 'c')
    server.signal('SIGSTOP')
    // It asks after two and a half heartbeats without a sign of the server.
    expect(await member.take(1, 7000)).toEqual([])
    const taken = member.take(1, 500)
    stop.abort()
    expect(await taken).toEqual([])
    server.signal('SIGCONT')
  })

  it('a member continues, and acknowledged messages are not redelivered', async () => {
    await using server = await startStreams()
    await using watched = await Watched.open(server.url())
    const {streams} = watched.bus
    await streams.add({name: 'A', subjects: ['a']})
    await streams.consumers.add('A', {name: 'c', ackWaitMs: 500})
    await store(watched.bus, 'a', numbers(1, 3000))
    await using member = await streams.consumers.consume('A', 'c')
    const seen = new Map<string, number>()
    const work = async (count: number) => {
      while (seen.size < count) {
        for (const delivery of await member.take(Math.min(100, count - seen.size))) {
          seen.set(delivery.text, (seen.get(delivery.text) ?? 0) + 1)
          delivery.ack()
        }
      }
    }
    await work(1000)
    await member.flush()
    await server.stop()
    await watched.told('disconnected')
    await server.run()
    await work(3000)
    await member.flush()
    expect([...seen.keys()].sort()).toEqual(numbers(1, 3000).sort())
    for (const text of numbers(1, 1000)) expect(seen.get(text)).toBe(1)
    expect(await streams.consumers.info('A', 'c')).toMatchObject({pending: 0, ackPending: 0, ackFloor: 3000})
  })

  it('messages in flight with an id are stored once', async () => {
    await using server = await startStreams()
    await using watched = await Watched.open(server.url())
    const {streams} = watched.bus
    await streams.add({name: 'A', subjects: ['a']})
    await using publisher = streams.publisher({window: 200})
    const restart = async () => {
      await server.stop('SIGTERM')
      await server.run()
    }
    let restarting: Promise<void> | undefined
    for (const [i, data] of numbers(1, 5000).entries()) {
      if (i === 2000) restarting = restart()
      await publisher.push({subject: 'a', data, headers: [['Nats-Msg-Id', data]]})
    }
    await publisher.flush()
    await restarting
    expect(publisher.acknowledged).toBe(5000)
    await using reading = await streams.read('A')
    expect(await take(reading, 5000)).toEqual(numbers(1, 5000))
    expect(await reading.take(1)).toEqual([])
  })

  it('messages in flight without an id fail, and the failure says so', async () => {
    await using server = await startStreams()
    await using watched = await Watched.open(server.url())
    const {streams} = watched.bus
    await streams.add({name: 'A', subjects: ['a']})
    await using publisher = streams.publisher()
    server.signal('SIGSTOP')
    // Sent, but not yet processed.
    await new Promise((resolve) => setTimeout(resolve, 100))
    for (const data of numbers(1, 3)) void publisher.push({subject: 'a', data})
    await new Promise((resolve) => setImmediate(resolve))
    await server.stop('SIGKILL')
    const failure = await publisher.flush().catch((error: BusError) => error)
    expect(failure).toMatchObject({kind: 'connect', data: {unconfirmed: 3, index: 0}})
    await server.run()
    await expect(publisher.push({subject: 'a'})).rejects.toBe(failure)
  })

  it('a bus can be closed while the connection is lost, whatever else happens', async () => {
    await using server = await startStreams()
    await using watched = await Watched.open(server.url())
    const {streams} = watched.bus
    await streams.add({name: 'A', subjects: ['a']})
    await streams.consumers.add('A', {name: 'c'})
    await store(watched.bus, 'a', numbers(1, 100))
    const member = await streams.consumers.consume('A', 'c')
    const taking = await member.take(10)
    const reading = await streams.read('A', {follow: true})
    await take(reading, 100)
    const publisher = streams.publisher()
    await server.stop()
    await watched.told('disconnected')
    for (const delivery of taking) delivery.ack()
    void publisher.push({subject: 'a', headers: [['Nats-Msg-Id', '1']]})
    const flushing = publisher.flush().catch((error: BusError) => error.kind)
    const waiting = [reading.take(1), member.take(1000).then(() => member.take(1))]
    await watched.bus.close().catch(() => {})
    expect(await flushing).toBe('connect')
    expect(await Promise.all(waiting)).toEqual([[], []])
    expect(watched.notices.at(-1)?.text).toContain('acknowledgement')
  })
})
