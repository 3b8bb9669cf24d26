/** A gateway on a bus file, and WebSocket clients that acknowledge each event. */
import {spawn} from 'node:child_process'
import {readFileSync} from 'node:fs'
import type {AddressInfo} from 'node:net'
import {join} from 'node:path'
import {WebSocket, WebSocketServer} from 'ws'
import {openRegistry} from '../src/lib/protocols/event-delivery/registry.ts'
import {parseOptions} from '../src/lib/protocols/event-delivery/subscription.ts'
import {open} from '../src/lib/transport/open.ts'
import {bus, type Case, inFolder, median, type Row} from './measure.ts'

const onOne = 100_000
const connections = 100
const onEach = 1000

export const events: Case = {
  name: 'events',
  rows: () =>
    inFolder(async (folder) => {
      const url = join(folder, 'bus.db')
      await fill(url)
      const gateway = await serve(url)
      const one: number[] = []
      const many: number[] = []
      const memory: number[] = []
      for (const name of ['one-1', 'one-2', 'one-3']) {
        one.push(onOne / (await receive(gateway.url, name, onOne)))
        memory.push(rss(gateway.pid))
      }
      for (let round = 0; round < 4; round++) {
        const begin = performance.now()
        const names = Array.from({length: connections}, (_, n) => `many-${n}`)
        await Promise.all(names.map((name) => receive(gateway.url, name, onEach)))
        many.push((connections * onEach) / (performance.now() - begin))
        memory.push(rss(gateway.pid))
      }
      await gateway.stop()
      const [first = 0, , third = 0, , second = 0, , last = 0] = memory
      return [
        {what: 'WebSocket, acks, readAhead 50, one connection', value: median(one), unit: 'k/s', bar: {atLeast: 20}},
        {what: '100 connections, each with its own, in all', value: median(many), unit: 'k/s', bar: {atLeast: 20}},
        {what: 'bare ws: the same frames and acks', value: onOne / (await bare()), unit: 'k/s'},
        {what: 'memory of the gateway after 100 k events', value: first, unit: 'MiB'},
        {what: 'what it grew by with 200 k more', value: third - first, unit: 'MiB', bar: {atMost: 20}},
        {what: 'memory with 100 connections, after 200 k', value: second, unit: 'MiB'},
        {what: 'what it grew by with 200 k more on them', value: last - second, unit: 'MiB', bar: {atMost: 30}},
      ] satisfies Row[]
    }),
}

/** The stream and its subscriptions. */
async function fill(url: string): Promise<void> {
  await using transport = await open(url)
  await transport.streams.add({name: 'LOAD', subjects: ['load']})
  const data = JSON.stringify({text: 'x'.repeat(117)})
  await using publisher = transport.streams.publisher()
  for (let n = 0; n < onOne; n++) await publisher.push({subject: 'load', data})
  await publisher.flush()
  const registry = await openRegistry(transport.streams)
  const options = parseOptions({firstEvent: 'oldest', readAhead: 50, withData: true}, {withData: true})
  const names = [...Array(3).keys()].map((n) => `one-${n + 1}`)
  const many = [...Array(connections).keys()].map((n) => `many-${n}`)
  for (const name of [...names, ...many])
    await registry.add({namespace: 'LOAD', name, transport: 'websockets', filter: {}, options})
}

async function serve(url: string): Promise<{url: string; pid: number; stop(): Promise<void>}> {
  const args = [bus, '-b', url, 'events', 'serve', '--ws', '127.0.0.1:0', '--allow-anonymous']
  const child = spawn(process.execPath, args, {stdio: ['ignore', 'ignore', 'pipe']})
  const ended = new Promise((resolve) => child.on('close', resolve))
  const address = await new Promise<string>((resolve) => {
    let said = ''
    child.stderr.on('data', (chunk) => {
      said += chunk
      const [found] = /ws:\/\/\S+/.exec(said) ?? []
      if (found !== undefined) resolve(found)
    })
  })
  const stop = async () => {
    child.kill()
    await ended
  }
  return {url: address, pid: child.pid ?? 0, stop}
}

/** Milliseconds from the first event to the last. */
function receive(url: string, name: string, count: number): Promise<number> {
  const socket = new WebSocket(`${url}/?namespace=LOAD&name=${name}`, {perMessageDeflate: false})
  let seen = 0
  let begin = 0
  return new Promise((resolve, reject) => {
    socket.on('error', reject)
    socket.on('message', (data) => {
      begin ||= performance.now()
      // `{"id":"<36>"…`: parsing everything would measure the client.
      socket.send(`{"type":"ack","id":"${String(data).slice(7, 43)}"}`)
      if (++seen < count) return
      socket.close()
      resolve(performance.now() - begin)
    })
  })
}

/** The same with `ws` alone: 51 frames in flight, and the next one for each answer. */
async function bare(): Promise<number> {
  const server = new WebSocketServer({port: 0, host: '127.0.0.1', perMessageDeflate: false})
  const frame = `{"id":"${crypto.randomUUID()}","rest":"${'x'.repeat(380)}"}`
  server.on('connection', (socket) => {
    let left = onOne - 51
    socket.on('message', () => {
      if (left-- > 0) socket.send(frame)
    })
    for (let n = 0; n < 51; n++) socket.send(frame)
  })
  await new Promise((resolve) => server.once('listening', resolve))
  const ms = await receive(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, 'x', onOne)
  server.close()
  return ms
}

/** Resident memory, MiB. */
function rss(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024
}
