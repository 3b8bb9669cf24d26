/** Buckets beside `@nats-io/kv` and `@nats-io/obj`, in turns on the same server, and an object of a gigabyte on both buses. */
import {spawn} from 'node:child_process'
import {closeSync, openSync, readFileSync, writeSync} from 'node:fs'
import {join} from 'node:path'
import {open} from '../src/lib/transport/open.ts'
import {NatsServer} from '../test/nats-server.ts'
import {besideBare, bus, type Case, inFolder, median, type Pair, type Row, rateOf} from './measure.ts'

const rounds = 5
const oneByOne = 10_000
const many = 100_000
const window = 256
const objectBytes = 2 ** 30
const objectRounds = 3

export const kv: Case = {
  name: 'kv',
  rows: () =>
    inFolder(async (folder) => {
      await using server = await NatsServer.start((home) => `jetstream {store_dir: "${home}"}`)
      const url = server.url()
      const rows: Row[] = []
      for (const [size, count, least, how] of [
        [1, oneByOne, 95, 'one by one'],
        [window, many, 150, `${window} in flight`],
      ] as const) {
        for (const what of ['put', 'get']) {
          const pairs: Pair[] = []
          for (let i = 0; i < rounds; i++) {
            const bare = await rateOf('kvBare', url, what, String(count), String(size))
            pairs.push({bare, ours: await rateOf('kvOurs', url, what, String(count), String(size))})
          }
          rows.push(...besideBare(`kv.${what}, ${how}`, `bucket.${what}, ${how}`, pairs, least))
        }
      }
      return [...rows, ...(await objects(folder, url))]
    }),
}

async function objects(folder: string, url: string): Promise<Row[]> {
  const file = join(folder, 'object.bin')
  writeRandom(file)
  const own = join(folder, 'bus.db')
  await run(['object', 'add', 'bench', '--bus', own])
  const puts: Pair[] = []
  const gets: Pair[] = []
  const onFile = {put: [] as number[], get: [] as number[]}
  let most = 0
  for (let i = 0; i < objectRounds; i++) {
    const bare = await rateOf('objectBare', url, 'put', file, String(objectBytes))
    const put = await run(['object', 'put', 'bench', file, '--name', 'ours', '--bus', url])
    puts.push({bare, ours: put.rate})
    const bareGet = await rateOf('objectBare', url, 'get', file, String(objectBytes))
    const get = await run(['object', 'get', 'bench', 'ours', '--bus', url])
    gets.push({bare: bareGet, ours: get.rate})
    const putFile = await run(['object', 'put', 'bench', file, '--name', 'ours', '--bus', own])
    const getFile = await run(['object', 'get', 'bench', 'ours', '--bus', own])
    onFile.put.push(putFile.rate)
    onFile.get.push(getFile.rate)
    most = Math.max(most, ...[put, get, putFile, getFile].map(({peak}) => peak))
  }
  await using server = await open(url)
  await server.streams.remove('OBJ_bench')
  const named = (rows: Row[]) => rows.map((row) => (row.unit === 'k/s' ? {...row, unit: 'MB/s'} : row))
  return [
    ...named(besideBare('obj.put, 1 GiB', 'bus object put, whole process', puts, 80)),
    ...named(besideBare('obj.get, 1 GiB', 'bus object get, whole process', gets, 80)),
    {what: 'bus object put on a bus file', value: median(onFile.put), unit: 'MB/s'},
    {what: 'bus object get on a bus file', value: median(onFile.get), unit: 'MB/s'},
    {what: 'memory of these, at most', value: most, unit: 'MB', bar: {atMost: 200}},
  ]
}

function writeRandom(path: string): void {
  const block = new Uint8Array(2 ** 20)
  const fd = openSync(path, 'w')
  for (let done = 0; done < objectBytes; done += block.length) {
    for (let at = 0; at < block.length; at += 65_536) crypto.getRandomValues(block.subarray(at, at + 65_536))
    writeSync(fd, block)
  }
  closeSync(fd)
}

/** Runs `bus` to its end: megabytes per second of an object, and its largest memory in MB. */
async function run(args: readonly string[]): Promise<{readonly rate: number; readonly peak: number}> {
  const begin = performance.now()
  const child = spawn(process.execPath, [bus, ...args, '--quiet'], {
    stdio: ['ignore', openSync('/dev/null', 'w'), 'inherit'],
  })
  let peak = 0
  const looking = setInterval(() => {
    peak = Math.max(peak, peakBytes(child.pid ?? 0))
  }, 50)
  const code = await new Promise((resolve) => child.on('close', resolve))
  clearInterval(looking)
  if (code !== 0) throw new Error(`bus ${args.join(' ')} exited ${code}`)
  return {rate: objectBytes / 1000 / (performance.now() - begin), peak: peak / 1e6}
}

function peakBytes(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}
