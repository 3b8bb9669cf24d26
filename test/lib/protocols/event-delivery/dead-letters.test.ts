import {expect, test} from 'vitest'
import {Message} from '../../../../src/lib/core/message.ts'
import {DeadLetters} from '../../../../src/lib/protocols/event-delivery/dead-letters.ts'
import {eventOf} from '../../../../src/lib/protocols/event-delivery/event.ts'
import {parseOptions} from '../../../../src/lib/protocols/event-delivery/subscription.ts'
import {open} from '../../../../src/lib/transport/open.ts'

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
  const dead = new DeadLetters(bus, subscription)
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
