import {describe, expect, it, vi} from 'vitest'
import {Deliveries} from '../../../src/lib/transport/deliveries.ts'
import {
  type ConsumerConfig,
  type ConsumerInfo,
  type Consuming,
  Delivery,
} from '../../../src/lib/transport/streams-contract.ts'

/** A consumer that records its calls, each with the number of the delivery. */
class Told implements Pick<Consuming, 'ack' | 'nak' | 'term' | 'working' | 'joined' | 'gaps'> {
  readonly words: string[] = []
  gaps = 0
  readonly joined: Consuming['joined']

  constructor(joined: Consuming['joined'] = {deliveredSeq: 0, ackPending: 0}) {
    this.joined = joined
  }

  ack({seq, deliveries}: Delivery): void {
    this.words.push(`ack ${seq}/${deliveries}`)
  }
  nak({seq, deliveries}: Delivery): void {
    this.words.push(`nak ${seq}/${deliveries}`)
  }
  term({seq, deliveries}: Delivery): void {
    this.words.push(`term ${seq}/${deliveries}`)
  }
  working({seq, deliveries}: Delivery): void {
    this.words.push(`working ${seq}/${deliveries}`)
  }

  give(seq: number, deliveries: number): Delivery {
    const place = {stream: 'S', consumer: 'c', seq, time: 0, deliveries, pending: 0}
    return new Delivery(this as unknown as Consuming, place, {subject: 's', payload: ''})
  }
}

function consumer(config: Partial<ConsumerConfig> = {}, state: Partial<ConsumerInfo> = {}): ConsumerInfo {
  return {
    stream: 'S',
    config: {
      name: 'c',
      filters: [],
      deliver: 'all',
      ack: 'explicit',
      ackWaitMs: 30_000,
      maxAckPending: 1000,
      backoffMs: [],
      durable: true,
      ...config,
    },
    created: 0,
    deliveredSeq: 0,
    ackFloor: 0,
    pending: 0,
    ackPending: 0,
    redelivered: 0,
    ...state,
  }
}

describe('a message taken from a consumer', () => {
  it('is handled once: the newest copy of a message in progress is acknowledged', () => {
    const [told, deliveries] = [new Told(), new Deliveries(consumer())]
    const first = told.give(1, 1)
    expect(deliveries.add([first])).toEqual([first])
    expect(deliveries.add([told.give(1, 2)])).toEqual([])
    deliveries.settle(first, 'ack')
    expect(told.words).toEqual(['ack 1/2'])
    expect(deliveries.size).toBe(0)
  })

  it('has its ack wait extended until the end', async () => {
    const [told, deliveries] = [new Told(), new Deliveries(consumer({ackWaitMs: 60}))]
    deliveries.add([told.give(1, 1), told.give(1, 2)])
    const alive = deliveries.keepAlive()
    await vi.waitUntil(() => told.words.length >= 2)
    alive.cancel()
    expect(new Set(told.words)).toEqual(new Set(['working 1/2']))
  })

  it('is settled again, in the same way, if a copy arrives later', () => {
    const [told, deliveries] = [new Told(), new Deliveries(consumer())]
    const both = [told.give(1, 1), told.give(2, 1)]
    const [first, second] = both as [Delivery, Delivery]
    deliveries.add(both)
    deliveries.settle(first, 'ack')
    deliveries.settle(second, 'term', 'broken')
    expect(deliveries.add([told.give(1, 2), told.give(2, 2)])).toEqual([])
    expect(told.words).toEqual(['ack 1/1', 'term 2/1', 'ack 1/2', 'term 2/2'])
  })

  it('is new after the consumer was reset, even after it was returned or its ack wait ended', () => {
    const [told, deliveries] = [new Told(), new Deliveries(consumer())]
    for (const end of ['given back', 'ack wait']) {
      const before = told.give(1, 1)
      deliveries.add([before])
      deliveries.settle(before, 'ack')
      const again = told.give(1, 1)
      expect(deliveries.add([again]), end).toEqual([again])
      told.words.length = 0
      if (end === 'ack wait') expect(deliveries.add([told.give(1, 2)])).toEqual([])
      deliveries.giveBack(again)
      const next = told.give(1, 3)
      expect(deliveries.add([next]), end).toEqual([next])
      expect(told.words, end).toEqual([end === 'ack wait' ? 'nak 1/2' : 'nak 1/1'])
      deliveries.giveAllBack()
    }
  })

  it('is remembered for many messages, at little cost for each', () => {
    const [told, deliveries] = [new Told(), new Deliveries(consumer())]
    for (let seq = 1; seq <= 200_000; seq++) {
      const delivery = told.give(seq, 1)
      deliveries.add([delivery])
      deliveries.settle(delivery, 'ack')
    }
    expect(deliveries.add([told.give(200_000 - 65_000, 2)])).toEqual([])
    const forgotten = told.give(1, 2)
    expect(deliveries.add([forgotten])).toEqual([forgotten])
  })
})

