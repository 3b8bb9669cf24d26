import {describe, expect, test} from 'vitest'
import {latencyLine, makeLatencies} from '../../../../src/lib/cli/render/histogram.ts'

async function recorded(values: Iterable<number>) {
  const latencies = await makeLatencies()
  for (const ms of values) latencies.record(ms)
  return latencies
}
const upTo = (n: number) => Array.from({length: n}, (_, i) => i + 1)

describe('percentiles', () => {
  test('are those of the values, accurate to three digits', async () => {
    const summary = (await recorded(upTo(10_000))).summary()
    expect(summary).toMatchObject({min: 1})
    for (const [name, value] of Object.entries({
      p50: 5000,
      p90: 9000,
      p99: 9900,
      p999: 9990,
      max: 10_000,
      mean: 5000.5,
    })) {
      expect(Math.abs((summary?.[name as 'p50'] ?? 0) / value - 1), name).toBeLessThan(0.001)
    }
  })

  test('distinguish microseconds', async () => {
    const summary = (await recorded([0.0031, 0.0042, 0.0042])).summary()
    expect(summary).toMatchObject({min: 0.0031, p50: 0.0042, max: 0.0042})
  })

  test('never exceed the maximum', async () => {
    const summary = (await recorded([23.5961])).summary()
    expect(summary).toMatchObject({p50: 23.5961, p99: 23.5961, max: 23.5961})
  })

  test('of several recordings can be combined', async () => {
    const [one, other] = [await recorded(upTo(500)), await recorded(upTo(1000).slice(500))]
    one.add(other.counts())
    expect(one.summary()).toEqual((await recorded(upTo(1000))).summary())
  })

  test('of no values are absent', async () => {
    const latencies = await recorded([])
    expect(latencies.summary()).toBeUndefined()
    expect(latencies.draw(80)).toEqual([])
  })

  test('cover zero as well as an hour', async () => {
    const summary = (await recorded([0, 3_600_000])).summary()
    expect(summary?.max).toBeGreaterThan(3_590_000)
  })

  test('are left out if there are too few values for them', async () => {
    expect(Object.keys((await recorded(upTo(999))).summary() ?? {})).toEqual([
      'min',
      'mean',
      'p50',
      'p90',
      'p99',
      'max',
    ])
    expect((await recorded(upTo(1000))).summary()).not.toHaveProperty('p9999')
    expect((await recorded(upTo(10_000))).summary()).toHaveProperty('p9999')
  })

  test('fit on one line', () => {
    expect(latencyLine({min: 0.1, mean: 1, p50: 0.21, p90: 0.5, p99: 1.25, p999: 12.4, p9999: 80, max: 1203})).toBe(
      'p50 210 µs · p90 500 µs · p99 1.3 ms · p99.9 12 ms · p99.99 80 ms · max 1.2 s',
    )
  })
})

describe('a drawn histogram', () => {
  test('has a bar for each range, with counts and shares', async () => {
    const latencies = await recorded([...Array(80).fill(0.12), ...Array(19).fill(0.4), 2.5])
    expect(latencies.draw(60)).toEqual([
      '< 150 µs █████████████████████████████████████ 80.0 %  80',
      '< 500 µs ████████▊ 19.0 %  19',
      '< 3.0 ms ▌ 1.0 %  1',
    ])
  })

  test.each([20, 40, 80, 300])('fits %i columns and a screen', async (columns) => {
    const latencies = await recorded(upTo(50_000).map((n) => n / 1000))
    const lines = latencies.draw(columns)
    expect(lines.length).toBeLessThanOrEqual(14)
    expect(Math.max(...lines.map(({length}) => length))).toBeLessThanOrEqual(Math.max(columns, 40))
  })

  test('counts every value once', async () => {
    const lines = (await recorded([0, 0.001, 1, 1.5, 10, 10, 99, 5000])).draw(80)
    expect(lines.map((line) => Number(line.split(' ').at(-1))).reduce((a, b) => a + b)).toBe(8)
  })

  test('of one value has one bar', async () => {
    expect((await recorded([1])).draw(60)).toEqual([expect.stringMatching(/^< 1\.5 ms █+ 100\.0 % {2}1$/)])
  })
})
