/** Two processes over one bus file. */
import {join} from 'node:path'
import type {Transport} from '../src/lib/transport/contract.ts'
import {open} from '../src/lib/transport/open.ts'
import {bareInserts, socketEcho} from './limits.ts'
import {type Case, inFolder, median, percentile, type Row, start} from './measure.ts'

export const file: Case = {
  name: 'file',
  rows: () =>
    inFolder(async (folder) => {
      const url = `sqlite:${join(folder, 'bus.db')}`
      const runs: Run[] = []
      for (let i = 0; i < 3; i++) {
        await using bus = await open(url)
        const inserts = bareInserts(folder, 100, 500_000)
        const rate = await endToEnd(bus, url, 500_000)
        const echo = percentile(await socketEcho(join(folder, 'echo.sock')), 0.5)
        runs.push({inserts, rate, echo, wakes: await wakeUp(bus, url, 3000), trips: await roundTrip(bus, url, 5000)})
      }
      const of = (value: (run: Run) => number) => median(runs.map(value))
      const row = (what: string, value: (run: Run) => number, unit: string): Row => ({what, value: of(value), unit})
      const times = (value: (run: Run) => number, atMost: number): Row => ({
        what: '  of the echo, p50',
        value: of((run) => value(run) / run.echo),
        unit: 'x',
        bar: {atMost},
      })
      const latency = (what: string, value: (run: Run) => number, atMost: number) => [
        row(what, value, 'us'),
        times(value, atMost),
      ]
      return [
        row('bare SQLite, 100 inserts per transaction', ({inserts}) => inserts, 'k msg/s'),
        row('128 B, 100 in flight, published = received', ({rate}) => rate, 'k msg/s'),
        {what: '  of the inserts', value: of(({rate, inserts}) => rate / inserts), unit: 'x', bar: {atLeast: 1}},
        row('Unix socket echo between two processes, p50', ({echo}) => echo, 'us'),
        ...latency('wake-up at 1 k msg/s, p50', ({wakes}) => percentile(wakes, 0.5), 1.3),
        ...latency('wake-up at 1 k msg/s, p99', ({wakes}) => percentile(wakes, 0.99), 6),
        ...latency('request and reply, p50', ({trips}) => percentile(trips, 0.5), 1.9),
        ...latency('request and reply, p99', ({trips}) => percentile(trips, 0.99), 8),
      ] satisfies Row[]
    }),
}

/** One round: rates in thousands per second, times in microseconds. */
interface Run {
  readonly inserts: number
  readonly rate: number
  /** The median of the echoes. */
  readonly echo: number
  readonly wakes: readonly number[]
  readonly trips: readonly number[]
}

async function endToEnd(bus: Transport, url: string, count: number): Promise<number> {
  const subscription = await bus.subscribe('load')
  const publisher = start('inFlight', url, String(count))
  let seen = 0
  let begin = 0
  while (seen < count) {
    seen += (await subscription.take(1024)).length
    begin ||= performance.now()
  }
  const rate = count / (performance.now() - begin)
  await publisher.ended
  await subscription.close()
  return rate
}

async function wakeUp(bus: Transport, url: string, count: number): Promise<number[]> {
  const subscription = await bus.subscribe('clock')
  const publisher = start('clock', url, String(count))
  const late: number[] = []
  while (late.length < count) {
    const taken = await subscription.take(1024)
    const now = performance.timeOrigin + performance.now()
    for (const {text} of taken) late.push((now - Number(text)) * 1000)
  }
  await publisher.ended
  await subscription.close()
  return late
}

async function roundTrip(bus: Transport, url: string, count: number): Promise<number[]> {
  const server = start('serve', url)
  await server.line()
  const times: number[] = []
  for (let i = 0; i < count; i++) {
    const begin = performance.now()
    await bus.request({subject: 'echo', data: 'ping'})
    times.push((performance.now() - begin) * 1000)
  }
  server.child.kill()
  await server.ended
  return times
}
