import {setTimeout as sleep} from 'node:timers/promises'
import {describe, expect, it} from 'vitest'
import type {Transport} from '../../../../src/lib/transport/contract.ts'
import {Cluster} from '../../../nats-cluster.ts'
import {ask} from './streams.ts'
import {numbers, take, Watched} from './watched.ts'

describe('in a cluster of three with a stream of three replicas', () => {
  it('reading, consuming and publishing continue when leaders step down and a server dies', async () => {
    await using cluster = await Cluster.start()
    const [one, two, three] = cluster.servers
    await using watched = await Watched.open(one.url())
    const {bus} = watched
    const {streams} = bus
    await until(() => streams.add({name: 'A', subjects: ['a'], replicas: 3}))
    await until(() => streams.consumers.add('A', {name: 'c', ackWaitMs: 1000}))
    await using reading = await streams.read('A', {follow: true})
    await using working = await streams.consumers.consume('A', 'c', {prefetch: 50})
    await using publisher = streams.publisher({window: 50, timeoutMs: 20_000})
    const publish = async (from: number, to: number) => {
      for (const data of numbers(from, to)) await publisher.push({subject: 'a', data, headers: [['Nats-Msg-Id', data]]})
      await publisher.flush()
    }
    const seen = new Set<string>()
    const delivered: string[] = []
    const work = async (count: number) => {
      while (seen.size < count) {
        for (const delivery of await working.take(20)) {
          seen.add(delivery.text)
          delivery.ack()
        }
      }
    }
    const all = async (from: number, to: number) => {
      const [read] = await Promise.all([take(reading, to - from + 1), work(to), publish(from, to)])
      // Messages refused because of an election are stored after messages that were in flight with them.
      delivered.push(...read)
      expect(read.sort()).toEqual(numbers(from, to).sort())
    }
    await all(1, 300)
    const stepping = Promise.all([
      all(301, 1000),
      ask(bus, 'STREAM.LEADER.STEPDOWN.A').then(() => until(() => ask(bus, 'CONSUMER.LEADER.STEPDOWN.A.c'))),
    ])
    await stepping
    const leader = await until(() => leaderOf(bus))
    const dying = leader === 'two' ? two : three
    await Promise.all([all(1001, 2000), dying.stop('SIGKILL')])
    expect((await until(() => streams.info('A'))).state).toMatchObject({messages: 2000})
    expect([...seen].sort()).toEqual(numbers(1, 2000).sort())
    await using again = await until(() => streams.read('A'))
    expect(delivered).toEqual(await take(again, 2000))
  }, 60_000)

  it('messages are stored in order through a window of one when leaders step down and a server dies', async () => {
    await using cluster = await Cluster.start()
    const [one, two, three] = cluster.servers
    await using watched = await Watched.open(one.url())
    const {bus} = watched
    const {streams} = bus
    await until(() => streams.add({name: 'A', subjects: ['a'], replicas: 3}))
    await using publisher = streams.publisher({window: 1, timeoutMs: 20_000})
    const publish = async (from: number, to: number) => {
      for (const data of numbers(from, to)) await publisher.push({subject: 'a', data, headers: [['Nats-Msg-Id', data]]})
      await publisher.flush()
    }
    for (const from of [1, 401, 801]) await Promise.all([publish(from, from + 399), stepDown(bus)])
    const dying = (await until(() => leaderOf(bus))) === 'two' ? two : three
    await Promise.all([publish(1201, 1600), dying.stop('SIGKILL')])
    await using reading = await until(() => streams.read('A'))
    expect(await take(reading, 1600)).toEqual(numbers(1, 1600))
  }, 60_000)
})

async function stepDown(bus: Transport): Promise<void> {
  await sleep(50)
  await until(() => ask(bus, 'STREAM.LEADER.STEPDOWN.A'))
}

/** While a cluster elects its leaders, it refuses or does not answer. */
async function until<T>(act: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await act()
    } catch {
      await sleep(100)
    }
  }
}

async function leaderOf(bus: Transport): Promise<string> {
  const {leader} = await bus.streams.info('A')
  if (leader === undefined) throw new Error('no leader')
  return leader
}
