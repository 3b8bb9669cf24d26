import {describe, expect, test} from 'vitest'
import {Flights} from '../../../../src/lib/protocols/event-delivery/in-flight.ts'

function sent(capacity: number, offset: number, ...sequences: number[]): Flights {
  const flights = new Flights(capacity, offset)
  for (const sequence of sequences) flights.sent(String(sequence), sequence)
  return flights
}

describe('deliveries in flight', () => {
  test('advance the offset without gaps only: acknowledged 4, 1, 3 of 1 3 4', () => {
    const flights = sent(50, 0, 1, 3, 4)
    const offsets = ['4', '1', '3'].map((id) => flights.acknowledge(id) && flights.offset)
    expect(offsets).toEqual([0, 1, 4])
  })

  test('without read-ahead are sent one by one', () => {
    const flights = sent(1, 0, 1)
    expect(flights.hasRoom).toBe(false)
    flights.acknowledge('1')
    expect([flights.hasRoom, flights.offset]).toEqual([true, 1])
  })

  test('let events excluded by the filter advance the offset too', () => {
    const flights = new Flights(2, 0)
    flights.leftOut(1)
    expect(flights.offset).toBe(1)
    flights.sent('2', 2)
    flights.leftOut(3)
    flights.leftOut(4)
    expect(flights.offset).toBe(1)
    flights.acknowledge('2')
    expect(flights.offset).toBe(4)
  })

  test('keep excluded events after an unacknowledged one waiting with it', () => {
    const flights = sent(5, 0, 1, 2)
    flights.leftOut(3)
    flights.acknowledge('2')
    expect(flights.offset).toBe(0)
    flights.acknowledge('1')
    expect(flights.offset).toBe(3)
  })

  test('are cleared by a rejection, which leaves the offset unchanged', () => {
    const flights = sent(50, 100_000, 100_001, 100_050)
    expect(flights.reject('100050')).toBe(100_050)
    expect([flights.offset, flights.inFlight, flights.acknowledge('100001')]).toEqual([100_000, 0, false])
  })

  test('are not changed by an answer for something else', () => {
    const flights = sent(50, 0, 1)
    expect([flights.acknowledge('9'), flights.reject('9'), flights.inFlight]).toEqual([false, undefined, 1])
  })

  test('of a batch are one, and advance the offset to its end', () => {
    const flights = new Flights(1, 0)
    flights.sent('batch', 1, 50)
    expect([flights.hasRoom, flights.oldest]).toEqual([false, 'batch'])
    flights.acknowledge('batch')
    expect(flights.offset).toBe(50)
  })

  test('stay in order over many thousands', () => {
    const flights = new Flights(3, 0)
    for (let n = 1; n <= 10_000; n++) {
      flights.sent(String(n), n)
      if (!flights.hasRoom) flights.acknowledge(flights.oldest ?? '')
    }
    expect([flights.offset, flights.inFlight]).toEqual([9998, 2])
  })

  test('bound the acknowledged deliveries after an unacknowledged one', () => {
    const flights = sent(2, 0, 1)
    let n = 1
    for (; flights.hasRoom && n < 1_000_000; n++) {
      flights.sent(String(n + 1), n + 1)
      flights.acknowledge(String(n + 1))
    }
    expect(n).toBe(65_536)
    flights.acknowledge('1')
    expect([flights.hasRoom, flights.offset]).toEqual([true, n])
  })
})
