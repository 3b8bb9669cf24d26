import {randomUUID} from 'node:crypto'
import {expect, test} from 'vitest'
import {BusError} from '../../../../src/lib/core/errors.ts'
import {type Advertised, advertise, checkIdentity} from '../../../../src/lib/messaging/pubsub/service.ts'
import type {Transport} from '../../../../src/lib/transport/contract.ts'
import {openMemory} from '../../../../src/lib/transport/memory/driver.ts'

const identity = {name: 'greeter', id: 'one', version: '1.2.3', description: ''}
const tally = {served: 3, failed: 1, spentMs: 1.5, lastFault: {code: 504, text: 'late'}}

function advertised(bus: Transport, onFailure = () => {}): Promise<Advertised> {
  return advertise(bus, {identity, endpoint: {subject: 'greet'}, tally: () => tally, onFailure})
}

test('durations of a service are in nanoseconds', async () => {
  await using bus = openMemory(`memory:${randomUUID()}`)
  await using _ = await advertised(bus)
  const {endpoints} = JSON.parse((await bus.request({subject: '$SRV.STATS.greeter.one'})).text)
  const times = {processing_time: 1_500_000, average_processing_time: 500_000}
  const counts = {num_requests: 3, num_errors: 1, last_error: '504:late'}
  expect(endpoints).toEqual([{name: 'default', subject: 'greet', ...counts, ...times}])
})

test('a discovery request without a reply subject, or with an invalid one, has no effect', async () => {
  await using bus = openMemory(`memory:${randomUUID()}`)
  const picky: Transport = {
    ...bus,
    publish(message) {
      if (message.subject === 'bad') throw new BusError('usage', 'bad')
      bus.publish(message)
    },
  }
  await using _ = await advertised(picky)
  bus.publish({subject: '$SRV.PING'})
  bus.publish({subject: '$SRV.PING', reply: 'bad'})
  expect(JSON.parse((await bus.request({subject: '$SRV.PING'})).text)).toMatchObject({name: 'greeter'})
})

test('a failure of discovery is reported, and again by close', async () => {
  await using bus = openMemory(`memory:${randomUUID()}`)
  const full = new BusError('denied', 'the disk is full')
  const broken: Transport = {...bus, flush: () => Promise.reject(full)}
  let service: Advertised | undefined
  await new Promise<void>((resolve) => {
    const started = advertised(broken, resolve)
    void started.then((live) => {
      service = live
      bus.publish({subject: '$SRV.PING', reply: 'here'})
    })
  })
  await expect(service?.close()).rejects.toBe(full)
})

test.each(['0.0.0', '1.2.3-rc.1', '1.2.3+b.1', '10.20.30-a-b.0x+z'])('%s is a version', (version) => {
  expect(checkIdentity({name: 'a_B-1', version})).toEqual({name: 'a_B-1', version})
})

test.each(['1', '1.2', '1.2.3.4', '1.2.3-', '1.2.3-01', ' 1.2.3', '1.2.3\n'])('%j is not a version', (version) => {
  expect(() => checkIdentity({name: 'a', version})).toThrow('is not a semantic version')
})
