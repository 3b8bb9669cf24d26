/** Loops over buckets, ours and those of nats.js, for `programs.ts`. */
import {createReadStream} from 'node:fs'
import {Readable} from 'node:stream'
import {Kvm} from '@nats-io/kv'
import {Objm} from '@nats-io/obj'
import {connect as connectNats} from '@nats-io/transport-node'
import {Bucket} from '../src/lib/messaging/kv/bucket.ts'
import {open} from '../src/lib/transport/open.ts'

const value = 'x'.repeat(128)
const keys = Array.from({length: 1000}, (_, i) => `key.${i}`)
const keyOf = (n: number) => keys[n % keys.length] ?? ''

/** Does this many things, `window` of them at the same time; thousands per second. */
async function windowed(count: number, window: number, one: (key: string) => Promise<unknown>): Promise<number> {
  const begin = performance.now()
  let next = 0
  await Promise.all(
    Array.from({length: window}, async () => {
      while (next < count) await one(keyOf(next++))
    }),
  )
  return count / (performance.now() - begin)
}

export const kvPrograms: Record<string, (...args: string[]) => Promise<void>> = {
  /** Puts and gets with `@nats-io/kv`; reports the rate of the second half, in thousands per second. */
  async kvBare(url = '', what = '', count = '0', window = '1') {
    const connection = await connectNats({servers: url})
    const kv = await new Kvm(connection).create('bench')
    const one = what === 'put' ? (key: string) => kv.put(key, value) : (key: string) => kv.get(key)
    await windowed(Number(count) / 2, Number(window), one)
    console.log(await windowed(Number(count) / 2, Number(window), one))
    await connection.close()
  },

  /** The same with a bucket of ours. Puts with a window are pushed to one publisher, as `kv import` does. */
  async kvOurs(url = '', what = '', count = '0', window = '1') {
    await using bus = await open(url)
    const bucket = new Bucket(bus.streams, 'bench')
    const half = Number(count) / 2
    if (what === 'put' && window !== '1') {
      const put = async () => {
        await using publisher = bus.streams.publisher({window: Number(window)})
        const begin = performance.now()
        for (let i = 0; i < half; i++) await publisher.push(bucket.message(keyOf(i), value))
        await publisher.flush()
        return half / (performance.now() - begin)
      }
      await put()
      return console.log(await put())
    }
    const one =
      what === 'put' ? (key: string) => bucket.put(key, value) : (key: string) => bucket.last(key, {direct: true})
    await windowed(half, Number(window), one)
    console.log(await windowed(half, Number(window), one))
  },

  /** Stores a file with `@nats-io/obj`, or gets an object; reports megabytes per second. */
  async objectBare(url = '', what = '', path = '', bytes = '0') {
    const connection = await connectNats({servers: url})
    const store = await new Objm(connection).create('bench')
    const begin = performance.now()
    if (what === 'put')
      await store.put({name: 'bare'}, Readable.toWeb(createReadStream(path)) as ReadableStream<Uint8Array>)
    else for await (const _ of (await store.get('bare'))?.data ?? []);
    console.log(Number(bytes) / 1000 / (performance.now() - begin))
    await connection.close()
  },
}
