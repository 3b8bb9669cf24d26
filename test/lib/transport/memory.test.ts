import {expect, test} from 'vitest'
import type {Notice} from '../../../src/lib/transport/contract.ts'
import {openMemory} from '../../../src/lib/transport/memory/driver.ts'

test('a publisher may reuse its buffer after publishing', async () => {
  await using bus = openMemory('memory:copy')
  const subscription = await bus.subscribe('a')
  const buffer = Buffer.from('before')
  bus.publish({subject: 'a', data: buffer})
  buffer.write('after!')
  expect((await subscription.take(1))[0]?.text).toBe('before')
})

test('members of a queue group take turns', async () => {
  await using bus = openMemory('memory:turns')
  const members = await Promise.all([1, 2, 3].map(() => bus.subscribe('a', {queue: 'q'})))
  for (let i = 0; i < 9; i++) bus.publish({subject: 'a', data: String(i)})
  const got = await Promise.all(members.map((member) => member.take(9)))
  expect(got.map((messages) => messages.map((message) => message.text).join(''))).toEqual(['036', '147', '258'])
})

test('a slow consumer is reported once until it reads again', async () => {
  const notices: Notice[] = []
  await using bus = openMemory('memory:slow', {notify: (notice) => notices.push(notice)})
  const slow = await bus.subscribe('a', {pendingLimit: 2})
  for (let i = 0; i < 10; i++) bus.publish({subject: 'a'})
  expect(notices).toEqual([{kind: 'slowConsumer', text: expect.stringContaining('1 dropped')}])
  await slow.take(1)
  for (let i = 0; i < 10; i++) bus.publish({subject: 'a'})
  expect(notices).toHaveLength(2)
  expect(slow.dropped).toBe(17)
})

test('a draining responder serves no more requests, even if it has not finished yet', async () => {
  await using bus = openMemory('memory:draining')
  const responder = await bus.subscribe('a')
  bus.publish({subject: 'a', data: 'held'})
  await responder.drain()
  await expect(bus.request({subject: 'a'})).rejects.toMatchObject({kind: 'noResponders'})
  expect((await responder.take(5)).map((message) => message.text)).toEqual(['held'])
})

test('a publisher may reuse its buffer after storing', async () => {
  await using bus = openMemory('memory:stored-copy')
  await bus.streams.add({name: 'A'})
  const buffer = Buffer.from('before')
  await bus.streams.publish({subject: 'A', data: buffer})
  buffer.write('after!')
  expect((await bus.streams.last('A', 'A')).text).toBe('before')
})

test('a bus with streams still exists after its last connection has closed', async () => {
  const first = openMemory('memory:kept')
  await first.streams.add({name: 'A'})
  await first.close()
  await using second = openMemory('memory:kept')
  expect((await second.streams.list()).map(({config}) => config.name)).toEqual(['A'])
})
