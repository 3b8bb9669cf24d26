import {expect, test} from 'vitest'
import {subscriptionDocument} from '../../../src/commands/events/subscriptions.ts'
import {BusError} from '../../../src/lib/core/errors.ts'
import {parseOptions} from '../../../src/lib/protocols/event-delivery/subscription.ts'
import {open} from '../../../src/lib/transport/open.ts'

test('a subscription is shown without its stream only if the stream is known to be missing', async () => {
  await using bus = await open(`memory:${crypto.randomUUID()}`)
  const subscription = {
    ...{id: 'i', namespace: 'S', name: 'app', transport: 'websockets', filter: {}},
    ...{options: parseOptions({}, {withData: false}), ephemeral: false, created: '', updated: ''},
  }
  const shown = await subscriptionDocument(subscription, 3, bus.streams)
  expect(shown.status).toEqual({currentOffset: 3, lastSequence: undefined})
  const denied = new BusError('denied', 'you may not look at S')
  const streams = {...bus.streams, info: () => Promise.reject(denied)}
  await expect(subscriptionDocument(subscription, 3, streams)).rejects.toBe(denied)
})
