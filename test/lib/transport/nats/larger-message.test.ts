import {writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {expect, test} from 'vitest'
import {open} from '../../../../src/lib/transport/open.ts'
import {NatsServer} from '../../../nats-server.ts'

test('a message that is larger than the server allows now is read', async () => {
  const allow = (home: string, most: string) => writeFileSync(join(home, 'payload.conf'), `max_payload: ${most}\n`)
  await using server = await NatsServer.start((home) => {
    allow(home, '40MB')
    return `jetstream {store_dir: "${home}"}\ninclude "./payload.conf"`
  })
  {
    await using bus = await open(server.url())
    await bus.streams.add({name: 'S', subjects: ['s']})
    await bus.streams.consumers.add('S', {name: 'c'})
    await bus.streams.publish({subject: 's', data: new Uint8Array(20 * 1024 * 1024)})
    await bus.streams.publish({subject: 's', data: 'small'})
  }
  await server.stop()
  allow(server.folder, '1MB')
  await server.run()
  await using bus = await open(server.url())
  const sizes: number[] = []
  await using reading = await bus.streams.read('S')
  while (sizes.length < 2) sizes.push(...(await reading.take(2)).map(({data}) => data.length))
  await using member = await bus.streams.consumers.consume('S', 'c')
  while (sizes.length < 4) sizes.push(...(await member.take(2)).map(({data}) => data.length))
  expect(sizes).toEqual([20 * 1024 * 1024, 5, 20 * 1024 * 1024, 5])
})
