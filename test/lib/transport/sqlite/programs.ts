/** The child processes of these tests: `node programs.ts NAME URL ARGS…`. Each writes lines to stdout. */
import {writeSync} from 'node:fs'
import {firstFailure} from '../../../../src/lib/core/errors.ts'
import type {Transport} from '../../../../src/lib/transport/contract.ts'
import {open} from '../../../../src/lib/transport/open.ts'

const programs: Record<string, (bus: Transport, ...args: string[]) => Promise<void>> = {
  /** Publishes numbers endlessly, a batch per flush, and writes the last of each batch once it is flushed. */
  async publish(bus, subject = '', batch = '1') {
    const size = Number(batch)
    for (let n = 1; ; n += size) {
      for (let i = 0; i < size; i++) bus.publish({subject, data: String(n + i)})
      await bus.flush()
      say(String(n + size - 1))
    }
  },

  /** Publishes to new subjects and to the same ones repeatedly, each with its name, and reports it after a hundred. */
  async names(bus, prefix = '') {
    for (let n = 0; ; n++) {
      for (let i = 0; i < 50; i++) {
        for (const subject of [`${prefix}.same.${i}`, `${prefix}.once.${Date.now()}.${n}.${i}`]) {
          bus.publish({subject, data: subject})
        }
      }
      await bus.flush()
      say(String(n))
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  },

  /** Publishes this many numbered messages as fast as possible. */
  async load(bus, subject = '', count = '0', payload = '') {
    for (let n = 1; n <= Number(count); n++) {
      bus.publish({subject, data: `${n} ${payload}`})
      if (n % 1000 === 0) await bus.flush()
    }
    await bus.close()
  },

  /** Writes the payload of each message; ends after `count`. */
  async subscribe(bus, pattern = '', count = 'Infinity', queue?: string) {
    const subscription = await bus.subscribe(pattern, {queue})
    say('live')
    let seen = 0
    while (seen < Number(count)) {
      const taken = await subscription.take(64)
      if (taken.length === 0) break
      seen += taken.length
      say(taken.map((message) => message.text).join('\n'))
    }
    await bus.close()
  },

  /** Subscribes and never reads. */
  async sleep(bus, pattern = '') {
    await bus.subscribe(pattern)
    say('live')
    await new Promise(() => setInterval(() => {}, 1000))
  },

  async serve(bus, subject = '') {
    const subscription = await bus.subscribe(subject, {queue: 'serve'})
    say('live')
    for await (const request of subscription) bus.publish({subject: request.reply ?? 'lost', data: request.payload})
  },

  /** Stores numbers endlessly and writes the sequence of each acknowledged one; pauses after each fifty. */
  async store(bus, subject = '', pauseMs = '0') {
    const publisher = bus.streams.publisher({onStored: (_, {seq}) => say(String(seq))})
    for (let n = 1; ; n++) {
      await publisher.push({subject, data: String(n)})
      if (n % 50 !== 0) continue
      await publisher.flush()
      if (pauseMs !== '0') await new Promise((resolve) => setTimeout(resolve, Number(pauseMs)))
    }
  },

  /** Writes the sequence of each message before it acknowledges it; ends if there is none for this many milliseconds. */
  async consume(bus, ...[stream = '', consumer = '', batch = '1', waitMs = 'Infinity']: string[]) {
    await using member = await bus.streams.consumers.consume(stream, consumer)
    say('live')
    for (;;) {
      const taken = await member.take(Number(batch), waitMs === 'Infinity' ? undefined : Number(waitMs))
      if (taken.length === 0) break
      for (const delivery of taken) {
        say(String(delivery.seq))
        delivery.ack()
      }
    }
    await member.close()
    await bus.close()
  },

  /** Writes the sequence of each message once its acknowledgement is committed; ends if there is none for a second. */
  async settle(bus, stream = '', consumer = '', batch = '1') {
    await using member = await bus.streams.consumers.consume(stream, consumer)
    for (;;) {
      const taken = await member.take(Number(batch), 1000)
      if (taken.length === 0) break
      for (const delivery of taken) delivery.ack()
      // Longer than the delay after which it writes them by itself.
      await new Promise((resolve) => setTimeout(resolve, 10))
      await member.flush()
      say(taken.map(({seq}) => seq).join('\n'))
    }
  },

  /** Takes this many messages and acknowledges none. */
  async hoard(bus, ...[stream = '', consumer = '', count = '1', leave]: string[]) {
    const member = await bus.streams.consumers.consume(stream, consumer)
    let taken = 0
    while (taken < Number(count)) taken += (await member.take(Number(count) - taken)).length
    if (leave !== undefined) await bus.close()
    say('taken')
    await new Promise(() => setInterval(() => {}, 1000))
  },

  /** Purges a stream before a sequence. */
  async purge(bus, name = '', before = '0') {
    say('begins')
    await bus.streams.purge(name, {beforeSeq: Number(before)})
    say('done')
  },

  /** Opens, publishes one message and closes. */
  async once(bus, subject = '') {
    bus.publish({subject, data: String(process.pid)})
    await bus.close()
    say('done')
  },
}

/** Synchronous: the reader gets the line, whatever happens to this process next. */
function say(line: string): void {
  writeSync(1, `${line}\n`)
}

const [name = '', url = '', ...args] = process.argv.slice(2)
try {
  await using bus = await open(url)
  await programs[name]?.(bus, ...args)
} catch (thrown) {
  const error = firstFailure(thrown)
  process.stderr.write(`${error}\n`)
  process.exitCode = (error as {exitCode?: number}).exitCode ?? 1
}
