/** Backups of a million stored messages of 128 bytes, beside reading and publishing them, and beside `nats` where it is on the PATH. */
import {spawn, spawnSync} from 'node:child_process'
import {openSync, readFileSync, rmSync} from 'node:fs'
import {join} from 'node:path'
import {open} from '../src/lib/transport/open.ts'
import {NatsServer} from '../test/nats-server.ts'
import {bus, type Case, inFolder, median, type Row, writeLines} from './measure.ts'

const count = 1_000_000
const rounds = 3

export const backup: Case = {
  name: 'backup',
  rows: () =>
    inFolder(async (folder) => {
      await using server = await NatsServer.start((home) => `jetstream {store_dir: "${home}"}`)
      const lines = join(folder, 'lines.txt')
      await writeLines(lines, count)
      const nats = await portable('JetStream', server.url(), lines, folder)
      const file = await portable('a bus file', join(folder, 'bus.db'), lines, folder)
      return [...nats, ...file, ...(await native(server.url(), folder))]
    }),
}

/** In turns: publish, read, save, restore. */
async function portable(name: string, url: string, lines: string, folder: string): Promise<Row[]> {
  const path = join(folder, 'stream.zst')
  const rates = {pub: [] as number[], read: [] as number[], save: [] as number[], restore: [] as number[]}
  let peak = 0
  for (let i = 0; i < rounds; i++) {
    await renew(url)
    rates.pub.push((await run(['pub', 'load', '--ack', '--lines', '--file', lines, '--bus', url])).rate)
    rates.read.push((await run(['consumer', 'replay', 'LOAD', '--raw', '--bus', url])).rate)
    rmSync(path, {force: true})
    const save = await run(['stream', 'backup', 'LOAD', path, '--bus', url])
    await remove(url)
    const restore = await run(['stream', 'restore', path, '--bus', url])
    rates.save.push(save.rate)
    rates.restore.push(restore.rate)
    peak = Math.max(peak, save.peak, restore.peak)
  }
  const percent = (of: readonly number[], by: readonly number[]) =>
    median(of.map((rate, i) => (100 * rate) / (by[i] ?? 0)))
  return [
    {what: `range of ${name} to --raw`, value: median(rates.read), unit: 'k/s'},
    {what: 'stream backup', value: median(rates.save), unit: 'k/s'},
    {what: '  of the range', value: percent(rates.save, rates.read), unit: '%', bar: {atLeast: 70}},
    {what: `pub --ack --lines into ${name}`, value: median(rates.pub), unit: 'k/s'},
    {what: 'stream restore', value: median(rates.restore), unit: 'k/s'},
    {what: '  of pub --ack', value: percent(rates.restore, rates.pub), unit: '%', bar: {atLeast: 70}},
    {what: 'memory of backup and restore, at most', value: peak, unit: 'MB', bar: {atMost: 200}},
  ]
}

/** The server has the stream of the last round. */
async function native(url: string, folder: string): Promise<Row[]> {
  const hasNats = spawnSync('nats', ['--version']).status === 0
  const ours = {save: [] as number[], restore: [] as number[]}
  const theirs = {save: [] as number[], restore: [] as number[]}
  let peak = 0
  for (let i = 0; i < rounds; i++) {
    const [own, other] = [join(folder, `own${i}`), join(folder, `other${i}`)]
    const save = await run(['stream', 'backup', 'LOAD', own, '--native', '--bus', url])
    if (hasNats)
      theirs.save.push((await run(['stream', 'backup', 'LOAD', other, '--no-progress', '-s', url], 'nats')).rate)
    await remove(url)
    const restore = await run(['stream', 'restore', own, '--native', '--bus', url])
    if (hasNats) {
      await remove(url)
      theirs.restore.push((await run(['stream', 'restore', other, '--no-progress', '-s', url], 'nats')).rate)
    }
    ours.save.push(save.rate)
    ours.restore.push(restore.rate)
    peak = Math.max(peak, save.peak, restore.peak)
    for (const path of [own, other]) rmSync(path, {recursive: true, force: true})
  }
  const beside = (what: 'save' | 'restore', name: string): Row[] => [
    {what: `stream ${name} --native`, value: median(ours[what]), unit: 'k/s'},
    ...(hasNats
      ? ([
          {what: `nats stream ${name}`, value: median(theirs[what]), unit: 'k/s'},
          {
            what: '  of nats',
            value: median(ours[what].map((rate, i) => (100 * rate) / (theirs[what][i] ?? 0))),
            unit: '%',
            bar: {atLeast: 90},
          },
        ] satisfies Row[])
      : []),
  ]
  return [
    ...beside('save', 'backup'),
    ...beside('restore', 'restore'),
    {what: 'memory of these, at most', value: peak, unit: 'MB', bar: {atMost: 200}},
  ]
}

async function renew(url: string): Promise<void> {
  await remove(url)
  await using target = await open(url)
  await target.streams.add({name: 'LOAD', subjects: ['load']})
}

async function remove(url: string): Promise<void> {
  await using target = await open(url)
  await target.streams.remove('LOAD').catch(() => {})
}

/** Runs a program to its end: thousands of messages per second, and its largest memory in MB. */
async function run(args: readonly string[], program?: 'nats'): Promise<{readonly rate: number; readonly peak: number}> {
  const begin = performance.now()
  const argv = program === undefined ? [bus, ...args, '--quiet'] : args
  const child = spawn(program ?? process.execPath, argv, {
    stdio: ['ignore', openSync('/dev/null', 'w'), program === undefined ? 'inherit' : 'ignore'],
  })
  let peak = 0
  const looking = setInterval(() => {
    peak = Math.max(peak, peakBytes(child.pid ?? 0))
  }, 50)
  const code = await new Promise((resolve) => child.on('close', resolve))
  clearInterval(looking)
  if (code !== 0) throw new Error(`${program ?? 'bus'} ${args.join(' ')} exited ${code}`)
  return {rate: count / (performance.now() - begin), peak: peak / 1e6}
}

function peakBytes(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}
