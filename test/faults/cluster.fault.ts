import {expect, test} from 'vitest'
import {BusError} from '../../src/lib/core/errors.ts'
import type {Transport} from '../../src/lib/transport/contract.ts'
import {open} from '../../src/lib/transport/open.ts'
import {storeHeaders} from '../../src/lib/transport/streams-contract.ts'
import {FaultyProxy} from '../faulty-proxy.ts'
import {Cluster} from '../nats-cluster.ts'
import {moment, rounds, tally, until} from './tally.ts'

test('a cluster that loses its leader again and again loses no acknowledged message, and duplicates none', async () => {
  await using cluster = await Cluster.start()
  const urls = cluster.servers.map((server) => server.url()).join(',')
  await using bus = await open(urls, {heartbeatMs: 1000})
  await makeStream(bus)
  const work = await startWork(bus)
  const kills = Math.max(1, Math.floor(rounds / 10))
  for (let kill = 0; kill < kills; kill++) {
    const before = work.acknowledged.length
    await work.until(() => work.acknowledged.length > before + 100)
    await moment(200)
    const leader = cluster.named(await leaderOf(bus))
    await leader.stop('SIGKILL')
    // Two servers of three elect a leader, unless one of them has not caught up: then it needs the third.
    const then = work.acknowledged.length
    const killedAt = performance.now()
    await work.until(() => work.acknowledged.length > then + 50 || performance.now() - killedAt > electionMs)
    await leader.run()
  }
  await work.end(`cluster: the leader killed ${kills} times`)
})

test('a cluster behind a network that delays, drops and resets loses no acknowledged message, and duplicates none', async () => {
  await using cluster = await Cluster.start({advertise: false})
  await using proxy = await FaultyProxy.before(cluster.servers[0])
  await using bus = await open(proxy.url, {heartbeatMs: 500})
  await makeStream(bus)
  const work = await startWork(bus)
  for (let round = 0; round < rounds; round++) {
    proxy.slow(round % 3 === 0 ? 100 : 0)
    await moment(300)
    if (round % 5 === 4) proxy.stall()
    await moment(100)
    proxy.cut()
  }
  proxy.slow(0)
  await work.end(`cluster: ${rounds} delays, silences and cuts`)
})

/** The longest wait for an election while a killed server is down. */
const electionMs = 20_000

async function makeStream(bus: Transport): Promise<void> {
  await until(() => succeeds(bus.streams.add({name: 'A', subjects: ['a'], replicas: 3})))
  await until(() => succeeds(bus.streams.consumers.add('A', {name: 'c', ackWaitMs: 2000})))
}

/** Publishes numbers, each until it is acknowledged, and consumes them with a durable consumer. */
async function startWork(bus: Transport) {
  const member = await bus.streams.consumers.consume('A', 'c', {prefetch: 50})
  const acknowledged: string[] = []
  const taken: string[] = []
  let [isOver, isPublished] = [false, false]
  const publishing = (async () => {
    for (let n = 0; !isOver; n++) {
      const message = {subject: 'a', data: String(n), headers: [[storeHeaders.msgId, String(n)]] as const}
      await until(() => succeeds(bus.streams.publish(message, {timeoutMs: 1000})))
      acknowledged.push(String(n))
    }
    isPublished = true
  })()
  const consuming = (async () => {
    await using _member = member
    while (!isPublished || new Set(taken).size < acknowledged.length) {
      for (const delivery of await member.take(20, 500)) {
        taken.push(delivery.text)
        delivery.ack()
      }
    }
  })()
  const failed = Promise.withResolvers<never>()
  publishing.catch(failed.reject)
  consuming.catch(failed.reject)
  return {
    acknowledged,
    /** Waits; fails as the work does. */
    until: (isSo: () => boolean): Promise<void> => Promise.race([until(isSo), failed.promise]),
    async end(name: string): Promise<void> {
      isOver = true
      await publishing
      await consuming
      const stored: string[] = []
      await using reading = await bus.streams.read('A')
      for await (const {text} of reading) stored.push(text)
      expect(tally(`${name}, stored`, acknowledged, stored)).toMatchObject({lost: 0, duplicated: 0})
      expect(tally(`${name}, consumed`, acknowledged, taken).lost).toBe(0)
    },
  }
}

/** While a cluster elects its leaders, it refuses or does not answer. */
async function succeeds(asked: Promise<unknown>): Promise<boolean> {
  try {
    await asked
    return true
  } catch (error) {
    if (error instanceof BusError) return false
    throw error
  }
}

async function leaderOf(bus: Transport): Promise<string> {
  for (;;) {
    const {leader} = await bus.streams.info('A').catch(() => ({leader: undefined}))
    if (leader !== undefined) return leader
    await moment(100)
  }
}
