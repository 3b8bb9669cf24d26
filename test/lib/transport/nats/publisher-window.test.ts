import {expect, test} from 'vitest'
import {open} from '../../../../src/lib/transport/open.ts'
import {FaultyProxy} from '../../../faulty-proxy.ts'
import {NatsServer} from '../../../nats-server.ts'

test.each([
  {window: undefined, name: 'grows', later: [2000, 8000]},
  {window: 1000, name: 'that was chosen does not grow', later: [1, 1000]},
] as const)('on a slow network the window $name', async ({window, later: [least, most]}) => {
  await using server = await NatsServer.start((home) => `jetstream {store_dir: "${home}"}`)
  await using proxy = await FaultyProxy.before(server)
  await using bus = await open(proxy.url)
  await bus.streams.add({name: 'S', subjects: ['s']})
  proxy.slow(100)
  await using publisher = bus.streams.publisher({window})
  /** Pushes until the window is full; nothing is acknowledged meanwhile. */
  const fill = async () => {
    for (let pushed = 1; ; pushed++) {
      const room = publisher.push({subject: 's', data: 'x'})
      if (room === undefined) continue
      await room
      return pushed
    }
  }
  expect(await fill()).toBe(1000)
  const second = await fill()
  expect(second).toBeGreaterThanOrEqual(least)
  expect(second).toBeLessThanOrEqual(most)
  await publisher.flush()
  expect(publisher.acknowledged).toBe(1000 + second)
})
