import {expect, test} from 'vitest'
import {loadLines, loadReport} from '../../../src/commands/req/load-report.ts'
import {makeLatencies} from '../../../src/lib/cli/render/histogram.ts'

test('a report has counts, failures by kind and latencies', async () => {
  const latencies = await makeLatencies()
  for (const ms of [0.1, 0.1, 0.1, 0.4]) latencies.record(ms)
  const result = {requests: 1000, ok: 996, errors: {timeout: 3, expectation: 1}, examples: [], ms: 2000.12345}
  const report = loadReport(result, latencies, {subject: 'svc', concurrency: 8})
  expect(report).toMatchObject({
    subject: 'svc',
    requests: 1000,
    ok: 996,
    ms: 2000.123,
    rate: 500,
    latencyMs: {min: 0.1, p50: 0.1, max: 0.4},
  })
  expect(loadLines(report, latencies, undefined)).toEqual([
    '1,000 requests · 996 ok · 4 failed (3 without a reply in time, 1 not as expected) · 2.0 s · 500/s',
    'p50 100 µs · p90 400 µs · p99 400 µs · max 400 µs',
  ])
  expect(loadLines(report, latencies, 80)).toHaveLength(2 + latencies.draw(80).length)
})

test('a report without an answer has no latencies', async () => {
  const latencies = await makeLatencies()
  const result = {requests: 2, ok: 0, errors: {timeout: 2}, examples: [], ms: 100}
  const report = loadReport(result, latencies, {subject: 'svc', concurrency: 1})
  expect('latencyMs' in report).toBe(false)
  expect(loadLines(report, latencies, 80)).toEqual([
    '2 requests · 0 ok · 2 failed (2 without a reply in time) · 100 ms · 20/s',
  ])
})
