/** Commands that a server is too old for: they fail with one sentence that names the version, before anything is published or created. */
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import type {Transport} from '../../src/lib/transport/contract.ts'
import {open} from '../../src/lib/transport/open.ts'
import {bus} from '../bus.ts'
import {lacks, NatsServer} from '../nats-server.ts'

/** Command lines, the minor version that they need, and how the error calls the feature. */
const lines: readonly (readonly [line: string, minor: number, what: string])[] = [
  ['stream add NEW --mirror ORDERS,filter=orders.a', 10, 'a filter of a mirror'],
  ['stream add NEW --source ORDERS,transform=orders.a:x', 10, 'a transform of a mirror or source'],
  ['stream add NEW --metadata a=b', 10, 'metadata'],
  ['stream add NEW --allow-ttl', 11, 'allow_msg_ttl'],
  ['kv add new --marker-ttl 1h', 11, 'allow_msg_ttl'],
  ['pub orders.a 1 --ack --ttl 5s', 11, 'the header Nats-TTL'],
  ['pub orders.a 1 --ack -H Nats-TTL:5s', 11, 'the header Nats-TTL'],
  ['pub --records - --ack --obey-headers', 11, 'the header Nats-TTL'],
  ['kv create bucket key value --ttl 5s', 11, 'the header Nats-TTL'],
  ['trace orders.a', 11, 'tracing'],
  ['consumer add ORDERS new --priority-policy overflow --priority-group a', 11, 'priority_groups'],
  ['pub orders.a --lines --batch', 12, 'a batch'],
  ['pub orders.a 1 --ack --after 1m --target x', 12, 'publishing later'],
  ['pub orders.a 1 --ack --at 2100-01-01 --target x', 12, 'publishing later'],
  ['pub orders.a 1 --ack --cron @hourly --target x', 12, 'publishing later'],
  ['pub orders.a 1 --ack -H Nats-Schedule:@hourly -H Nats-Schedule-Target:x', 12, 'the header Nats-Schedule'],
  ['pub orders.a --ack -H Nats-Incr:+1', 12, 'the header Nats-Incr'],
  ['stream add NEW --allow-schedules', 12, 'allow_msg_schedules'],
  ['stream add NEW --allow-atomic', 12, 'allow_atomic'],
]
const record = JSON.stringify({subject: 'orders.a', text: '1', headers: {'Nats-TTL': '5s'}})

const lacked = new Map<number, string>()
for (const [, minor] of lines) lacked.set(minor, await lacks(2, minor))

describe('a feature that an older server does not have', () => {
  let server: NatsServer
  let transport: Transport
  beforeAll(async () => {
    server = await NatsServer.start((home) => `jetstream {store_dir: "${home}"}`)
    transport = await open(server.url())
    await transport.streams.add({name: 'ORDERS', subjects: ['orders.>']})
    await transport.streams.add({
      ...{name: 'KV_bucket', subjects: ['$KV.bucket.>'], maxMsgsPerSubject: 1, allowRollup: true, discard: 'new'},
    })
  })
  afterAll(async () => {
    await transport.close()
    await server[Symbol.asyncDispose]()
  })

  for (const [line, minor, what] of lines) {
    test.skipIf(lacked.get(minor) === '')(`is refused with exit code 2: ${line}`, async () => {
      const stdin = line.includes('--records') ? `${record}\n` : 'one\ntwo\n'
      const {code, stdout, stderr} = await bus([...line.split(' '), '-b', server.url()], {stdin})
      expect([code, stdout]).toEqual([2, ''])
      expect(stderr).toMatch(new RegExp(`the server of .* is 2\\.\\d+\\.\\d+: ${what} needs 2\\.${minor}`))
      expect((await transport.streams.list()).map(({config, state}) => [config.name, state.messages])).toEqual([
        ['KV_bucket', 0],
        ['ORDERS', 0],
      ])
    })
  }
})
