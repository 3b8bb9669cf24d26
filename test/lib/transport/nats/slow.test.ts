import {setImmediate as turn} from 'node:timers/promises'
import {afterAll, describe, expect, it} from 'vitest'
import type {Transport} from '../../../../src/lib/transport/contract.ts'
import {open} from '../../../../src/lib/transport/open.ts'
import {NatsServer} from '../../../nats-server.ts'
import {Watched} from './watched.ts'

const server = await NatsServer.start('websocket { listen: "127.0.0.1:-1", no_tls: true }')
afterAll(() => server[Symbol.asyncDispose]())

const burst = 200_000

async function publishBurst(bus: Transport, count = burst): Promise<void> {
  const data = 'x'.repeat(100)
  for (let i = 0; i < count; i++) bus.publish({subject: 'a', data})
  await bus.flush()
}

describe('a reader that falls behind', () => {
  it.each(['nats', 'ws'])('during a burst, but continues to read, loses nothing: %s', async (scheme) => {
    await using publisher = await open(server.url())
    await using watched = await Watched.open(server.url({scheme}))
    const subscription = await watched.bus.subscribe('a', {pendingLimit: 8192})
    const count = 40_000
    const flushed = publishBurst(publisher, count)
    // The server may send more in one turn than are taken.
    for (let got = 0; got < count && subscription.dropped === 0; ) {
      got += (await subscription.take(1000)).length
      await turn()
    }
    await flushed
    expect(subscription.dropped).toBe(0)
    expect(watched.kinds).toEqual([])
  })

  it('for good loses messages beyond the limit, keeps the connection, and gets the rest', async () => {
    await using publisher = await open(server.url())
    await using watched = await Watched.open(server.url())
    const subscription = await watched.bus.subscribe('a', {pendingLimit: 1000})
    watched.bus.publish({subject: 'a'})
    await subscription.take(1)
    await publishBurst(publisher)
    await watched.bus.flush()
    await subscription.drain()
    let got = 0
    for await (const _ of subscription) got++
    expect(got).toBeGreaterThanOrEqual(1000)
    expect(got + subscription.dropped).toBe(burst)
    expect(new Set(watched.kinds)).toEqual(new Set(['slowConsumer']))
  })
})
