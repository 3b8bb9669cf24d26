import {expect, test} from 'vitest'
import {parseDescription} from '../../../../src/lib/messaging/description/shape.ts'

const parsed = (value: object) => parseDescription([{path: 'bus.yaml', value}])
const times = (maxAgeMs: unknown, ackWaitMs: unknown, backoffMs: unknown, ttlMs: unknown) => ({
  streams: {S: {maxAgeMs, dedupeMs: ackWaitMs}},
  consumers: {S: {c: {ackWaitMs, backoffMs}}},
  kv: {k: {ttlMs, markerTtlMs: ttlMs}},
})

test('the times of a description are milliseconds or durations', () => {
  const durations = parsed(times('14d', '1m30s', ['500ms', '2s'], '1.5h'))
  expect(durations).toEqual(parsed(times(1_209_600_000, 90_000, [500, 2000], 5_400_000)))
})

test.each(['14', 'two days', '-1', '1us', true])('%j is not a time', (maxAgeMs) => {
  expect(() => parsed({streams: {S: {maxAgeMs}}})).toThrow(
    'bus.yaml: streams.S.maxAgeMs: expected milliseconds, or a duration such as 2m or 14d',
  )
})
