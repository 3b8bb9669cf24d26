/** A durable subscription: it starts late and misses nothing, and failed messages are delivered again. */
import {Broker} from 'busline/broker'

const [, , url = 'memory:example'] = process.argv
await using broker = new Broker({url, stream: 'GAME', jetstream: true}, {onNotice: (text) => console.log(text)})
await broker.start()
for (const level of [1, 2, 3]) await broker.publish('GAME.level', JSON.stringify({level}))

let isFirst = true
const done = new Promise<void>((resolve) => {
  let left = 3
  void broker.subscribeDurable('GAME.>', 'scores', (data, {subject}) => {
    const {level} = JSON.parse(Buffer.from(data).toString())
    if (level === 3 && isFirst) {
      isFirst = false
      throw new Error('not yet')
    }
    console.log(`${subject} ${level}`)
    if (--left === 0) resolve()
  })
})
await done

// Prints:
// GAME.level 1
// GAME.level 2
// the handler failed on GAME.level (3): not yet
// GAME.level 3
