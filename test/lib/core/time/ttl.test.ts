import {expect, test} from 'vitest'
import {ttlText} from '../../../../src/lib/core/time/ttl.ts'

test.each([
  [1000, '1s'],
  [1500, '2s'],
  [73_000 * 86_400_000, '6307200000s'],
])('a TTL of %i ms is written in whole seconds that are not shorter', (ms, text) => expect(ttlText(ms)).toBe(text))

test.each([
  [999, 'a TTL of 999ms is too short: it is at least 1s'],
  [0, 'a TTL of 0s is too short: it is at least 1s'],
  [73_000 * 86_400_000 + 1, 'is too long: it is at most 73000d'],
])('a TTL of %i ms is refused', (ms, sentence) => expect(() => ttlText(ms)).toThrow(sentence))
