import {describe, expect, test} from 'vitest'
import {BusError} from '../../src/lib/core/errors.ts'
import {open} from '../../src/lib/transport/open.ts'
import {start} from '../lib/transport/sqlite/processes.ts'
import {fill, freshBus, moment, rounds, sequences, tally} from './tally.ts'

describe.each(['file', 'server'] as const)('kill -9, on a bus %s', (kind) => {
  test('of a publisher loses nothing that a stream acknowledged', async () => {
    const {url} = await freshBus(kind)
    await fill(url, 0)
    const acknowledged: string[] = []
    for (let round = 0; round < rounds; round++) {
      const publisher = start('store', url, 's.a')
      await publisher.atLeast(1)
      await moment(100)
      publisher.child.kill('SIGKILL')
      await publisher.ended
      acknowledged.push(...publisher.lines)
    }
    await using bus = await open(url)
    const found = tally(`${kind}: publisher killed ${rounds} times`, acknowledged, await sequences(bus, 'S'))
    expect(found).toMatchObject({lost: 0, duplicated: 0})
  })

  test('of a subscriber delivers each message at least once', async () => {
    const {url} = await freshBus(kind)
    const stored = await fill(url, 200 * rounds)
    const delivered: string[] = []
    for (let round = 0; round < rounds; round++) {
      const member = start('consume', url, 'S', 'c', '50', '3000')
      await member.atLeast(1)
      await moment(30)
      member.child.kill('SIGKILL')
      await member.ended
      delivered.push(...member.lines.slice(1))
    }
    const last = start('consume', url, 'S', 'c', '500', '4000')
    expect(await last.ended).toBe(0)
    delivered.push(...last.lines.slice(1))
    const found = tally(`${kind}: durable subscriber killed ${rounds} times`, stored, delivered)
    expect(found.lost).toBe(0)
    // At most the messages in flight at each kill: as many as are prefetched.
    expect(found.duplicated).toBeLessThanOrEqual(rounds * 1000)
  })

  test('of workers loses no message of a work queue, and acknowledged messages are removed', async () => {
    const {url} = await freshBus(kind)
    await using bus = await open(url)
    await bus.streams.add({name: 'W', subjects: ['w.*'], retention: 'workqueue'})
    await bus.streams.consumers.add('W', {name: 'w', ackWaitMs: 1000})
    const stored: string[] = []
    await using publisher = bus.streams.publisher({onStored: (_, {seq}) => void stored.push(String(seq))})
    for (let i = 0; i < 200 * rounds; i++) await publisher.push({subject: 'w.a', data: String(i)})
    await publisher.flush()
    const delivered: string[] = []
    for (let round = 0; round < rounds; round++) {
      const workers = [1, 2].map(() => start('consume', url, 'W', 'w', '50', '3000'))
      await Promise.all(workers.map((worker) => worker.atLeast(1)))
      await moment(30)
      for (const {child} of workers) child.kill('SIGKILL')
      for (const worker of workers) {
        await worker.ended
        delivered.push(...worker.lines.slice(1))
      }
    }
    // Only the messages that no worker acknowledged are left.
    const {messages} = (await bus.streams.info('W')).state
    const last = start('consume', url, 'W', 'w', '500', '4000')
    expect(await last.ended).toBe(0)
    delivered.push(...last.lines.slice(1))
    const found = tally(`${kind}: workers killed ${rounds} times, ${messages} messages left`, stored, delivered)
    expect(found.lost).toBe(0)
    expect(found.duplicated).toBeLessThanOrEqual(rounds * 2000)
    expect((await bus.streams.info('W')).state).toMatchObject({messages: 0, bytes: 0, subjects: 0})
    expect(await bus.streams.consumers.info('W', 'w')).toMatchObject({pending: 0, ackPending: 0})
  })

  test('of a server leaves no request without an answer or an error', async () => {
    const {url} = await freshBus(kind)
    await using bus = await open(url)
    const answered: string[] = []
    const failed = new Map<string, number>()
    for (let round = 0; round < rounds; round++) {
      const server = start('serve', url, 'echo')
      await server.atLeast(1)
      const killed = moment(100).then(() => server.child.kill('SIGKILL'))
      for (let n = 0; !server.child.killed; n++) {
        const data = `${round}.${n}`
        const reply = await bus.request({subject: 'echo', data}, {timeoutMs: 500}).catch((error: unknown) => error)
        if (reply instanceof BusError) failed.set(reply.kind, (failed.get(reply.kind) ?? 0) + 1)
        else if (reply instanceof Error) throw reply
        else answered.push((reply as {text: string}).text)
      }
      await killed
      await server.ended
    }
    const errors = [...failed].map(([what, count]) => `${what} ${count}`).join(', ')
    tally(`${kind}: server killed ${rounds} times (${errors || 'no errors'})`, answered, answered)
    expect(new Set(answered).size).toBe(answered.length)
    expect([...failed.keys()].every((what) => what === 'timeout' || what === 'noResponders')).toBe(true)
  })
})

test('kill -9 of nats-server loses nothing that a stream acknowledged', async () => {
  const {url, server} = await freshBus('server')
  await fill(url, 0)
  const acknowledged: string[] = []
  for (let round = 0; round < Math.ceil(rounds / 2); round++) {
    const publisher = start('store', url, 's.a')
    await publisher.atLeast(1)
    await moment(100)
    await server?.stop('SIGKILL')
    publisher.child.kill('SIGKILL')
    await publisher.ended
    acknowledged.push(...publisher.lines)
    await server?.run()
  }
  await using bus = await open(url)
  expect(tally('server: nats-server killed', acknowledged, await sequences(bus, 'S'))).toMatchObject({lost: 0})
})
