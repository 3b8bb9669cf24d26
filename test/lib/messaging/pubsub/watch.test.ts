import {describe, expect, test} from 'vitest'
import {Message} from '../../../../src/lib/core/message.ts'
import {type Watched, type WatchOptions, watch} from '../../../../src/lib/messaging/pubsub/watch.ts'
import type {Subscription, Transport} from '../../../../src/lib/transport/contract.ts'
import {openMemory} from '../../../../src/lib/transport/memory/driver.ts'

let buses = 0

/** Watches `a.>` on a bus of its own and records the shown payloads. */
async function watching(
  options: Partial<WatchOptions>,
  act: (bus: Transport) => void | Promise<void>,
): Promise<{shown: string[]; received: number; kept: number; endedBy: string}> {
  await using bus = openMemory(`memory:watch-${++buses}`)
  const subscription = await bus.subscribe('a.>')
  const shown: string[] = []
  const show = (batch: readonly Message[], limit: number) => {
    const some = batch.slice(0, limit)
    shown.push(...some.map(({text}) => text))
    return some.length
  }
  const watched = watch(subscription, {show, ...options})
  await act(bus)
  const {received, kept, endedBy} = await watched
  return {shown, received, kept, endedBy}
}

function publish(bus: Transport, ...payloads: string[]): void {
  for (const data of payloads) bus.publish({subject: 'a.b', data})
}

