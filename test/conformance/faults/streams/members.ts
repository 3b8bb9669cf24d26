import type {Delivery} from '../../../../src/lib/transport/streams-contract.ts'
import type {Fault} from '../../faulty.ts'
import {bentMembers, delivered} from './bending.ts'

/** What becomes of deliveries. */
export const memberFaults: readonly Fault[] = [
  {
    name: 'loses every 1000th delivery',
    fails: ['twenty thousand messages are consumed in order, each acknowledged'],
    bend(sound) {
      let count = 0
      return bentMembers(sound, (member) => ({
        take: async (max, waitMs) => (await member.take(max, waitMs)).filter(() => ++count % 1000 !== 0),
      }))
    },
  },
  {
    name: 'forgets acknowledgements',
    fails: [
      'what is delivered counts as pending until it is acknowledged',
      'the acknowledgement floor rises only over what is acknowledged without a gap',
      'what was acknowledged is with the bus when a flush or a close resolves, for other connections too',
      'a consumer resumes where the connection before it stopped',
      'members of a consumer share its messages, each going to one of them',
    ],
    bend: (sound) => bentMembers(sound, () => ({ack() {}})),
  },
  {
    name: 'has 512 acknowledgements of a member at most',
    fails: ['what was taken may be acknowledged after others have come and before the close'],
    bend: (sound) =>
      bentMembers(sound, (member) => {
        let count = 0
        return {ack: (delivery) => void (++count <= 512 && member.ack(delivery))}
      }),
  },
  {
    name: 'delivers again what is rejected after it was acknowledged',
    fails: ['acknowledging twice, or after a rejection, changes nothing more'],
    bend: (sound) =>
      bentMembers(sound, (member) => {
        const again: Delivery[] = []
        return {
          nak: (delivery) => void again.push(delivery),
          take: async (max, waitMs) => (again.length > 0 ? again.splice(0, max) : member.take(max, waitMs)),
        }
      }),
  },
  {
    name: 'counts every delivery as the first',
    fails: [
      'what is not acknowledged in time is delivered again, and counted',
      'what is rejected is delivered again at once',
      'what comes again keeps the order of its sequences',
    ],
    bend: (sound) =>
      bentMembers(sound, (member) => ({
        async take(max, waitMs) {
          return (await member.take(max, waitMs)).map((delivery) => delivered(member, delivery, {deliveries: 1}))
        },
      })),
  },
  {
    name: 'takes a rejection for work that continues',
    fails: ['what is rejected is delivered again at once'],
    bend: (sound) => bentMembers(sound, (member) => ({nak: (delivery) => member.working(delivery)})),
  },
  {
    name: 'delivers at once what should wait',
    fails: ['what is rejected for a while is delivered again after it, and others go on'],
    bend: (sound) => bentMembers(sound, (member) => ({nak: (delivery) => member.nak(delivery)})),
  },
  {
    name: 'takes a rejection for an acknowledgement, and delivers again all the same',
    fails: ['what is rejected or comes again holds the acknowledgement floor down'],
    bend: (sound) =>
      bentMembers(sound, (member) => {
        const again: Delivery[] = []
        return {
          nak(delivery) {
            again.push(delivery)
            member.ack(delivery)
          },
          take: async (max, waitMs) => (again.length > 0 ? again.splice(0, max) : member.take(max, waitMs)),
        }
      }),
  },
  {
    name: 'takes an end for a rejection',
    fails: ['what is terminated never comes again, and the floor passes it'],
    bend: (sound) => bentMembers(sound, (member) => ({term: (delivery) => member.nak(delivery)})),
  },
  {
    name: 'does not hear that somebody is at work',
    fails: ['who is still at work keeps the message beyond the time to acknowledge'],
    bend: (sound) => bentMembers(sound, () => ({working() {}})),
  },
  {
    name: 'delivers the newest first',
    fails: [
      'what comes again keeps the order of its sequences',
      'a consumer that is made late gets the first message, with all that a delivery tells',
    ],
    bend: (sound) =>
      bentMembers(sound, (member) => ({
        take: async (max, waitMs) => [...(await member.take(max, waitMs))].reverse(),
      })),
  },
  {
    name: 'keeps what a member that closes did not take',
    fails: ['a member that closes gives back what it did not take, at once'],
    bend: (sound) =>
      bentMembers(sound, (member) => {
        let held: readonly Delivery[] = []
        return {
          async take(max, waitMs) {
            if (held.length === 0) held = await member.take(15, waitMs)
            const taken = held.slice(0, max)
            held = held.slice(max)
            return taken
          },
        }
      }),
  },
  {
    name: 'waits for deliveries without end',
    fails: ['a take waits for the given time, or until something arrives, and gives what is there at once'],
    bend: (sound) => bentMembers(sound, (member) => ({take: (max) => member.take(max)})),
  },
  {
    name: 'gives a long wait to setTimeout as it is',
    fails: ['a take that may wait for more than a month is not over at once'],
    bend: (sound) =>
      bentMembers(sound, (member) => ({
        take: (max, waitMs) => member.take(max, waitMs !== undefined && waitMs > 2 ** 31 - 1 ? 1 : waitMs),
      })),
  },
  {
    name: 'lets a second reader wait behind the first',
    fails: ['a second take while one waits is refused at once, and the first continues'],
    bend: (sound) =>
      bentMembers(sound, (member) => {
        let before: Promise<unknown> = Promise.resolve()
        return {
          take(max, waitMs) {
            const taken = before.then(() => member.take(max, waitMs))
            before = taken.catch(() => {})
            return taken
          },
        }
      }),
  },
]
