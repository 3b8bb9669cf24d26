/**
 * Uses each of the bus files in every way, and prints each failure that is not a sentence, and an end; a process of its own, because it
 * may hang.
 */
import {BusError, firstFailure} from '../../../../src/lib/core/errors.ts'
import {open} from '../../../../src/lib/transport/open.ts'

const paths = process.argv.slice(2)

async function attempt(name: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!(firstFailure(error) instanceof BusError)) console.log(`${name}: ${(error as Error).stack}`)
  }
}

const ways: Readonly<Record<string, (bus: Awaited<ReturnType<typeof open>>) => Promise<unknown>>> = {
  examine: async (bus) => bus.examine?.(),
  facts: (bus) => bus.facts(),
  list: async (bus) => {
    for (const info of await bus.streams.list()) new Date(info.created).toISOString()
  },
  info: async (bus) => new Date((await bus.streams.info('S')).state.lastTime ?? 0).toISOString(),
  read: async (bus) => {
    await using reading = await bus.streams.read('S', {})
    for await (const message of reading) new Date(message.time).toISOString()
  },
  consumers: (bus) => bus.streams.consumers.list('S'),
  consume: async (bus) => {
    await using member = await bus.streams.consumers.consume('S', 'c')
    for (const message of await member.take(10, 200)) await message.ack()
  },
  publish: async (bus) => {
    bus.publish({subject: 's.a', data: 'x'})
    bus.publish({subject: 'other', data: 'x', headers: [['a', 'b']]})
    await bus.flush()
  },
  store: (bus) => bus.streams.publish({subject: 's.a', data: 'x', headers: [['Nats-Msg-Id', 'm1']]}),
  subscribe: async (bus) => {
    await using subscription = await bus.subscribe('>', {queue: 'q'})
    bus.publish({subject: 's.b', data: 'x'})
    await bus.flush()
    await Promise.race([subscription.take(10), new Promise((resolve) => setTimeout(resolve, 300))])
  },
  request: (bus) => bus.request({subject: 'nobody'}, {timeoutMs: 200}),
  purge: (bus) => bus.streams.purge('S', {keep: 1}),
  remove: (bus) => bus.streams.remove('S'),
}

async function use(path: string): Promise<void> {
  for (const [name, way] of Object.entries(ways)) {
    await attempt(`${path} ${name}`, async () => {
      await using bus = await open(path)
      await way(bus)
    })
  }
}

await Promise.all(paths.map(use))
console.log('all used')
process.exit(0)
