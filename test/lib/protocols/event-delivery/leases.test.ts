import {describe, expect, test} from 'vitest'
import {openBucket} from '../../../../src/lib/messaging/kv/bucket.ts'
import {type LeaseBucket, Leases} from '../../../../src/lib/protocols/event-delivery/leases.ts'
import type {Subscription, Transport} from '../../../../src/lib/transport/contract.ts'
import {open} from '../../../../src/lib/transport/open.ts'

const subject = 'bus-events.gateway.one'

/** Leases of the gateway `one` on a bus with a fault, the bus without it, and the warnings. */
async function leasesOn(fault: (sound: Transport) => Partial<Transport>) {
  const sound = await open(`memory:${crypto.randomUUID()}`)
  const said: string[] = []
  const warn = (line: string) => void said.push(line)
  const bucket = await openBucket(sound.streams, 'b', {make: true})
  const leases = await Leases.open({...bound(sound), ...fault(sound)}, bucket, {self: 'one', warn})
  return {sound, said, leases}
}

function bound(bus: Transport): Transport {
  return {
    ...bus,
    publish: (message) => bus.publish(message),
    subscribe: (patterns, options) => bus.subscribe(patterns, options),
  }
}

const asked = async (bus: Transport) => (await bus.request({subject}, {timeoutMs: 300})).text

describe('the leases of a gateway', () => {
  test('answer the next request, and warn, after an answer that could not be sent', async () => {
    let failures = 1
    const {sound, said, leases} = await leasesOn((bus) => ({
      publish(message) {
        if (failures-- > 0) throw new Error('no room')
        bus.publish(message)
      },
    }))
    await expect(asked(sound)).rejects.toMatchObject({kind: 'timeout'})
    expect(await asked(sound)).toBe('alive')
    expect(said).toEqual(['a request from another gateway could not be answered: no room'])
    await leases[Symbol.asyncDispose]()
  })

  test.each([
    ['fails', 'requests from other gateways: lost'],
    ['ends', 'the subscription to requests from other gateways has ended; subscribing again'],
  ])('subscribe to requests again, and warn, if their subscription %s', async (how, line) => {
    let failures = 1
    const {sound, said, leases} = await leasesOn((bus) => ({
      async subscribe(patterns, options): Promise<Subscription> {
        const subscription = await bus.subscribe(patterns, options)
        if (failures-- <= 0) return subscription
        await subscription.close()
        if (how === 'ends') return subscription
        return {
          ...subscription,
          // biome-ignore lint/correctness/useYield: it fails before it has something
          async *[Symbol.asyncIterator]() {
            throw new Error('lost')
          },
        }
      },
    }))
    await expect.poll(() => asked(sound).catch(() => ''), {timeout: 3000}).toBe('alive')
    expect(said).toEqual([line])
    await leases[Symbol.asyncDispose]()
  })
})

test('a lease that could not be released is released later, with a warning', async () => {
  const bus = await open(`memory:${crypto.randomUUID()}`)
  const bucket = await openBucket(bus.streams, 'b', {make: true})
  const said: string[] = []
  let failures = 2
  const faulty: LeaseBucket = {
    get: (key) => bucket.get(key),
    update: (key, value, revision) => bucket.update(key, value, revision),
    async remove(key) {
      if (failures-- > 0) throw new Error('no answer')
      return bucket.remove(key)
    },
  }
  await using one = await Leases.open(bus, faulty, {self: 'one', warn: (line) => void said.push(line)})
  await using two = await Leases.open(bus, bucket, {self: 'two', warn: () => {}})
  const ref = {id: '1', namespace: 'ORDERS', name: 'app'}
  const stop = AbortSignal.timeout(5000)
  expect(await one.acquire(ref, stop, () => {})).toBe(true)
  await one.release(ref)
  expect(await two.acquire(ref, stop, () => {})).toBe(true)
  expect(said).toEqual(['subscription app: its lease could not be released: no answer'])
})

describe('a lease that does not name a gateway', () => {
  test.each(['garbage', 'a b', '>', '*', '', 'x'.repeat(10_000), 'one.two'])(
    '(%j) is reported and taken over',
    async (value) => {
      const bus = await open(`memory:${crypto.randomUUID()}`)
      const bucket = await openBucket(bus.streams, 'b', {make: true})
      await bucket.update('lease.1', value, 0)
      const said: string[] = []
      const self = crypto.randomUUID()
      await using leases = await Leases.open(bus, bucket, {self, warn: (line) => void said.push(line)})
      const stop = AbortSignal.timeout(2000)
      const ref = {id: '1', namespace: 'ORDERS', name: 'app'}
      expect(await leases.acquire(ref, stop, () => said.push('waiting'))).toBe(true)
      expect(said).toEqual(['subscription app: its lease lease.1 does not name a gateway, and is taken over'])
      expect((await bucket.get('lease.1'))?.value).toBe(self)
    },
  )
})
