/** Publish and subscribe on any bus: `node publish-subscribe.ts nats://127.0.0.1:4222`. */
import {open} from 'busline/transport'

const [, , url = 'memory:example'] = process.argv
await using bus = await open(url)

// Live once the promise resolves: messages published after that are not missed.
const orders = await bus.subscribe('orders.*')
for (const id of [1, 2, 3])
  bus.publish({subject: 'orders.created', data: JSON.stringify({id}), headers: [['Trace', 'a']]})
await bus.flush()

let count = 0
for await (const message of orders) {
  console.log(message.subject, message.text, message.header('trace'))
  if (++count === 3) break
}

// Prints:
// orders.created {"id":1} a
// orders.created {"id":2} a
// orders.created {"id":3} a
