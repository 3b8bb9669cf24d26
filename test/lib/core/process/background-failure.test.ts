import {describe, expect, onTestFinished, test} from 'vitest'
import {Broker} from '../../../../src/lib/protocols/broker/broker.ts'
import {register} from '../../../../src/lib/protocols/loom-rpc/serve.ts'
import {Messenger} from '../../../../src/lib/protocols/messenger/messenger.ts'
import type {Subscription, Transport} from '../../../../src/lib/transport/contract.ts'
import {open} from '../../../../src/lib/transport/open.ts'

/** The warnings of the process from now on. */
function warnings(): string[] {
  const all: string[] = []
  const listen = ({message}: Error) => void all.push(message)
  process.on('warning', listen)
  onTestFinished(() => void process.off('warning', listen))
  return all
}

/** A bus whose subscriptions fail. */
async function failing(): Promise<Transport> {
  const bus = await open(`memory:${crypto.randomUUID()}`)
  return {
    ...bus,
    async subscribe(): Promise<Subscription> {
      const failed = () => Promise.reject(new Error('the server closed it'))
      return {
        dropped: 0,
        take: failed,
        drain: async () => {},
        close: async () => {},
        // biome-ignore lint/correctness/useYield: it fails before it has something
        async *[Symbol.asyncIterator]() {
          throw new Error('the server closed it')
        },
        [Symbol.asyncDispose]: async () => {},
      }
    },
  }
}

describe('a subscription that fails in the background becomes a warning without a listener', () => {
  test('of a messenger', async () => {
    const all = warnings()
    await new Messenger(await failing(), {}).stream('a', () => {})
    await expect.poll(() => all).toEqual(['messages on "a": the server closed it'])
  })

  test('of a served method, whose close fails too', async () => {
    const all = warnings()
    const registration = await register(await failing(), 'a', () => '')
    await expect.poll(() => all).toEqual(['calls on "a": the server closed it'])
    await expect(registration.close()).rejects.toThrow('the server closed it')
    const told: unknown[] = []
    await register(await failing(), 'a', () => '', {onFailure: (error) => void told.push(error)})
    await expect.poll(() => told).toHaveLength(1)
    expect(all).toHaveLength(1)
  })

  test('of a broker', async () => {
    const all = warnings()
    const url = `memory:${crypto.randomUUID()}`
    await using bus = await open(url)
    await using broker = new Broker({url, stream: 'GAME', jetstream: true})
    await broker.start()
    await broker.subscribeDurable('GAME.a', 'd', () => {})
    await bus.streams.consumers.remove('GAME', 'd')
    await expect.poll(() => all.join()).toContain('a subscription of the broker: ')
  })
})
