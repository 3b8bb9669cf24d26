import {expect, it, vi} from 'vitest'
import {durableSource} from '../../../../src/lib/messaging/replay/source.ts'
import {openMemory} from '../../../../src/lib/transport/memory/driver.ts'

it('a replay keeps its messages in flight without a flood of signals, however long the ack wait', async () => {
  await using bus = openMemory('memory:source-ack-wait')
  await bus.streams.add({name: 'S', subjects: ['s']})
  const info = await bus.streams.consumers.add('S', {name: 'd', ackWaitMs: 100 * 86_400_000})
  const warnings = vi.spyOn(process, 'emitWarning')
  await (await durableSource(bus, info, {prefetch: 1}))[Symbol.asyncDispose]()
  expect(warnings.mock.calls).toEqual([])
  warnings.mockRestore()
})
