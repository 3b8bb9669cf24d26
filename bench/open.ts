/** Response streams, compared with plain publish-subscribe of the same bytes between the same two processes. */
import {join} from 'node:path'
import {StreamClient} from '../src/lib/protocols/response-streams/client.ts'
import type {Transport} from '../src/lib/transport/contract.ts'
import {open} from '../src/lib/transport/open.ts'
import {NatsServer} from '../test/nats-server.ts'
import {type Case, inFolder, median, type Row, start} from './measure.ts'

const frames = 200_000
const streams = 1000
const perStream = 100
const rounds = 5

export const openStreams: Case = {
  name: 'open',
  rows: () =>
    inFolder(async (folder) => {
      await using server = await NatsServer.start()
      return [...(await measured('the bus file', join(folder, 'bus.db'))), ...(await measured('NATS', server.url()))]
    }),
}

async function measured(name: string, url: string): Promise<Row[]> {
  const one = start('frames', url, String(frames))
  const many = start('streams', url, String(perStream))
  try {
    await one.line()
    await many.line()
    await using bus = await open(url)
    const bare: number[] = []
    const ours: number[] = []
    const atOnce: number[] = []
    for (let i = 0; i < rounds; i++) {
      bare.push(await plain(bus))
      ours.push(await oneStream(bus))
      atOnce.push(await manyStreams(bus))
    }
    const share = bare.map((rate, i) => (100 * (ours[i] ?? 0)) / rate)
    return [
      {what: `bare messages, ${name}`, value: median(bare), unit: 'k/s'},
      {what: `frames of one stream, 128 B, ${name}`, value: median(ours), unit: 'k/s'},
      {what: '  of the bare messages', value: median(share), unit: '%', bar: {atLeast: 50}},
      {what: `frames of ${streams} streams at once, ${name}`, value: median(atOnce), unit: 'k/s'},
    ]
  } finally {
    one.child.kill()
    many.child.kill()
    await Promise.all([one.ended, many.ended])
  }
}

/** Thousands of messages per second. */
async function plain(bus: Transport): Promise<number> {
  await using subscription = await bus.subscribe('bare.messages')
  const begin = performance.now()
  bus.publish({subject: 'plain', reply: 'bare.messages'})
  for (let left = frames; left > 0; ) {
    const taken = await subscription.take(1024)
    left -= taken.length
    if (taken.length === 0 || subscription.dropped > 0) throw new Error('messages were lost')
  }
  return frames / (performance.now() - begin)
}

async function oneStream(bus: Transport): Promise<number> {
  await using client = new StreamClient(bus)
  const begin = performance.now()
  const stream = await client.open('stream')
  let came = 0
  for (let taken = await stream.take(1024); taken.length > 0; taken = await stream.take(1024)) came += taken.length
  if (came !== frames) throw new Error(`only ${came} of ${frames} frames came`)
  return frames / (performance.now() - begin)
}

async function manyStreams(bus: Transport): Promise<number> {
  await using client = new StreamClient(bus)
  const begin = performance.now()
  const counts = await Promise.all(
    Array.from({length: streams}, async () => {
      const stream = await client.open('streams')
      let came = 0
      for await (const _ of stream) came++
      return came
    }),
  )
  const came = counts.reduce((sum, count) => sum + count, 0)
  if (came !== streams * perStream) throw new Error(`only ${came} of ${streams * perStream} frames came`)
  return came / (performance.now() - begin)
}