describe('a settled message, with ack policy all,', () => {
  const all = consumer({ack: 'all'}, {deliveredSeq: 3, ackPending: 2})

  function pair(joined?: Consuming['joined']): [Told, Deliveries] {
    return [new Told(joined), new Deliveries(all)]
  }

  function given(told: Told, deliveries: Deliveries, ...seqs: number[]): Delivery[] {
    const taken = seqs.map((seq) => told.give(seq, 1))
    deliveries.add(taken)
    return taken
  }

  it('is acknowledged with all earlier ones once these are settled', () => {
    const [told, deliveries] = pair()
    const [first, second, third] = given(told, deliveries, 1, 2, 3) as [Delivery, Delivery, Delivery]
    deliveries.settle(third, 'ack')
    deliveries.settle(second, 'term')
    expect([told.words, deliveries.held, deliveries.size]).toEqual([[], 2, 3])
    deliveries.settle(first, 'ack')
    expect([told.words, deliveries.held, deliveries.size]).toEqual([['ack 3/1'], 0, 0])
  })

  it('waits for messages in flight to others at the start', () => {
    const [told, deliveries] = pair({deliveredSeq: 3, ackPending: 2})
    deliveries.settleAll(given(told, deliveries, 4, 5))
    deliveries.settleAll(given(told, deliveries, 2))
    expect(told.words).toEqual([])
    deliveries.settleAll(given(told, deliveries, 3))
    expect(told.words).toEqual(['ack 5/1'])
  })

  it('waits for messages delivered to others since', async () => {
    const [told, deliveries] = pair()
    const [first, third] = given(told, deliveries, 1, 3) as [Delivery, Delivery]
    told.gaps++
    const [fifth] = given(told, deliveries, 5) as [Delivery]
    deliveries.settleAll([first, third, fifth])
    const state = (ackPending: number) => ({info: async () => ({...all, ackPending})})
    expect((await deliveries.ask(state(4))).others).toBe(1)
    expect(told.words).toEqual([])
    expect((await deliveries.ask(state(3))).others).toBe(0)
    expect(told.words).toEqual(['ack 5/1'])
  })

  it('waits for a returned message until it was settled here or by others', async () => {
    const [told, deliveries] = pair()
    const [first, second] = given(told, deliveries, 1, 2) as [Delivery, Delivery]
    deliveries.giveBack(first)
    deliveries.settle(second, 'ack')
    const [again] = [told.give(1, 2)]
    deliveries.add([again])
    expect(told.words).toEqual(['nak 1/1'])
    deliveries.settle(again, 'ack')
    expect(told.words).toEqual(['nak 1/1', 'ack 2/1'])
    const [third, fourth] = given(told, deliveries, 3, 4) as [Delivery, Delivery]
    deliveries.giveBack(third)
    deliveries.settle(fourth, 'ack')
    await deliveries.ask({info: async () => ({...all, ackPending: 2})})
    expect(deliveries.held).toBe(1)
    await deliveries.ask({info: async () => ({...all, ackPending: 1})})
    expect(told.words.at(-1)).toBe('ack 4/1')
  })

  it('stays settled when a copy of it arrives while it is held', () => {
    const [told, deliveries] = pair()
    const [first, second] = given(told, deliveries, 1, 2) as [Delivery, Delivery]
    deliveries.settle(second, 'ack')
    expect(deliveries.add([told.give(2, 2)])).toEqual([])
    deliveries.settle(first, 'ack')
    expect(told.words).toEqual(['ack 2/2'])
  })
})
