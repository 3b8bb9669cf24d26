/** A stream stores messages, which are read back from a position in text form, as records. */
import {parsePosition} from 'busline/position'
import {parseRecord, recordWriter} from 'busline/record'
import {open} from 'busline/transport'

const [, , url = 'memory:example', from = '-2'] = process.argv
await using bus = await open(url)
await bus.streams.add({name: 'ORDERS', subjects: ['orders.>'], maxMsgs: 1000})
for (const id of [1, 2, 3]) {
  const message = {subject: `orders.${id}`, data: `{"id":${id}}`, headers: [['Nats-Msg-Id', `order-${id}`]] as const}
  await bus.streams.publish(message)
  const {duplicate} = await bus.streams.publish(message)
  if (!duplicate) throw new Error('stored twice')
}

const position = parsePosition(from)
const start = typeof position === 'string' ? undefined : position
const write = recordWriter()
for await (const message of await bus.streams.read('ORDERS', {from: start})) {
  const record = parseRecord(write(message))
  console.log(record.subject, String(record.data), record.headers?.[0]?.join(': '))
}

// Prints:
// orders.2 {"id":2} Nats-Msg-Id: order-2
// orders.3 {"id":3} Nats-Msg-Id: order-3
