import {expect, test} from 'vitest'
import {deliverAt, firstFrom, resetAt, startAt} from '../../../../src/lib/messaging/stored/places.ts'
import {filled} from './filled.ts'

test('a read starts at its position, where the end is the current end', async () => {
  const {bus, seqs} = await filled(3)
  await using _ = bus
  expect(await startAt(bus.streams, 'S', 'first')).toBeUndefined()
  expect(await startAt(bus.streams, 'S', {last: 2})).toEqual({last: 2})
  expect(await startAt(bus.streams, 'S', 'end')).toEqual({seq: (seqs[2] ?? 0) + 1})
})

test('a consumer is moved to the first message, the end, or a position', () => {
  expect(resetAt('first')).toEqual({seq: 1})
  expect(resetAt('end')).toBeUndefined()
  expect(resetAt({timeMs: 5})).toEqual({timeMs: 5})
})

test('a new consumer starts at the last N messages that pass its filters', async () => {
  const {bus, seqs} = await filled(6)
  await using _ = bus
  expect(await deliverAt(bus.streams, 'S', 'new', undefined)).toBe('new')
  expect(await deliverAt(bus.streams, 'S', {seq: 9}, undefined)).toEqual({seq: 9})
  expect(await deliverAt(bus.streams, 'S', {last: 2}, undefined)).toEqual({seq: seqs[4]})
  expect(await deliverAt(bus.streams, 'S', {last: 2}, ['s.a'])).toEqual({seq: seqs[2]})
  expect(await deliverAt(bus.streams, 'S', {last: 2}, ['s.x'])).toBe('all')
})

test('a position is resolved to its first message, if there is one', async () => {
  const {bus, seqs} = await filled(3)
  await using _ = bus
  expect(await firstFrom(bus.streams, 'S', {seq: 1}, ['s.b'])).toBe(seqs[1])
  expect(await firstFrom(bus.streams, 'S', {seq: 999}, undefined)).toBeUndefined()
})
