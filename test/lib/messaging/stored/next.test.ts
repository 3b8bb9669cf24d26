import {describe, expect, test} from 'vitest'
import type {Message} from '../../../../src/lib/core/message.ts'
import {peekNext, takeNext} from '../../../../src/lib/messaging/stored/next.ts'
import {deliverAt} from '../../../../src/lib/messaging/stored/places.ts'
import type {DeliverPolicy} from '../../../../src/lib/transport/streams-contract.ts'
import {filled} from './filled.ts'

/** Shows to a list; `readers` is the number of batches that reach a reader. */
function screen(readers = Number.POSITIVE_INFINITY) {
  const seen: string[] = []
  let batches = 0
  const show = async (batch: readonly Message[]) => {
    seen.push(...batch.map(({text}) => text))
    return ++batches <= readers
  }
  return {seen, show}
}

const wanted = {count: 3, timeoutMs: 300, settle: 'ack'} as const

describe('the next messages', () => {
  test('are shown and then acknowledged, no more than requested', async () => {
    const {bus, seqs} = await filled(5)
    await using _ = bus
    await bus.streams.consumers.add('S', {name: 'c'})
    const {seen, show} = screen()
    expect(await takeNext(bus.streams, 'S', 'c', {...wanted, show})).toEqual({
      taken: 3,
      redelivered: 0,
      pending: 2,
      isAcknowledged: true,
    })
    expect(seen).toEqual(['1', '2', '3'])
    expect(await bus.streams.consumers.info('S', 'c')).toMatchObject({ackFloor: seqs[2], pending: 2, ackPending: 0})
  })

  test('are those that arrive in time', async () => {
    const {bus} = await filled(2)
    await using _ = bus
    await bus.streams.consumers.add('S', {name: 'c'})
    const {show} = screen()
    expect(await takeNext(bus.streams, 'S', 'c', {...wanted, show})).toMatchObject({taken: 2, pending: 0})
    expect(await takeNext(bus.streams, 'S', 'c', {...wanted, show})).toEqual({
      taken: 0,
      redelivered: 0,
      pending: undefined,
      isAcknowledged: true,
    })
  })

  test('are returned if they did not reach their reader, or if showing them fails', async () => {
    const {bus} = await filled(3)
    await using _ = bus
    await bus.streams.consumers.add('S', {name: 'c'})
    expect(await takeNext(bus.streams, 'S', 'c', {...wanted, show: screen(0).show})).toMatchObject({taken: 0})
    const failing = takeNext(bus.streams, 'S', 'c', {...wanted, show: () => Promise.reject(new Error('disk full'))})
    await expect(failing).rejects.toThrow('disk full')
    const {seen, show} = screen()
    expect(await takeNext(bus.streams, 'S', 'c', {...wanted, show})).toMatchObject({taken: 3, redelivered: 3})
    expect(seen).toEqual(['1', '2', '3'])
  })

  test('are returned for later, or given up', async () => {
    const {bus} = await filled(2)
    await using _ = bus
    await bus.streams.consumers.add('S', {name: 'c'})
    const one = {...wanted, count: 1, show: screen().show}
    await takeNext(bus.streams, 'S', 'c', {...one, settle: 'nak', delayMs: () => 60_000})
    await takeNext(bus.streams, 'S', 'c', {...one, settle: 'term'})
    expect(await takeNext(bus.streams, 'S', 'c', one)).toMatchObject({taken: 0})
    expect(await bus.streams.consumers.info('S', 'c')).toMatchObject({pending: 0, ackPending: 1})
  })

  test('end with their signal', async () => {
    const {bus} = await filled(0)
    await using _ = bus
    await bus.streams.consumers.add('S', {name: 'c'})
    const options = {...wanted, timeoutMs: 60_000, show: screen().show, signal: AbortSignal.timeout(50)}
    expect(await takeNext(bus.streams, 'S', 'c', options)).toMatchObject({taken: 0})
  })

  test('can be read without changing the consumer', async () => {
    const {bus} = await filled(4)
    await using _ = bus
    await bus.streams.consumers.add('S', {name: 'c', filters: ['s.a']})
    await takeNext(bus.streams, 'S', 'c', {...wanted, count: 1, show: screen().show})
    const before = await bus.streams.consumers.info('S', 'c')
    const {seen, show} = screen()
    expect(await peekNext(bus.streams, 'S', 'c', {count: 9, show})).toMatchObject({taken: 1})
    expect(seen).toEqual(['3'])
    expect(await bus.streams.consumers.info('S', 'c')).toEqual(before)
  })

  test.each<[DeliverPolicy, string[]]>([
    ['all', ['1', '2', '3', '4', '5']],
    ['new', ['5']],
    ['last', ['4', '5']],
    [{last: 3}, ['2', '3', '4', '5']],
  ])('can be read before and while the first is taken: %j', async (wish, texts) => {
    const {bus} = await filled(4)
    await using _ = bus
    const deliver = await deliverAt(bus.streams, 'S', wish, undefined)
    await bus.streams.consumers.add('S', {name: 'c', deliver})
    await bus.streams.publish({subject: 's.a', data: '5'})
    const peeked = async () => {
      const {seen, show} = screen()
      await peekNext(bus.streams, 'S', 'c', {count: 99, show})
      return seen
    }
    expect(await peeked()).toEqual(texts)
    await using taking = await bus.streams.consumers.consume('S', 'c', {max: 1})
    await taking.take(1)
    expect(await peeked()).toEqual(texts)
  })

  test('of a consumer of the last message per subject are the current ones', async () => {
    const {bus} = await filled(4)
    await using _ = bus
    await bus.streams.consumers.add('S', {name: 'c', deliver: 'lastPerSubject'})
    const {seen, show} = screen()
    await peekNext(bus.streams, 'S', 'c', {count: 99, show})
    expect(seen).toEqual(['3', '4'])
  })
})
