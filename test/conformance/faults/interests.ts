import type {Interest, Transport} from '../../../src/lib/transport/contract.ts'
import type {Fault} from '../faulty.ts'

/** Interests as they are, except for a change. */
function changed(sound: Transport, change: (known: readonly Interest[]) => readonly Interest[]): Partial<Transport> {
  return {
    async interests(pattern) {
      const interests = await sound.interests?.(pattern)
      return interests !== undefined && 'known' in interests ? {known: change(interests.known)} : {known: []}
    },
  }
}

/** Faults in who is known to subscribe. */
export const interestFaults: readonly Fault[] = [
  {
    name: 'forgets the queue groups of interests',
    fails: ['the interests are the subscriptions of all clients, with queue group and name'],
    bend: (sound) => changed(sound, (known) => known.map((each) => ({...each, queue: undefined}))),
  },
  {
    name: 'takes every interest for that of another client',
    fails: ['the interests are the subscriptions of all clients, with queue group and name'],
    bend: (sound) =>
      changed(sound, (known) => known.map((each) => ({...each, client: {...each.client, isOwn: false}}))),
  },
  {
    name: 'tells all interests, whatever the pattern',
    fails: ['the interests of a pattern share a subject with it'],
    bend: (sound) => ({interests: async () => (await sound.interests?.()) ?? {known: []}}),
  },
  {
    name: 'remembers interests for ever',
    fails: ['a subscription that has ended is no interest'],
    bend(sound) {
      const seen = new Map<string, Interest>()
      return changed(sound, (known) => {
        for (const each of known) seen.set(`${each.pattern} ${each.queue}`, each)
        return [...seen.values()]
      })
    },
  },
]
