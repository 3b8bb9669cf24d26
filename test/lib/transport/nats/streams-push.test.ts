import {describe, expect, it} from 'vitest'
import {open} from '../../../../src/lib/transport/open.ts'
import type {Consuming, Delivery} from '../../../../src/lib/transport/streams-contract.ts'
import {addConsumer, startStreams, store} from './streams.ts'
import {numbers} from './watched.ts'

const push = {ack_policy: 'explicit', deliver_subject: 'to.c'}

describe('a push consumer of another client', () => {
  it('is consumed, each message acknowledged, with its flow control and heartbeats answered', async () => {
    await using server = await startStreams()
    await using bus = await open(server.url())
    await bus.streams.add({name: 'A', subjects: ['a']})
    await addConsumer(bus, 'A', {
      name: 'c',
      ...push,
      flow_control: true,
      idle_heartbeat: 100e6,
      max_ack_pending: 20_000,
    })
    await store(bus, 'a', numbers(1, 10_000))
    await using member = await bus.streams.consumers.consume('A', 'c')
    const got = await takeAll(member, 10_000)
    for (const delivery of got) delivery.ack()
    expect(got.map(({text}) => text)).toEqual(numbers(1, 10_000))
    expect(got[9999]).toMatchObject({stream: 'A', consumer: 'c', seq: 10_000, deliveries: 1, pending: 0})
    expect(await member.take(1, 300)).toEqual([])
    await member.flush()
    const info = await bus.streams.consumers.info('A', 'c')
    expect(info).toMatchObject({ackPending: 0, ackFloor: 10_000, bound: true, config: {push: {subject: 'to.c'}}})
  })

  it('gets back messages that were not taken', async () => {
    await using server = await startStreams()
    await using bus = await open(server.url())
    await bus.streams.add({name: 'A', subjects: ['a']})
    await addConsumer(bus, 'A', {name: 'c', ...push})
    await store(bus, 'a', numbers(1, 10))
    for (const [first, deliveries] of [
      ['1', 1],
      ['4', 2],
    ] as const) {
      await using member = await bus.streams.consumers.consume('A', 'c', {max: 3})
      const got = await takeAll(member, 3)
      expect(got[0]).toMatchObject({text: first, deliveries})
      for (const delivery of got) delivery.ack()
      expect(member.ended).toBe(true)
    }
  })

  it('that is bound to another client is denied, and available again afterwards', async () => {
    await using server = await startStreams()
    await using bus = await open(server.url())
    await using other = await open(server.url())
    await bus.streams.add({name: 'A', subjects: ['a']})
    await addConsumer(bus, 'A', {name: 'c', ...push})
    const elsewhere = await other.subscribe('to.c')
    await expect(bus.streams.consumers.consume('A', 'c')).rejects.toMatchObject({kind: 'denied'})
    await elsewhere.close()
    await other.flush()
    await store(bus, 'a', ['x'])
    const member = await untilBound(() => bus.streams.consumers.consume('A', 'c'))
    expect((await takeAll(member, 1))[0]?.text).toBe('x')
  })

  it('with a queue group is shared', async () => {
    await using server = await startStreams()
    await using bus = await open(server.url())
    await bus.streams.add({name: 'A', subjects: ['a']})
    await addConsumer(bus, 'A', {name: 'c', ...push, deliver_group: 'g'})
    const members = [await bus.streams.consumers.consume('A', 'c'), await bus.streams.consumers.consume('A', 'c')]
    await store(bus, 'a', numbers(1, 200))
    const got: string[] = []
    const work = async (member: Consuming) => {
      while (got.length < 200) {
        for (const delivery of await member.take(10, 50)) {
          got.push(delivery.text)
          delivery.ack()
        }
      }
    }
    await Promise.all(members.map(work))
    expect(got.sort()).toEqual(numbers(1, 200).sort())
    expect((await bus.streams.consumers.info('A', 'c')).config.push).toEqual({subject: 'to.c', queue: 'g'})
    await Promise.all(members.map((member) => member.close()))
  })
})

async function takeAll(member: Consuming, count: number): Promise<Delivery[]> {
  const all: Delivery[] = []
  while (all.length < count) all.push(...(await member.take(count - all.length)))
  return all
}

/** The server learns of the end of an interest a moment later. */
async function untilBound(consume: () => Promise<Consuming>): Promise<Consuming> {
  for (;;) {
    const member = await consume().catch(() => undefined)
    if (member !== undefined) return member
  }
}
