import type {Delivery} from '../../../../src/lib/transport/streams-contract.ts'
import type {Fault} from '../../faulty.ts'
import {bentMembers, delivered} from './bending.ts'

/** Faults in deliveries. */
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
      'delivered messages count as ack pending until they are acknowledged',
      'the ack floor advances only over messages acknowledged without a gap',
      'acknowledgements have reached the bus when a flush or a close resolves, for other connections too',
      'a consumer resumes where the previous connection stopped',
      'members of a consumer share its messages, each going to one of them',
    ],
    bend: (sound) => bentMembers(sound, () => ({ack() {}})),
  },
  {
    name: 'keeps at most 512 acknowledgements of a member',
    fails: ['taken messages may be acknowledged after later ones were taken and before the close'],
    bend: (sound) =>
      bentMembers(sound, (member) => {
        let count = 0
        return {ack: (delivery) => void (++count <= 512 && member.ack(delivery))}
      }),
  },
  {
    name: 'redelivers a message that is rejected after it was acknowledged',
    fails: ['acknowledging twice, or after a rejection, changes nothing'],
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
      'a message not acknowledged in time is redelivered, and counted',
      'a rejected message is redelivered immediately',
      'redelivered messages keep the order of their sequences',
    ],
    bend: (sound) =>
      bentMembers(sound, (member) => ({
        async take(max, waitMs) {
          return (await member.take(max, waitMs)).map((delivery) => delivered(member, delivery, {deliveries: 1}))
        },
      })),
  },
  {
    name: 'treats a rejection as a progress report',
    fails: ['a rejected message is redelivered immediately'],
    bend: (sound) => bentMembers(sound, (member) => ({nak: (delivery) => member.working(delivery)})),
  },
  {
    name: 'redelivers immediately instead of after the delay',
    fails: ['a message rejected with a delay is redelivered after it, and others continue'],
    bend: (sound) => bentMembers(sound, (member) => ({nak: (delivery) => member.nak(delivery)})),
  },
  {
    name: 'treats a rejection as an acknowledgement, but redelivers',
    fails: ['rejected and redelivered messages hold the ack floor'],
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
    name: 'treats a termination as a rejection',
    fails: ['a terminated message is never redelivered, and the ack floor passes it'],
    bend: (sound) => bentMembers(sound, (member) => ({term: (delivery) => member.nak(delivery)})),
  },
  {
    name: 'ignores progress reports',
    fails: ['a member that reports progress keeps the message beyond the ack wait'],
    bend: (sound) => bentMembers(sound, () => ({working() {}})),
  },
  {
    name: 'delivers the newest first',
    fails: [
      'redelivered messages keep the order of their sequences',
      'a consumer created late gets the first message, with all properties of a delivery',
    ],
    bend: (sound) =>
      bentMembers(sound, (member) => ({
        take: async (max, waitMs) => [...(await member.take(max, waitMs))].reverse(),
      })),
  },
  {
    name: 'does not return messages that a closing member did not take',
    fails: ['a member that closes returns messages that it did not take, immediately'],
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
    name: 'ignores the time limit of a take',
    fails: ['a take waits for the given time, or until something arrives, and returns available messages immediately'],
    bend: (sound) => bentMembers(sound, (member) => ({take: (max) => member.take(max)})),
  },
  {
    name: 'passes a long wait to setTimeout unchanged',
    fails: ['a take that may wait for more than a month does not end immediately'],
    bend: (sound) =>
      bentMembers(sound, (member) => ({
        take: (max, waitMs) => member.take(max, waitMs !== undefined && waitMs > 2 ** 31 - 1 ? 1 : waitMs),
      })),
  },
  {
    name: 'lets a second reader wait behind the first',
    fails: ['a second take while one waits is refused immediately, and the first continues'],
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
