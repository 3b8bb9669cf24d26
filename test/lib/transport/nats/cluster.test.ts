import {describe, expect, it} from 'vitest'
import {BusError} from '../../../../src/lib/core/errors.ts'
import type {Transport} from '../../../../src/lib/transport/contract.ts'
import {open} from '../../../../src/lib/transport/open.ts'
import {NatsServer} from '../../../nats-server.ts'
import {numbers, take, Watched} from './watched.ts'

describe('in a cluster of three', () => {
  it('the loss of the connected server is survived, and nothing published afterwards is missed', async () => {
    await using one = await NatsServer.start(member('one'))
    await using two = await NatsServer.start(member('two', one))
    await using three = await NatsServer.start(member('three', one))
    await using onTwo = await Watched.open(two.url())
    await using onThree = await Watched.open(three.url())
    {
      await using onOne = await open(one.url())
      for (const each of [onTwo.bus, onThree.bus]) await reaches(each, onOne)
      await reaches(onTwo.bus, onThree.bus)
    }
    // It gets the address of one server, and learns the others there.
    await using watched = await Watched.open(one.url())
    const subscription = await watched.bus.subscribe('a')
    await one.stop('SIGKILL')
    await watched.told('reconnected')
    await reaches(onTwo.bus, watched.bus)
    for (const data of numbers(1, 1000)) onTwo.bus.publish({subject: 'a', data})
    expect(await take(subscription, 1000)).toEqual(numbers(1, 1000))
    expect(watched.kinds).toEqual(['disconnected', 'reconnected', 'gap'])
    expect([...onTwo.kinds, ...onThree.kinds]).toEqual([])
  })
})

function member(name: string, seed?: NatsServer): string {
  const routes = seed === undefined ? '' : `routes: ["nats://127.0.0.1:${seed.port('route')}"]`
  return `server_name: ${name}\ncluster { name: C, listen: "127.0.0.1:-1", ${routes} }`
}

/** Resolves when messages from `from` reach `to`, and back: the servers have exchanged their interests. */
async function reaches(from: Transport, to: Transport): Promise<void> {
  await using serving = await to.subscribe('probe')
  const answering = (async () => {
    for await (const {reply = ''} of serving) to.publish({subject: reply})
  })()
  for (;;) {
    const reply = await from.request({subject: 'probe'}, {timeoutMs: 100}).catch((error: BusError) => error)
    if (!(reply instanceof BusError)) break
    if (reply.kind !== 'noResponders' && reply.kind !== 'timeout') throw reply
  }
  await serving.close()
  await answering
}
