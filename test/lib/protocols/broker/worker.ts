/** A process of its own with a durable subscription: writes each message on a line, and dies by kill -9 in a handler. */
import {Broker} from '../../../../src/lib/protocols/broker/broker.ts'

const [, , url = '', killedAt = ''] = process.argv
const broker = new Broker({url, jetstream: true})
await broker.start()
await broker.subscribeDurable('GAME_EVENTS.>', 'worker', (data) => {
  const text = Buffer.from(data).toString()
  process.stdout.write(`${text}\n`)
  if (text === killedAt) process.kill(process.pid, 'SIGKILL')
})
