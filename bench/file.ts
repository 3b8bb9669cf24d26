/** Two processes over one bus file. */
import {join} from 'node:path'
import type {Transport} from '../src/lib/transport/contract.ts'
import {open} from '../src/lib/transport/open.ts'
import {type Case, inFolder, median, percentile, type Row, start} from './measure.ts'

export const file: Case = {
  name: 'file',
  rows: () =>
    inFolder(async (folder) => {
      const url = `sqlite:${join(folder, 'bus.db')}`
      const throughput: number[] = []
      const wakes: number[][] = []
      const trips: number[][] = []
      for (let i = 0; i < 3; i++) {
        await using bus = await open(url)
        throughput.push(await endToEnd(bus, url, 500_000))
        wakes.push(await wakeUp(bus, url, 3000))
        trips.push(await roundTrip(bus, url, 5000))
      }
      const of = (runs: number[][], part: number) => median(runs.map((run) => percentile(run, part)))
      return [
        {
          what: '128 B, 100 in flight, published = received',
          value: median(throughput),
          unit: 'k msg/s',
          bar: {atLeast: 550},
        },
        {what: 'wake-up at 1 k msg/s, p50', value: of(wakes, 0.5), unit: 'us', bar: {atMost: 250}},
        {what: 'wake-up at 1 k msg/s, p99', value: of(wakes, 0.99), unit: 'us', bar: {atMost: 3000}},
        {what: 'request and reply, p50', value: of(trips, 0.5), unit: 'us', bar: {atMost: 200}},
        {what: 'request and reply, p99', value: of(trips, 0.99), unit: 'us'},
      ] satisfies Row[]
    }),
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
