import {describe, expect, test} from 'vitest'
import {Message} from '../../../../src/lib/core/message.ts'
import {DeadLetters} from '../../../../src/lib/protocols/event-delivery/dead-letters.ts'
import {eventOf} from '../../../../src/lib/protocols/event-delivery/event.ts'
import {parseOptions} from '../../../../src/lib/protocols/event-delivery/subscription.ts'
import {open} from '../../../../src/lib/transport/open.ts'
import {onBothBuses} from '../../../both-buses.ts'
import {gateway} from './direct.ts'

test('an event with headers that cannot be sent becomes a dead letter without them', async () => {
  await using bus = await open(`memory:${crypto.randomUUID()}`)
  await bus.streams.add({name: 'DEAD', subjects: ['dead.>']})
  const options = parseOptions({deadLetter: 'dead.{subject}'}, {withData: true})
  const subscription = {
    ...{id: 'i', namespace: 'S', name: 'app', transport: 'exec', filter: {}, options},
    ...{ephemeral: false, created: '', updated: ''},
  }
  const headers = [
    ['A', '1'],
    ['B', 'x\nEvil: 1'],
    ['C D', '2'],
    ['Nats-Msg-Id', 'm'],
  ] as const
  const event = eventOf('S', new Message('a', 'x', headers, undefined, 7))
  const dead = new DeadLetters(bus, subscription, () => undefined)
  dead.giveUp([event], 'it\r\nbroke')
  expect(await dead.bury(event)).toBe(true)
  expect((await bus.streams.last('DEAD', 'dead.a')).headers).toEqual([
    ['A', '1'],
    ['Nats-Msg-Id', `i:${event.id}`],
    ['Bus-Stream', 'S'],
    ['Bus-Sequence', '7'],
    ['Bus-Subject', 'a'],
    ['Bus-Subscription', 'app'],
    ['Bus-Reason', 'it broke'],
  ])
})

describe('a dead letter that is too large for its stream', () => {
  onBothBuses((newScene) => {
    test('is stored without payload and headers, and later events are delivered', async () => {
      await using scene = await newScene()
      const bus = scene.transport
      await bus.streams.add({name: 'ORDERS', subjects: ['orders.>']})
      await bus.streams.add({name: 'DEAD', subjects: ['dead.>'], maxMsgSize: 1000})
      await bus.streams.publish({subject: 'orders.new', data: 'x'.repeat(1000), headers: [['A', '1']]})
      await bus.streams.publish({subject: 'orders.new', data: '2'})
      const options = {firstEvent: 'oldest', maxRejects: 1, deadLetter: 'dead.{subject}'}
      await using given = await gateway(bus, options)
      const application = given.connect('c')
      application.onDelivery = ({events}) =>
        void (events[0]?.sequence === 1 && application.reject(events[0].message.text, {info: 'n'.repeat(300)}))
      expect(await application.payloads(2)).toMatch(/ 2$/)
      const {payload, headers} = await bus.streams.last('DEAD', 'dead.orders.new')
      expect(payload).toHaveLength(0)
      expect(headers).toContainEqual(['Bus-Sequence', '1'])
      expect(headers).toContainEqual(['Bus-Left-Out', 'payload and headers'])
      expect(given.said.filter((line) => line.includes('has neither its payload'))).toHaveLength(1)
    })

    test('that is too large even then stops the subscription with an error', async () => {
      await using scene = await newScene()
      const bus = scene.transport
      await bus.streams.add({name: 'ORDERS', subjects: ['orders.>']})
      await bus.streams.add({name: 'DEAD', subjects: ['dead.>'], maxMsgSize: 50})
      await bus.streams.publish({subject: 'orders.new', data: 'x'.repeat(100)})
      await using given = await gateway(bus, {firstEvent: 'oldest', maxRejects: 1, deadLetter: 'dead.{subject}'})
      const application = given.connect('c')
      application.onDelivery = ({events}) => void application.reject(events[0]?.message.text ?? '')
      await expect.poll(() => given.said.join('\n')).toContain('the dead letter of event 1 cannot be stored')
    })
  })
})
