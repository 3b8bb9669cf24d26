import {expect, test} from 'vitest'
import {durationMs, durationText} from '../../../../src/lib/core/time/duration.ts'

test.each([
  [0, '0s'],
  [0.25, '250us'],
  [1500, '1s500ms'],
  [120_000, '2m'],
  [5_400_000, '1h30m'],
  [604_800_000, '7d'],
  [90_061_001, '1d1h1m1s1ms'],
])('%d ms is written %s, and parsed as the same number', (ms, text) => {
  expect(durationText(ms)).toBe(text)
  expect(durationMs(text)).toBe(ms)
})
