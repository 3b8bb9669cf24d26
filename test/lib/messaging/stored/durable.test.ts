import {expect, it, vi} from 'vitest'
import {openDurable} from '../../../../src/lib/messaging/stored/durable.ts'
import {openMemory} from '../../../../src/lib/transport/memory/driver.ts'

it('a durable reading keeps its messages in flight without a flood of signals, however long the ack wait', async () => {
  await using bus = openMemory('memory:durable-ack-wait')
  await bus.streams.add({name: 'S', subjects: ['s']})
  await bus.streams.consumers.add('S', {name: 'd', ackWaitMs: 100 * 86_400_000})
  await bus.streams.publish({subject: 's', data: 'x'})
  const warnings = vi.spyOn(process, 'emitWarning')
  const reading = await openDurable(bus.streams, ['s'], {durable: 'd'})
  expect(await reading.take(1)).toHaveLength(1)
  await reading.close()
  expect(warnings.mock.calls).toEqual([])
  warnings.mockRestore()
})

it('a durable reading that waits for a message wakes up rarely, and ends at once when it is drained', async () => {
  await using bus = openMemory('memory:durable-idle')
  await bus.streams.add({name: 'S', subjects: ['s']})
  const reading = await openDurable(bus.streams, ['s'], {durable: 'd', create: true})
  vi.useFakeTimers({toFake: ['setTimeout', 'clearTimeout', 'performance']})
  try {
    const timers = vi.spyOn(globalThis, 'setTimeout')
    const taken = reading.take(1)
    await vi.advanceTimersByTimeAsync(20_000)
    // The consumer is asked why it delivers nothing after growing pauses of up to four seconds.
    expect(timers.mock.calls.length).toBeLessThan(25)
    await reading.drain()
    expect(await taken).toEqual([])
  } finally {
    vi.useRealTimers()
  }
  await reading.close()
})
