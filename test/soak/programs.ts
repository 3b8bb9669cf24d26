/** The long-running processes of the soak test: `node programs.ts NAME URL`. Each reports what it saw when stdin ends. */
import {setTimeout as sleep} from 'node:timers/promises'
import {BusError} from '../../src/lib/core/errors.ts'
import type {Transport} from '../../src/lib/transport/contract.ts'
import {open} from '../../src/lib/transport/open.ts'
import {storeHeaders} from '../../src/lib/transport/streams-contract.ts'

export const perSecond = 200
const roundMs = 60_000
const over = new AbortController()
process.stdin.on('end', () => over.abort()).resume()
// Memory after a collection is memory in use.
setInterval(() => globalThis.gc?.(), 10_000).unref()

const programs: Record<string, (url: string) => Promise<unknown>> = {
  /** One connection all the time. Numbers, each published again until it is acknowledged, at a fixed rate. */
  async publish(url) {
    await using bus = await opened(url)
    const began = performance.now()
    let [acknowledged, again] = [0, 0]
    for (let n = 0; !over.signal.aborted; n++) {
      const headers = [[storeHeaders.msgId, String(n)]] as const
      const message = {subject: `s.${n % 50}`, data: String(n).padEnd(200), headers}
      while (!(await stored(bus, message))) {
        if (over.signal.aborted) return {acknowledged, again}
        again++
      }
      acknowledged++
      await sleep(Math.max(0, began + (n * 1000) / perSecond - performance.now()))
    }
    return {acknowledged, again}
  },

  /** One connection all the time: consumes every number with a durable consumer. Ends when nothing is left. */
  async consume(url) {
    await using bus = await opened(url)
    await using member = await bus.streams.consumers.consume('S', 'c')
    const missing = new Set<number>()
    let [highest, delivered, duplicated] = [-1, 0, 0]
    for (;;) {
      const taken = await member.take(100, 2000)
      if (taken.length === 0 && over.signal.aborted) break
      for (const delivery of taken) {
        const n = Number(delivery.text)
        delivered++
        if (n > highest) for (let m = highest + 1; m < n; m++) missing.add(m)
        else if (!missing.delete(n)) duplicated++
        highest = Math.max(highest, n)
        delivery.ack()
      }
    }
    return {delivered, duplicated, lost: missing.size}
  },

  /** A new connection every minute: subscribes to everything, and sends requests to `echo` occasionally. */
  async subscribe(url) {
    let [received, answered, unanswered] = [0, 0, 0]
    await eachMinute(url, async (bus, signal) => {
      await using subscription = await bus.subscribe('s.>', {signal})
      const asking = ask(bus, signal, (isAnswered) => (isAnswered ? answered++ : unanswered++))
      for await (const _ of subscription) received++
      await asking
    })
    return {received, answered, unanswered}
  },

  /** A new connection every minute: reads all stored messages repeatedly, and purges the stream. */
  async replay(url) {
    let [read, purged] = [0, 0]
    await eachMinute(url, async (bus, signal) => {
      while (!signal.aborted) {
        await using reading = await bus.streams.read('S', {signal})
        for await (const _ of reading) read++
        await sleep(3000, undefined, {signal}).catch(() => {})
      }
      purged += await bus.streams.purge('S', {keep: 5000})
    })
    return {read, purged}
  },

  async serve(url) {
    let served = 0
    await eachMinute(url, async (bus, signal) => {
      await using requests = await bus.subscribe('echo', {queue: 'q', signal})
      for await (const request of requests) {
        bus.publish({subject: request.reply ?? 'lost', data: request.payload})
        served++
      }
    })
    return {served}
  },
}

async function opened(url: string): Promise<Transport> {
  for (;;) {
    try {
      return await open(url, {heartbeatMs: 2000})
    } catch (error) {
      if (!(error instanceof BusError)) throw error
      await sleep(100)
    }
  }
}

async function stored(bus: Transport, message: Parameters<Transport['streams']['publish']>[0]): Promise<boolean> {
  try {
    await bus.streams.publish(message, {timeoutMs: 2000})
    return true
  } catch (error) {
    if (error instanceof BusError) return false
    throw error
  }
}

/** A network fault of a connection ends the round, not the process. */
async function eachMinute(url: string, work: (bus: Transport, signal: AbortSignal) => Promise<void>): Promise<void> {
  while (!over.signal.aborted) {
    try {
      await using bus = await opened(url)
      await work(bus, AbortSignal.any([over.signal, AbortSignal.timeout(roundMs)]))
    } catch (error) {
      if (!(error instanceof BusError)) throw error
    }
  }
}

async function ask(bus: Transport, signal: AbortSignal, told: (isAnswered: boolean) => void): Promise<void> {
  while (!signal.aborted) {
    const reply = await bus.request({subject: 'echo', data: 'x'.repeat(1000)}, {timeoutMs: 1000}).catch(() => undefined)
    told(reply !== undefined)
    await sleep(50, undefined, {signal}).catch(() => {})
  }
}

if (import.meta.main) {
  const [name = '', url = ''] = process.argv.slice(2)
  process.stdout.write(`${JSON.stringify(await programs[name]?.(url))}\n`)
  process.exit()
}
