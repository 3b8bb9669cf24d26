import {expect, test} from 'vitest'
import {hostClock} from '../../../src/lib/bench/meter.ts'
import {stampedPayloads, stampReader} from '../../../src/lib/bench/payload.ts'

test('a stamped payload returns its time, whatever its size', () => {
  for (const size of [8, 128]) {
    const payloads = stampedPayloads(3, size, (index) => 1_234_567.25 + index)
    expect(payloads.map((payload) => payload.length)).toEqual([size, size, size])
    expect(payloads.map(stampReader())).toEqual([1_234_567.25, 1_234_568.25, 1_234_569.25])
  }
  expect(stampReader()(new Uint8Array(7))).toBeNaN()
})

test('two host clocks in one process agree', () => {
  const [one, other] = [hostClock(), hostClock()]
  expect(Math.abs(one() - other())).toBeLessThan(1)
})
