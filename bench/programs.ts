/** The other process of a measurement: `node programs.ts NAME ARGS…`. */
import {connect} from 'node:net'
import {AckPolicy, jetstream, jetstreamManager} from '@nats-io/jetstream'
import {connect as connectNats} from '@nats-io/transport-node'
import {register} from '../src/lib/protocols/loom-rpc/serve.ts'
import {encodeData} from '../src/lib/protocols/response-streams/frames.ts'
import {serveStreams} from '../src/lib/protocols/response-streams/serve.ts'
import {StreamWriter} from '../src/lib/protocols/response-streams/writer.ts'
import {open} from '../src/lib/transport/open.ts'
import {Database} from '../src/lib/transport/sqlite/database.ts'
import {kvPrograms} from './kv-programs.ts'

const payload = 'x'.repeat(128)

const programs: Record<string, (...args: string[]) => Promise<void>> = {
  /** Publishes this many messages, 100 in flight, each with its own acknowledgement. */
  async inFlight(url = '', count = '0') {
    await using bus = await open(url)
    const begin = performance.now()
    let left = Number(count)
    await Promise.all(
      Array.from({length: 100}, async () => {
        while (left-- > 0) {
          bus.publish({subject: 'load', data: payload})
          await bus.flush()
        }
      }),
    )
    console.log(Number(count) / (performance.now() - begin))
  },

  /** Makes this many subscriptions, reports when they are live, and the thousands per second on the first of them. */
  async subscriptions(url = '', subscriptions = '1', count = '0') {
    await using bus = await open(url)
    const [first] = await Promise.all(Array.from({length: Number(subscriptions)}, (_, n) => bus.subscribe(`sub.${n}`)))
    console.log('live')
    let begin = 0
    for (let seen = 0; seen < Number(count); ) {
      seen += (await first?.take(1024))?.length ?? 0
      begin ||= performance.now()
    }
    console.log(Number(count) / (performance.now() - begin))
  },

  /** Publishes the time, in milliseconds, a thousand times per second. */
  async clock(url = '', count = '0') {
    await using bus = await open(url)
    const begin = performance.now()
    for (let i = 0; i < Number(count); i++) {
      while (performance.now() < begin + i) await new Promise((resolve) => setImmediate(resolve))
      bus.publish({subject: 'clock', data: String(performance.timeOrigin + performance.now())})
      await bus.flush()
    }
  },

  async serve(url = '') {
    await using bus = await open(url)
    const subscription = await bus.subscribe('echo', {queue: 'echo'})
    console.log('live')
    for (;;) {
      const taken = await subscription.take(64)
      if (taken.length === 0) return
      for (const {reply, payload: data} of taken) bus.publish({subject: reply ?? '', data})
    }
  },

  /** Answers RPC calls with their payloads. */
  async rpc(url = '') {
    await using bus = await open(url)
    await using _ = await register(bus, 'loom.rpc.bench.one.echo', ({payload}) => payload, {queue: 'echo'})
    console.log('live')
    await new Promise(() => undefined)
  },

  /** Answers each request on `stream` with this many frames, and on `plain` with as many messages of the same bytes. */
  async frames(url = '', count = '0') {
    await using bus = await open(url)
    const requests = await bus.subscribe(['stream', 'plain'])
    console.log('live')
    for await (const {subject, reply = ''} of requests) {
      const writer = new StreamWriter(bus, reply)
      const same = encodeData(payload)
      for (let i = 0; i < Number(count); i++) {
        if (subject === 'stream') writer.write(payload)
        else bus.publish({subject: reply, data: same})
        if (i % 1000 === 999) await bus.flush()
      }
      if (subject === 'stream') writer.close()
      await bus.flush()
    }
  },

  /** Answers each request on `streams` with a response stream of this many frames, all of them at once. */
  async streams(url = '', count = '0') {
    await using bus = await open(url)
    await serveStreams(bus, {
      subject: 'streams',
      concurrency: 10_000,
      onLive: () => console.log('live'),
      async producer(_request, writer) {
        for (let i = 0; i < Number(count); i++) writer.write(payload)
        return undefined
      },
    })
  },

  /** Reports its rate in thousands per second; with `tell`, also when it begins. */
  async natsPublish(url = '', count = '0', tell = '') {
    const connection = await connectNats({servers: url})
    const data = Buffer.from(payload)
    if (tell !== '') console.log('begin')
    const begin = performance.now()
    for (let i = 0; i < Number(count); i++) {
      connection.publish('load', data)
      // Otherwise everything is held in memory, which takes longer.
      if (i % 1000 === 999) await new Promise((resolve) => setImmediate(resolve))
    }
    await connection.flush()
    if (tell === '') console.log(Number(count) / (performance.now() - begin))
    await connection.close()
  },

  async natsSubscribe(url = '', count = '0') {
    const connection = await connectNats({servers: url})
    let seen = 0
    const all = new Promise<void>((resolve) => {
      connection.subscribe('load', {
        callback: () => {
          if (++seen === Number(count)) resolve()
        },
      })
    })
    await connection.flush()
    console.log('live')
    await all
    await connection.close()
  },

  async natsRespond(url = '') {
    const connection = await connectNats({servers: url})
    connection.subscribe('echo', {callback: (_, message) => void message.respond(message.data)})
    await connection.flush()
    console.log('live')
    await connection.closed()
  },

  /** Reports its rate in thousands per second. */
  async natsRequest(url = '', count = '0', concurrency = '1') {
    const connection = await connectNats({servers: url})
    const data = Buffer.from('ping')
    let left = Number(count)
    const begin = performance.now()
    await Promise.all(
      Array.from({length: Number(concurrency)}, async () => {
        while (left-- > 0) await connection.request('echo', data, {timeout: 5000})
      }),
    )
    console.log(Number(count) / (performance.now() - begin))
    await connection.close()
  },

  /** `js.publish` with this many promises in flight. Reports its rate in thousands per second. */
  async jetstreamPublish(url = '', subject = '', count = '0', inFlight = '0') {
    const connection = await connectNats({servers: url})
    const js = jetstream(connection)
    const data = Buffer.from(payload)
    let left = Number(count)
    const begin = performance.now()
    await Promise.all(
      Array.from({length: Number(inFlight)}, async () => {
        while (left-- > 0) await js.publish(subject, data)
      }),
    )
    console.log(Number(count) / (performance.now() - begin))
    await connection.close()
  },

  /** An ordered consumer of nats.js. Reports its rate in thousands per second. */
  async jetstreamOrdered(url = '', stream = '', count = '0') {
    const connection = await connectNats({servers: url})
    const consumer = await jetstream(connection).consumers.get(stream)
    const begin = performance.now()
    await consumed(await consumer.consume({max_messages: 2000}), Number(count), () => {})
    console.log(Number(count) / (performance.now() - begin))
    await connection.close()
  },

  /** A durable consumer of nats.js, with each message acknowledged. Reports its rate in thousands per second. */
  async jetstreamDurable(url = '', stream = '', name = '', count = '0') {
    const connection = await connectNats({servers: url})
    const manager = await jetstreamManager(connection)
    await manager.consumers.add(stream, {durable_name: name, ack_policy: AckPolicy.Explicit, max_ack_pending: 5000})
    const consumer = await jetstream(connection).consumers.get(stream, name)
    const begin = performance.now()
    await consumed(await consumer.consume({max_messages: 2000}), Number(count), (message) => message.ack())
    await connection.flush()
    console.log(Number(count) / (performance.now() - begin))
    await connection.close()
  },

  /** Reads a table of the bus file page by page, without anything else. Reports its rate in thousands per second. */
  async pages(path = '') {
    const db = new Database(path, {readOnly: true})
    const page = db.prepare('SELECT seq, sid, ts, reply, hdr, data FROM msg WHERE seq > ? ORDER BY seq LIMIT 512').raw()
    const begin = performance.now()
    let count = 0
    let last = 0
    for (;;) {
      const rows = page.all(last) as [number, ...unknown[]][]
      if (rows.length === 0) break
      count += rows.length
      last = rows.at(-1)?.[0] ?? last
    }
    console.log(count / (performance.now() - begin))
    db.close()
  },

  async socket(path = '') {
    const socket = connect(path)
    socket.on('data', (chunk) => socket.write(chunk))
    await new Promise((resolve) => socket.on('close', resolve))
  },
}

async function consumed<T>(messages: AsyncIterable<T>, count: number, handle: (message: T) => void): Promise<void> {
  let seen = 0
  for await (const message of messages) {
    handle(message)
    if (++seen === count) return
  }
}

const [name = '', ...args] = process.argv.slice(2)
await {...programs, ...kvPrograms}[name]?.(...args)
