import {afterAll, describe, expect, it} from 'vitest'
import type {Subscription} from '../../../../src/lib/transport/contract.ts'
import {open} from '../../../../src/lib/transport/open.ts'
import {NatsServer} from '../../../nats-server.ts'

const server = await NatsServer.start()
afterAll(() => server[Symbol.asyncDispose]())

const patterns = ['a.*', '*.b', 'a.>', 'c', '*.b.>']
const subjects = ['a.b', 'a.x', 'x.b', 'c', 'a.b.c', 'x.b.c', 'd']
const numbered = Array.from({length: 700}, (_, i) => ({subject: subjects[i % subjects.length] ?? '', data: String(i)}))
const wanted = numbered.filter(({subject}) => subject !== 'd').map(({data}) => data)

async function drained(subscription: Subscription): Promise<string[]> {
  await subscription.drain()
  const all: string[] = []
  for await (const {text} of subscription) all.push(text)
  return all
}

describe('patterns of one subscription that overlap', () => {
  it('deliver each message once, in order', async () => {
    await using bus = await open(server.url())
    const subscription = await bus.subscribe(patterns)
    for (const message of numbered) bus.publish(message)
    await bus.flush()
    expect(await drained(subscription)).toEqual(wanted)
  })

  it('deliver each message once to a queue group, whichever pattern the server chooses', async () => {
    await using bus = await open(server.url())
    await using other = await open(server.url())
    const members = await Promise.all([bus, other, other].map((each) => each.subscribe(patterns, {queue: 'q'})))
    for (const message of numbered) bus.publish(message)
    await bus.flush()
    const shares = await Promise.all(members.map(drained))
    expect(shares.flat().sort((one, two) => Number(one) - Number(two))).toEqual(wanted)
    expect(shares.every((share) => share.length > 0)).toBe(true)
  })
})
