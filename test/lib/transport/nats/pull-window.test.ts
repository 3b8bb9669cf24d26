import {expect, test} from 'vitest'
import {sleep} from '../../../../src/lib/core/time/timer.ts'
import {open} from '../../../../src/lib/transport/open.ts'
import {FaultyProxy} from '../../../faulty-proxy.ts'
import {NatsServer} from '../../../nats-server.ts'

test.each([
  {reader: 'that waits for messages requests more', pauseMs: 0, least: 1500, most: 8192},
  {reader: 'that is slow does not', pauseMs: 50, least: 1, most: 512},
])('on a slow network a reader $reader at a time', async ({pauseMs, least, most}) => {
  await using server = await NatsServer.start((home) => `jetstream {store_dir: "${home}"}`)
  await using proxy = await FaultyProxy.before(server)
  await using near = await open(server.url())
  await near.streams.add({name: 'S', subjects: ['s']})
  await near.streams.consumers.add('S', {name: 'c', ack: 'explicit', maxAckPending: 20_000})
  await using publisher = near.streams.publisher()
  for (let n = 0; n < 10_000; n++) await publisher.push({subject: 's', data: 'x'})
  await publisher.flush()
  await using requests = await near.subscribe('$JS.API.CONSUMER.MSG.NEXT.S.c')
  await near.flush()
  await using far = await open(proxy.url)
  proxy.slow(50)
  const member = await far.streams.consumers.consume('S', 'c')
  for (let seen = 0; seen < (pauseMs > 0 ? 540 : 10_000); ) {
    const taken = await member.take(pauseMs > 0 ? 5 : 512)
    for (const delivery of taken) delivery.ack()
    seen += taken.length
    await sleep(pauseMs)
  }
  await member.close()
  const batches = (await requests.take(1000)).map(({text}) => JSON.parse(text).batch as number)
  expect(batches[0]).toBe(512)
  expect(Math.max(...batches)).toBeGreaterThanOrEqual(least)
  expect(Math.max(...batches)).toBeLessThanOrEqual(most)
})
