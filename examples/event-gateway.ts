/** A gateway that delivers a stream's events over WebSocket, and an application that acknowledges them. */
import {connectEvents, EventManager, websockets} from 'busline/delivery'
import {open} from 'busline/transport'

const [, , url = 'memory:example'] = process.argv
await using bus = await open(url)
await bus.streams.add({name: 'PAYMENTS', subjects: ['payments.>']})
for (const id of [1, 2]) await bus.streams.publish({subject: 'payments.made', data: JSON.stringify({id})})

await using manager = await EventManager.start(bus, {warn: console.error})
const gateway = websockets()
await manager.use(gateway, {address: {host: '127.0.0.1', port: 0}})

await using application = await connectEvents(gateway.url, {token: gateway.token, timeoutMs: 5000})
application.start({
  type: 'start',
  namespace: 'PAYMENTS',
  ephemeral: true,
  options: {firstEvent: 'oldest', withData: true},
})
let count = 0
for await (const delivered of application.deliveries()) {
  for (const {topic, data} of delivered.events) console.log(topic, data?.json)
  application.answer('ack', delivered)
  if (++count === 2) break
}

// Prints:
// payments.made { id: 1 }
// payments.made { id: 2 }
