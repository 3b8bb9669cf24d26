import {expect, test} from 'vitest'
import {benchLines, drawTimeline, sideOf} from '../../../src/commands/bench/report.ts'
import type {ClientResult} from '../../../src/lib/bench/meter.ts'

const result: ClientResult = {
  ...{messages: 10, bytes: 1000, fromMs: 1000, toMs: 1500, dropped: 0, errors: {}},
  slots: [
    [10, 6],
    [14, 4],
  ],
  latencies: [[10_000, 10]],
}

test('a side of a measurement lasts from the first to the last message of its clients', async () => {
  const late = {...result, fromMs: 1400, toMs: 2000, slots: [[15, 10]] as const, errors: {timeout: 1}}
  const {side} = await sideOf('sub', [result, late], 12)
  expect(side).toMatchObject({clients: 2, messages: 20, bytes: 2000, ms: 1000, rate: 20, lost: 4, errors: {timeout: 1}})
  expect(side.timeline).toEqual({stepMs: 100, counts: [6, 0, 0, 0, 4, 10]})
  expect(side.latencyMs).toMatchObject({min: 1, p50: 1, max: 1})
})

test('idle clients of a measurement do not change its duration and rate', async () => {
  const idle: ClientResult = {...result, messages: 0, bytes: 0, fromMs: 0, toMs: 0, slots: [], latencies: []}
  expect((await sideOf('serve', [result, idle])).side).toMatchObject({clients: 2, ms: 500, rate: 20})
  expect((await sideOf('serve', [idle])).side).toMatchObject({ms: 0, rate: 0, timeline: {counts: []}})
})

test('a measurement shows a histogram and a timeline on a terminal only', async () => {
  const measured = [await sideOf('pub', [result])]
  const words = [
    'pub: 10 published · 1000 B · 500 ms · 20/s · 2 KiB/s',
    expect.stringMatching(/^p50 1\.0 ms · .* · max/),
  ]
  expect(benchLines(measured, undefined)).toEqual(words)
  const drawn = benchLines(measured, 60)
  expect(drawn.slice(0, 2)).toEqual(words)
  expect(drawn.at(-1)).toBe('▇   ▅ per 100 ms, ▇ = 60/s')
  expect(drawn.length).toBeGreaterThan(3)
})

test('a timeline fits its terminal and shows every count above zero', () => {
  const [line = ''] = drawTimeline(
    {stepMs: 100, counts: Array.from({length: 500}, (_, i) => (i === 499 ? 1 : 1000))},
    40,
  )
  expect(line.length).toBeLessThanOrEqual(40)
  expect(line).toMatch(/^▇+.? per [\d.]+ m?s, ▇ = [\d,]+\/s$/)
  expect(drawTimeline({stepMs: 100, counts: [1, 1000]}, 40)).toEqual(['▁▇ per 100 ms, ▇ = 10,000/s'])
  expect(drawTimeline({stepMs: 100, counts: [7]}, 40)).toEqual([])
})
