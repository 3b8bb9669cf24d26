import {describe, expect, it, vi} from 'vitest'
import {Deliveries} from '../../../src/lib/transport/deliveries.ts'
import {type Consuming, Delivery} from '../../../src/lib/transport/streams-contract.ts'

/** A consumer that remembers what it was told, each with the number of the delivery. */
class Told implements Pick<Consuming, 'ack' | 'nak' | 'term' | 'working'> {
  readonly words: string[] = []
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

const config = {backoffMs: []}

describe('a message taken from a consumer', () => {
  it('is handled once: the newest copy of a message in progress is acknowledged', () => {
    const [told, deliveries] = [new Told(), new Deliveries()]
    const first = told.give(1, 1)
    expect(deliveries.add([first])).toEqual([first])
    expect(deliveries.add([told.give(1, 2)])).toEqual([])
    deliveries.settle(first, 'ack')
    expect(told.words).toEqual(['ack 1/2'])
    expect(deliveries.size).toBe(0)
  })

  it('has its ack wait extended until the end', async () => {
    const [told, deliveries] = [new Told(), new Deliveries()]
    deliveries.add([told.give(1, 1), told.give(1, 2)])
    const alive = deliveries.keepAlive({...config, ackWaitMs: 60})
    await vi.waitUntil(() => told.words.length >= 2)
    alive.cancel()
    expect(new Set(told.words)).toEqual(new Set(['working 1/2']))
  })

  it('is settled again, in the same way, if a copy arrives later', () => {
    const [told, deliveries] = [new Told(), new Deliveries()]
    const both = [told.give(1, 1), told.give(2, 1)]
    const [first, second] = both as [Delivery, Delivery]
    deliveries.add(both)
    deliveries.settle(first, 'ack')
    deliveries.settle(second, 'term', 'broken')
    expect(deliveries.add([told.give(1, 2), told.give(2, 2)])).toEqual([])
    expect(told.words).toEqual(['ack 1/1', 'term 2/1', 'ack 1/2', 'term 2/2'])
  })

  it('is new after the consumer was reset, also after it was returned or its ack wait ended', () => {
    const [told, deliveries] = [new Told(), new Deliveries()]
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
    const [told, deliveries] = [new Told(), new Deliveries()]
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
