import {expect, test} from 'vitest'
import {openReading} from '../../../../src/lib/messaging/stored/range-reader.ts'
import {filled} from './filled.ts'

test('stored messages come first, then new ones', async () => {
  const {bus} = await filled(2)
  await using _ = bus
  const {stream, isLive, subscription} = await openReading(bus.streams, ['s.a', 's.*'], {from: 'first'})
  expect([stream, isLive]).toEqual(['S', true])
  await using reading = subscription
  await bus.streams.publish({subject: 's.c', data: '3'})
  const seen: string[] = []
  while (seen.length < 3) for (const {text} of await reading.take(10)) seen.push(text)
  expect(seen).toEqual(['1', '2', '3'])
})

test('a range with an end has nothing after it', async () => {
  const {bus, seqs} = await filled(4)
  await using _ = bus
  const texts = async (wishes: Parameters<typeof openReading>[2]) => {
    const {isLive, subscription} = await openReading(bus.streams, ['s.>'], wishes)
    expect(isLive).toBe(false)
    const seen: string[] = []
    for await (const {text} of subscription) seen.push(text)
    return seen
  }
  expect(await texts({from: {last: 3}, to: 'end'})).toEqual(['2', '3', '4'])
  expect(await texts({from: {seq: seqs[1] ?? 0}, to: {seq: seqs[2] ?? 0}})).toEqual(['2', '3'])
  expect(await texts({from: 'end', to: 'end'})).toEqual([])
})
