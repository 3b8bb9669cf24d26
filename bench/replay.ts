/** Stored messages: published with acknowledgement, replayed, and copied from one bus to the other. */
import {spawn} from 'node:child_process'
import {openSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {open} from '../src/lib/transport/open.ts'
import {NatsServer} from '../test/nats-server.ts'
import {besideBare, bus, type Case, inFolder, median, type Pair, type Row, rateOf, time, writeLines} from './measure.ts'

const count = 1_000_000
const rounds = 3
const memoryCount = 5_000_000

export const replay: Case = {
  name: 'replay',
  rows: () =>
    inFolder(async (folder) => {
      await using server = await NatsServer.start((home) => `jetstream {store_dir: "${home}"}`)
      const scene = {folder, nats: server.url(), lines: join(folder, 'lines.txt')}
      await writeLines(scene.lines, count)
      const file = join(folder, 'bus.db')
      await fill(file, scene.lines)
      const runs = {pages: [] as number[], range: [] as number[], durable: [] as number[]}
      const pub: Pair[] = []
      const range: Pair[] = []
      const durable: Pair[] = []
      const into: number[] = []
      for (let i = 0; i < rounds; i++) {
        runs.pages.push(await rateOf('pages', file))
        runs.range.push(count / replayed(['LOAD', '--raw'], file))
        runs.durable.push(count / replayed(['LOAD', `d${i}`, '--create', '--raw'], file))
        pub.push(await publish(scene, i))
        range.push({
          bare: await rateOf('jetstreamOrdered', scene.nats, `OURS${i}`, String(count)),
          ours: count / replayed([`OURS${i}`, '--raw'], scene.nats),
        })
        durable.push({
          bare: await rateOf('jetstreamDurable', scene.nats, `OURS${i}`, 'bare', String(count)),
          ours: count / replayed([`OURS${i}`, 'ours', '--create', '--raw'], scene.nats),
        })
        await clear(scene.nats)
        into.push(count / replayed(['LOAD', '--into', scene.nats, '--create'], file))
        await clear(scene.nats)
      }
      const acknowledged = median(pub.map(({ours}) => ours))
      return [
        {what: 'bare SQL paging loop over the file', value: median(runs.pages), unit: 'k/s'},
        {what: 'range of the file to --raw', value: median(runs.range), unit: 'k/s'},
        {what: 'durable of the file to --raw, with acks', value: median(runs.durable), unit: 'k/s'},
        {
          what: '  of the range',
          value: median(runs.durable.map((rate, i) => rate / (runs.range[i] ?? 0))),
          unit: 'x',
          bar: {atLeast: 0.9},
        },
        ...besideBare('js.publish, 1,000 in flight', 'bus pub --ack --lines into JetStream', pub, 300),
        ...besideBare('ordered consumer', 'range from JetStream to --raw', range, 60),
        ...besideBare('consume and ack', 'durable from JetStream to --raw, with acks', durable, 90),
        {what: 'file to JetStream by --into', value: median(into), unit: 'k/s'},
        {what: '  of bus pub --ack --lines', value: (100 * median(into)) / acknowledged, unit: '%', bar: {atLeast: 60}},
        {
          what: 'memory after a durable replay of 5 M from the file',
          value: await memory(folder, scene.lines),
          unit: 'MB',
          bar: {atMost: 200},
        },
      ] satisfies Row[]
    }),
}

interface Scene {
  readonly folder: string
  readonly nats: string
  readonly lines: string
}

/** A stream of a million messages on a bus file. */
async function fill(path: string, lines: string, times = 1): Promise<void> {
  await using file = await open(path)
  await file.streams.add({name: 'LOAD', subjects: ['load']})
  for (let i = 0; i < times; i++) time([bus, 'pub', 'load', '--lines', '--file', lines, '--bus', path])
}

/** Milliseconds of a whole process that replays into a file. */
function replayed(args: readonly string[], url: string): number {
  return time([bus, 'consumer', 'replay', ...args, '--bus', url], {
    stdio: ['ignore', openSync('/dev/null', 'w'), 'ignore'],
  })
}

async function publish({nats, lines}: Scene, round: number): Promise<Pair> {
  await using server = await open(nats)
  await server.streams.add({name: `BARE${round}`, subjects: ['bare']})
  const bare = await rateOf('jetstreamPublish', nats, 'bare', String(count / 5), '1000')
  await server.streams.remove(`BARE${round}`)
  await server.streams.add({name: `OURS${round}`, subjects: ['ours']})
  const ours = count / time([bus, 'pub', 'ours', '--ack', '--lines', '--file', lines, '--bus', nats])
  return {bare, ours}
}

async function clear(url: string): Promise<void> {
  await using server = await open(url)
  for (const {config} of await server.streams.list()) await server.streams.remove(config.name)
}

/** The largest memory of a replay of five million messages, in MB. */
async function memory(folder: string, lines: string): Promise<number> {
  const path = join(folder, 'many.db')
  await fill(path, lines, memoryCount / count)
  const args = [bus, 'consumer', 'replay', 'LOAD', 'd', '--create', '--raw', '--bus', path]
  const child = spawn(process.execPath, args, {stdio: ['ignore', openSync('/dev/null', 'w'), 'ignore']})
  let most = 0
  const looking = setInterval(() => {
    most = Math.max(most, residentBytes(child.pid ?? 0))
  }, 200)
  await new Promise((resolve) => child.on('close', resolve))
  clearInterval(looking)
  return most / 1e6
}

function residentBytes(pid: number): number {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}
