import {setImmediate as turn} from 'node:timers/promises'
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

async function filledConsumer(name: string, messages: number, config: object = {}) {
  const bus = openMemory(`memory:${name}`)
  await bus.streams.add({name: 'S', subjects: ['s']})
  for (let n = 1; n <= messages; n++) await bus.streams.publish({subject: 's', data: String(n)})
  return {bus, info: await bus.streams.consumers.add('S', {name: 'd', ...config})}
}

it('a source waits for messages in flight to another member, and ends when they are handled', async () => {
  const {bus, info} = await filledConsumer('source-others', 3, {ackWaitMs: 200})
  await using other = await bus.streams.consumers.consume('S', 'd', {prefetch: 0})
  await other.take(1)
  const waiting = vi.fn()
  await using source = await durableSource(bus, await bus.streams.consumers.info('S', 'd'), {
    prefetch: 0,
    onWaiting: waiting,
  })
  const seen: number[] = []
  for (let taken = await source.take(2); taken.length > 0; taken = await source.take(2)) {
    seen.push(...taken.map(({seq = 0}) => seq))
    source.done(taken)
  }
  expect(seen.sort()).toEqual([1, 2, 3])
  expect(source.redelivered).toBe(1)
  await source.flush()
  expect(await bus.streams.consumers.info('S', info.config.name)).toMatchObject({ackFloor: 3, ackPending: 0})
  await bus[Symbol.asyncDispose]()
})

it('unhandled messages are returned at the end, and terminated ones are not', async () => {
  const {bus, info} = await filledConsumer('source-left', 3)
  {
    await using source = await durableSource(bus, info, {prefetch: 0})
    const [first, second, third] = await source.take(3)
    if (first && second && third) {
      source.leave(first)
      source.term(second, 'broken')
      source.done([third])
    }
    expect(await source.take(1)).toEqual([])
  }
  await using again = await durableSource(bus, await bus.streams.consumers.info('S', 'd'), {prefetch: 0})
  expect((await again.take(5)).map(({seq}) => seq)).toEqual([1])
  again.end()
  expect(await again.take(1)).toEqual([])
  await bus[Symbol.asyncDispose]()
})

it('with ack policy all a message is acknowledged only if nothing before it is unhandled', async () => {
  const {bus, info} = await filledConsumer('source-all', 3, {ack: 'all'})
  await using source = await durableSource(bus, info, {prefetch: 0, count: 3})
  const [first, second, third] = await source.take(3)
  if (first && second && third) {
    source.done([third])
    await source.flush()
    expect((await bus.streams.consumers.info('S', 'd')).ackFloor).toBe(0)
    source.done([first])
    await source.flush()
    expect((await bus.streams.consumers.info('S', 'd')).ackFloor).toBe(1)
    source.term(second, '')
    await source.flush()
    expect((await bus.streams.consumers.info('S', 'd')).ackFloor).toBe(3)
  }
  await bus[Symbol.asyncDispose]()
})

it('with ack policy all nothing is acknowledged before messages in flight to another member at the start', async () => {
  for (const end of ['redelivered', 'acknowledged'] as const) {
    const {bus} = await filledConsumer(`source-all-${end}`, 3, {ack: 'all', ackWaitMs: 300})
    await using other = await bus.streams.consumers.consume('S', 'd', {prefetch: 0})
    const [held] = await other.take(1)
    const info = await bus.streams.consumers.info('S', 'd')
    await using source = await durableSource(bus, info, {prefetch: 0})
    const floor = async () => (await bus.streams.consumers.info('S', 'd')).ackFloor
    const first = await source.take(3)
    expect(first.map(({seq}) => seq)).toEqual([2, 3])
    source.done(first)
    await source.flush()
    expect(await floor(), end).toBe(0)
    if (end === 'acknowledged' && held) other.ack(held)
    const rest = await source.take(3)
    expect(
      rest.map(({seq}) => seq),
      end,
    ).toEqual(end === 'redelivered' ? [1] : [])
    source.done(rest)
    await source.flush()
    expect(await floor(), end).toBe(3)
    expect(await source.take(1)).toEqual([])
    await bus[Symbol.asyncDispose]()
  }
})

it('a source without messages ends immediately, and one that follows does not', async () => {
  const {bus, info} = await filledConsumer('source-empty', 0)
  await using source = await durableSource(bus, info, {prefetch: 0})
  expect(await source.take(1)).toEqual([])
  await using following = await durableSource(bus, info, {prefetch: 0, follow: true})
  const taking = following.take(1)
  await bus.streams.publish({subject: 's', data: 'x'})
  expect(await taking).toHaveLength(1)
  await bus[Symbol.asyncDispose]()
})

it('a follower waits for seconds without waking up, and ends immediately', async () => {
  const {bus, info} = await filledConsumer('source-idle', 0)
  const waits: (number | undefined)[] = []
  const {consumers} = bus.streams
  const consume = consumers.consume.bind(consumers)
  vi.spyOn(consumers, 'consume').mockImplementation(async (...args) => {
    const member = await consume(...args)
    const take = member.take.bind(member)
    member.take = (max, waitMs) => {
      waits.push(waitMs)
      return take(max, 60_000)
    }
    return member
  })
  await using source = await durableSource(bus, info, {prefetch: 0, follow: true})
  const taken = source.take(1)
  while (waits.length === 0) await turn()
  source.end()
  expect(await taken).toEqual([])
  expect(waits).toHaveLength(1)
  await bus[Symbol.asyncDispose]()
})
