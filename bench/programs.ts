/** The other process of a measurement: `node programs.ts NAME ARGS…`. */
import {connect} from 'node:net'
import {open} from '../src/lib/transport/open.ts'

const payload = 'x'.repeat(128)

const programs: Record<string, (...args: string[]) => Promise<void>> = {
  /** Publishes so many messages, 100 in flight, each with its own acknowledgement. */
  async inFlight(url = '', count = '0') {
    await using bus = await open(url)
    const begin = performance.now()
    let left = Number(count)
    await Promise.all(
      Array.from({length: 100}, async () => {
        while (left-- > 0) {
          bus.publish({subject: 'load', data: payload})
          await bus.flush()
        }
      }),
    )
    console.log(Number(count) / (performance.now() - begin))
  },

  /** Publishes the time, in milliseconds, a thousand times a second. */
  async clock(url = '', count = '0') {
    await using bus = await open(url)
    const begin = performance.now()
    for (let i = 0; i < Number(count); i++) {
      while (performance.now() < begin + i) await new Promise((resolve) => setImmediate(resolve))
      bus.publish({subject: 'clock', data: String(performance.timeOrigin + performance.now())})
      await bus.flush()
    }
  },

  async serve(url = '') {
    await using bus = await open(url)
    const subscription = await bus.subscribe('echo', {queue: 'echo'})
    console.log('live')
    for (;;) {
      const taken = await subscription.take(64)
      if (taken.length === 0) return
      for (const {reply, payload: data} of taken) bus.publish({subject: reply ?? '', data})
    }
  },

  async socket(path = '') {
    const socket = connect(path)
    socket.on('data', (chunk) => socket.write(chunk))
    await new Promise((resolve) => socket.on('close', resolve))
  },
}

const [name = '', ...args] = process.argv.slice(2)
await programs[name]?.(...args)