describe('watching', () => {
  test('shows messages until the count is reached, and no more', async () => {
    const watched = await watching({count: 3}, (bus) => publish(bus, '1', '2', '3', '4', '5'))
    expect(watched).toEqual({shown: ['1', '2', '3'], received: 3, kept: 3, endedBy: 'count'})
  })

  test('does not end early if its time or its idle time exceeds the limit of a timer', async () => {
    const month = 30 * 86_400_000
    const watched = await watching({count: 2, forMs: month, idleMs: month}, async (bus) => {
      publish(bus, '1')
      await new Promise((resolve) => setTimeout(resolve, 30))
      publish(bus, '2')
    })
    expect(watched).toMatchObject({shown: ['1', '2'], endedBy: 'count'})
  })

  test('counts shown messages, not filtered ones', async () => {
    const keep = (batch: readonly Message[]) => batch.filter(({text}) => text.startsWith('x'))
    const watched = await watching({count: 2, keep}, (bus) => publish(bus, '1', 'x2', '3', 'x4', 'x5'))
    expect(watched).toMatchObject({shown: ['x2', 'x4'], kept: 2})
  })

  test('waits for a slow filter and view, and keeps the order', async () => {
    const shown: string[] = []
    await watching(
      {
        count: 4,
        keep: async (batch) => batch.filter(({text}) => text !== '2'),
        async show(batch, limit) {
          await new Promise((resolve) => setImmediate(resolve))
          shown.push(...batch.slice(0, limit).map(({text}) => text))
          return Math.min(batch.length, limit)
        },
      },
      async (bus) => {
        publish(bus, '1', '2')
        await new Promise((resolve) => setImmediate(resolve))
        publish(bus, '3', '4', '5')
      },
    )
    expect(shown).toEqual(['1', '3', '4', '5'])
  })

  test('ends after its time, with the messages that had arrived', async () => {
    const watched = await watching({forMs: 20}, (bus) => publish(bus, '1'))
    expect(watched).toEqual({shown: ['1'], received: 1, kept: 1, endedBy: 'for'})
  })

  test('is not idle while the view is busy: what arrives afterwards is shown too', async () => {
    const busy = Promise.withResolvers<void>()
    const shown: string[] = []
    const show = async (batch: readonly Message[]) => {
      await busy.promise
      shown.push(...batch.map(({text}) => text))
      return batch.length
    }
    const watched = await watching({idleMs: 30, show}, async (bus) => {
      publish(bus, '1')
      await new Promise((resolve) => setTimeout(resolve, 100))
      publish(bus, '2')
      busy.resolve()
      await new Promise((resolve) => setTimeout(resolve, 5))
      publish(bus, '3')
    })
    expect({...watched, shown}).toEqual({shown: ['1', '2', '3'], received: 3, kept: 3, endedBy: 'idle'})
  })

  test('ends when nothing was shown for long enough, whatever else arrived', async () => {
    const keep = (batch: readonly Message[]) => batch.filter(({text}) => text === 'x')
    const watched = await watching({idleMs: 30, keep}, (bus) => publish(bus, 'x', 'noise'))
    expect(watched).toEqual({shown: ['x'], received: 2, kept: 1, endedBy: 'idle'})
  })

  test('ends after --idle when messages arrive and none of them is shown', async () => {
    let timer: NodeJS.Timeout | undefined
    const watched = await watching({idleMs: 50, show: () => 0}, (bus) => {
      timer = setInterval(() => publish(bus, 'noise'), 10)
      setTimeout(() => clearInterval(timer), 2000).unref()
    })
    clearInterval(timer)
    expect(watched).toMatchObject({kept: 0, endedBy: 'idle'})
    expect(watched.received).toBeLessThan(100)
  })

  test('does not end by idling while messages are shown', async () => {
    let left = 8
    let timer: NodeJS.Timeout | undefined
    const watched = await watching({idleMs: 500}, (bus) => {
      timer = setInterval(() => {
        publish(bus, String(left))
        if (--left === 0) clearInterval(timer)
      }, 80)
    }).finally(() => clearInterval(timer))
    expect(watched).toMatchObject({kept: 8, endedBy: 'idle'})
  })

  test('ends after the messages that had arrived when it is stopped', async () => {
    const stop = new AbortController()
    const watched = await watching({signal: stop.signal}, (bus) => {
      publish(bus, '1', '2')
      stop.abort()
    })
    expect(watched).toEqual({shown: ['1', '2'], received: 2, kept: 2, endedBy: 'stop'})
  })

  test('ends if it was stopped before it began', async () => {
    expect(await watching({signal: AbortSignal.abort()}, () => undefined)).toMatchObject({kept: 0, endedBy: 'stop'})
  })

  test('ends immediately when the reader is gone', async () => {
    const gone = new AbortController()
    const watched = await watching(
      {
        gone: gone.signal,
        show(batch) {
          gone.abort()
          return batch.length
        },
      },
      (bus) => publish(bus, '1'),
    )
    expect(watched).toMatchObject({shown: [], kept: 1, endedBy: 'closed'})
  })

  test('takes no more from a queue group than it may show', async () => {
    const asked: number[] = []
    const options = {count: 5, sparing: true}
    await using bus = openMemory('memory:sparing')
    const subscription = await bus.subscribe('a.>', {queue: 'q'})
    const spy = {
      take(max: number) {
        asked.push(max)
        return subscription.take(max)
      },
      drain: () => subscription.drain(),
      close: () => subscription.close(),
    } as Subscription
    const watched = watch(spy, {...options, show: (batch) => batch.length})
    publish(bus, '1', '2')
    await new Promise((resolve) => setImmediate(resolve))
    publish(bus, '3', '4', '5', '6')
    expect(await watched).toMatchObject({received: 5, kept: 5})
    expect(asked[0]).toBe(5)
    expect(Math.max(...asked)).toBe(5)
  })

  test('fails as the subscription does, with the result so far', async () => {
    const batches = [Promise.resolve([new Message('a', 'x')]), Promise.reject(new Error('lost'))]
    const failing = {
      take: () => batches.shift(),
      drain: () => Promise.resolve(),
      close: () => Promise.resolve(),
    } as unknown as Subscription
    const ends: Watched[] = []
    const options = {show: () => 1, forMs: 1000, onEnd: (ended: Watched) => void ends.push(ended)}
    await expect(watch(failing, options)).rejects.toThrow('lost')
    expect(ends).toMatchObject([{received: 1, kept: 1, endedBy: 'closed'}])
  })
})
