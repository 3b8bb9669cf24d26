import {expect} from 'vitest'
import type {Interest, Transport} from '../../src/lib/transport/contract.ts'
import type {Case} from './case.ts'

/** The subscriptions as the bus tells them; undefined on a bus that does not know them. */
async function interestsOn(bus: Transport, pattern?: string): Promise<readonly Interest[] | undefined> {
  const interests = await bus.interests?.(pattern)
  return interests !== undefined && 'known' in interests ? interests.known : undefined
}

const shown = ({pattern, queue, client: {isOwn, name}}: Interest) =>
  `${pattern}${queue === undefined ? '' : ` in ${queue}`} of ${isOwn ? 'our ' : ''}${name}`

export const interests: readonly Case[] = [
  {
    name: 'the interests are the subscriptions of all clients, with queue group and name',
    async run(scene) {
      const [bus, other] = [await scene.connect({name: 'one'}), await scene.connect({name: 'other'})]
      if ((await interestsOn(bus, 'x.>')) === undefined) return
      await bus.subscribe(['x.a', 'x.b.>'])
      await other.subscribe('x.*', {queue: 'q'})
      await other.subscribe('x.a')
      const known = (await interestsOn(bus, 'x.>')) ?? []
      expect(known.map(shown).sort()).toEqual([
        'x.* in q of other',
        'x.a of other',
        'x.a of our one',
        'x.b.> of our one',
      ])
    },
  },
  {
    name: 'the interests of a pattern share a subject with it',
    async run(scene) {
      const [bus, other] = [await scene.connect(), await scene.connect({name: 'other'})]
      if ((await interestsOn(bus, 'x')) === undefined) return
      for (const pattern of ['x.a', 'x.*', 'x.>', '*.a', 'x.b', 'x', 'y.>']) await other.subscribe(pattern)
      const patterns = async (wanted: string) => (await interestsOn(bus, wanted))?.map(({pattern}) => pattern).sort()
      expect(await patterns('x.a')).toEqual(['*.a', 'x.*', 'x.>', 'x.a'])
      expect(await patterns('*.b')).toEqual(['x.*', 'x.>', 'x.b', 'y.>'])
      await expect(interestsOn(bus, 'x..a')).rejects.toMatchObject({kind: 'usage'})
    },
  },
  {
    name: 'a subscription that has ended is no interest',
    async run(scene) {
      const [bus, other] = [await scene.connect(), await scene.connect({name: 'other'})]
      if ((await interestsOn(bus, 'x')) === undefined) return
      const subscription = await other.subscribe('x')
      expect(await interestsOn(bus, 'x')).toHaveLength(1)
      await subscription.close()
      await other.flush()
      await scene.eventually(async () => expect(await interestsOn(bus, 'x')).toEqual([]))
    },
  },
]
