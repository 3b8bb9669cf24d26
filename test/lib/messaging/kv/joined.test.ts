import {expect, it} from 'vitest'
import {JoinedSubscription} from '../../../../src/lib/messaging/kv/joined.ts'
import {open} from '../../../../src/lib/transport/open.ts'

/** A stream with these messages on a bus in memory. */
async function busWith(texts: readonly string[]) {
  const bus = await open(`memory:${crypto.randomUUID()}`)
  await bus.streams.add({name: 'A', subjects: ['a']})
  for (const data of texts) await bus.streams.publish({subject: 'a', data})
  return bus
}

it('reads the second after the first, and closes both', async () => {
  await using bus = await busWith(['1', '2', '3'])
  const first = await bus.streams.read('A', {to: {seq: 2}})
  const joined = new JoinedSubscription(first, () => bus.streams.read('A', {from: {seq: 3}}))
  const seen: string[] = []
  for await (const {text} of joined) seen.push(text)
  expect(seen).toEqual(['1', '2', '3'])
})

it('that is drained while the second is being opened ends, even if that fails', async () => {
  await using bus = await busWith([])
  const opening = Promise.withResolvers<never>()
  const begun = Promise.withResolvers<void>()
  const joined = new JoinedSubscription(await bus.streams.read('A'), () => {
    begun.resolve()
    return opening.promise
  })
  const taken = joined.take(1)
  await begun.promise
  await joined.drain()
  opening.reject(new Error('interrupted'))
  expect(await taken).toEqual([])
})

it('fails if the second cannot be opened', async () => {
  await using bus = await busWith([])
  const joined = new JoinedSubscription(await bus.streams.read('A'), () => bus.streams.read('NONE'))
  await expect(joined.take(1)).rejects.toMatchObject({kind: 'notFound'})
})
