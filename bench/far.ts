/** The commands on a server that is 300 ms of round trip away: `npm run bench far`. */
import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {type AddressInfo, connect, createServer, type Socket} from 'node:net'
import {join} from 'node:path'
import {NatsServer} from '../test/nats-server.ts'
import {bus, type Case, inFolder, type Row, time, writeLines} from './measure.ts'

const roundTripMs = 300
const lines = 60_000
const config = (home: string) => `jetstream {store_dir: "${home}"}\nmax_payload: 9MB`

export const far: Case = {
  name: 'far',
  rows: () =>
    inFolder(async (folder) => {
      await using near = await NatsServer.start(config)
      await using other = await NatsServer.start(config)
      await using relay = await relayTo(near.port())
      await using otherRelay = await relayTo(other.port())
      const file = join(folder, 'lines')
      await writeLines(file, lines)
      const onNear = (...args: string[]) => time([bus, ...args, '-b', near.url()])
      onNear('stream', 'add', 'S', 's.>')
      onNear('pub', 's.first', 'x', '--ack')
      onNear('consumer', 'add', 'S', 'c', '--max-ack-pending', '50000')
      const service = spawn(process.execPath, [bus, 'serve', 'svc', 'hi', '-b', near.url()], {stdio: 'ignore'})
      try {
        const trips: Row[] = []
        for (const [most, ...args] of [
          [2, 'pub', 'a.b', 'hi'],
          [2, 'req', 'svc', 'x'],
          [2, 'stream', 'info', 'S'],
          [4, 'context', 'check'],
          [5, 'doctor'],
        ] as const) {
          const ms = (await elapsed(args, relay.url)) - onNear(...args)
          // The greeting of the server takes half a round trip.
          const value = Math.round(ms / roundTripMs - 0.5)
          trips.push({what: `bus ${args.join(' ')}`, value, unit: 'trips', bar: {atMost: most}})
        }
        const pub = lines / (await elapsed(['pub', 's.l', '--lines', '--file', file, '--ack'], relay.url))
        const range = lines / (await elapsed(['consumer', 'replay', 'S', '--raw'], relay.url))
        const durable = lines / (await elapsed(['consumer', 'replay', 'S', 'c', '--raw'], relay.url))
        const copying = ['consumer', 'replay', 'S', '--create', '--into', otherRelay.url]
        const copy = lines / (await elapsed(copying, relay.url))
        return [
          ...trips,
          {what: `bus pub --lines --ack, ${lines} x 128 B`, value: pub, unit: 'k/s', bar: {atLeast: 10}},
          {what: 'bus consumer replay STREAM --raw', value: range, unit: 'k/s'},
          {what: 'bus consumer replay STREAM CONSUMER --raw', value: durable, unit: 'k/s'},
          {what: '  of the range', value: (100 * durable) / range, unit: '%', bar: {atLeast: 60}},
          {what: 'bus consumer replay --into another far server', value: copy, unit: 'k/s'},
          {what: '  of pub --lines --ack', value: (100 * copy) / pub, unit: '%', bar: {atLeast: 60}},
        ] satisfies Row[]
      } finally {
        service.kill()
      }
    }),
}

/** Forwards everything to the port, half a round trip later, at any rate. */
async function relayTo(port: number): Promise<AsyncDisposable & {url: string}> {
  const forward = (from: Socket, to: Socket) => {
    const later = (work: () => void) => void setTimeout(work, roundTripMs / 2)
    from.on('data', (data) => later(() => to.write(data)))
    from.on('close', () => later(() => to.destroy()))
    from.on('error', () => {})
  }
  const listener = createServer({noDelay: true}, (client) => {
    const server = connect({port, host: '127.0.0.1', noDelay: true})
    forward(client, server)
    forward(server, client)
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const url = `nats://127.0.0.1:${(listener.address() as AddressInfo).port}`
  return {url, [Symbol.asyncDispose]: async () => void listener.close()}
}

/** Runs a command to its end, while this process forwards its data; returns the milliseconds of the whole process. */
async function elapsed(args: readonly string[], url: string): Promise<number> {
  const began = performance.now()
  const child = spawn(process.execPath, [bus, ...args, '-b', url, '-t', '20s'], {
    stdio: 'ignore',
  })
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  if (code !== 0) throw new Error(`bus ${args.join(' ')} ended with exit code ${code}`)
  return performance.now() - began
}
