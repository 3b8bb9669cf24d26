import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {setTimeout as sleep} from 'node:timers/promises'
import {expect, test, vi} from 'vitest'
import {onThreeBuses, opened, started} from './buses.ts'

const textOf = (data: Uint8Array) => Buffer.from(data).toString()

onThreeBuses((place) => {
  test('a durable subscriber that starts late gets everything from the first message, in order', async () => {
    const url = await place.fresh()
    const broker = await started({url})
    for (let n = 1; n <= 100; n++) await broker.publish('GAME_EVENTS.state', String(n))
    await broker.publish('GAME_EVENTS.other', 'not this')
    const late = await started({url})
    const seen: string[] = []
    await late.subscribeDurable('GAME_EVENTS.state', 'late', (data) => void seen.push(textOf(data)))
    await expect.poll(() => seen.length).toBe(100)
    await broker.publish('GAME_EVENTS.state', 'live')
    await expect.poll(() => seen.at(-1)).toBe('live')
    expect(seen).toEqual([...Array.from({length: 100}, (_, i) => String(i + 1)), 'live'])
  })

  test('progress survives a clean stop, in the middle of fetched messages', async () => {
    const url = await place.fresh()
    const bus = await opened(url)
    const broker = await started({url})
    for (let n = 1; n <= 50; n++) await broker.publish('GAME_EVENTS.n', String(n))
    const seen: string[] = []
    await broker.subscribeDurable('GAME_EVENTS.>', 'p', async (data) => {
      seen.push(textOf(data))
      if (seen.length === 20) void broker.stop()
      await Promise.resolve()
    })
    await expect.poll(() => seen.length).toBe(20)
    await broker.stop()
    expect(seen).toHaveLength(20)
    await broker.start()
    await broker.subscribeDurable('GAME_EVENTS.>', 'p', (data) => void seen.push(textOf(data)))
    await expect.poll(() => seen.length).toBe(50)
    await broker.stop()
    expect(seen).toEqual(Array.from({length: 50}, (_, i) => String(i + 1)))
    const {pending, ackPending} = await bus.streams.consumers.info('GAME_EVENTS', 'p')
    expect([pending, ackPending]).toEqual([0, 0])
  })

  test('a stop returns no message of a consumer that limits deliveries', async () => {
    const url = await place.fresh()
    const bus = await opened(url)
    const broker = await started({url})
    const settings = {name: 'limited', filters: ['GAME_EVENTS.x'], maxDeliver: 2}
    await bus.streams.consumers.add('GAME_EVENTS', settings)
    for (let n = 1; n <= 40; n++) await broker.publish('GAME_EVENTS.x', String(n))
    const seen: string[] = []
    const stopped = Promise.withResolvers<void>()
    await broker.subscribeDurable('GAME_EVENTS.x', 'limited', async (data) => {
      seen.push(textOf(data))
      if (seen.length > 1) return
      broker.stop().then(stopped.resolve, stopped.reject)
      await sleep(300)
    })
    await stopped.promise
    await using rest = await bus.streams.consumers.consume('GAME_EVENTS', 'limited')
    while (seen.length < 40) {
      for (const {data, deliveries} of await rest.take(40)) {
        expect([textOf(data), deliveries]).toEqual([String(seen.length + 1), 1])
        seen.push(textOf(data))
      }
    }
  })

  test('a message whose handler throws is redelivered and not acknowledged; the others continue', async () => {
    const url = await place.fresh()
    const bus = await opened(url)
    const notices: string[] = []
    const broker = await started({url}, {onNotice: (text) => notices.push(text)})
    for (const text of ['one', 'bad', 'three']) await broker.publish('GAME_EVENTS.x', text)
    const seen: string[] = []
    await broker.subscribeDurable('GAME_EVENTS.x', 'h', async (data) => {
      const text = textOf(data)
      seen.push(text)
      if (text !== 'bad') return
      const {ackPending} = await bus.streams.consumers.info('GAME_EVENTS', 'h')
      if (seen.filter((one) => one === 'bad').length < 3) throw new Error(`not yet, ${ackPending > 0}`)
    })
    await expect.poll(() => seen, {timeout: 10_000}).toEqual(['one', 'bad', 'three', 'bad', 'bad'])
    expect(notices).toHaveLength(2)
    expect(notices[0]).toMatch(/^the handler failed on GAME_EVENTS\.x \(\d+\): not yet, true$/)
    await broker.stop()
    expect((await bus.streams.consumers.info('GAME_EVENTS', 'h')).ackPending).toBe(0)
  })

  test('a handler may take longer than the ack wait, and messages waiting behind it too', async () => {
    const url = await place.fresh()
    const bus = await opened(url)
    const broker = await started({url})
    await bus.streams.consumers.add('GAME_EVENTS', {name: 's', filters: ['GAME_EVENTS.x'], ackWaitMs: 900})
    for (let n = 1; n <= 5; n++) await broker.publish('GAME_EVENTS.x', String(n))
    const seen: string[] = []
    await broker.subscribeDurable('GAME_EVENTS.x', 's', async (data) => {
      await new Promise((resolve) => setTimeout(resolve, 1200))
      seen.push(textOf(data))
    })
    await expect.poll(() => seen.length, {timeout: 10_000}).toBe(5)
    await broker.stop()
    expect(seen).toEqual(['1', '2', '3', '4', '5'])
  })

  test('a message whose ack wait ends while the process is blocked is handled once', async () => {
    const url = await place.fresh()
    const bus = await opened(url)
    const broker = await started({url})
    for (let n = 1; n <= 5; n++) await broker.publish('GAME_EVENTS.x', String(n))
    await bus.streams.consumers.add('GAME_EVENTS', {name: 'b', filters: ['GAME_EVENTS.x'], ackWaitMs: 200})
    const seen: string[] = []
    await broker.subscribeDurable('GAME_EVENTS.x', 'b', async (data) => {
      seen.push(textOf(data))
      await sleep(50)
      if (seen.length === 2) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600)
      await sleep(50)
    })
    await expect.poll(async () => (await bus.streams.consumers.info('GAME_EVENTS', 'b')).ackFloor).toBe(5)
    expect(seen).toEqual(['1', '2', '3', '4', '5'])
    await broker.stop()
  })

  test('messages are kept in flight without a flood of signals, however long the ack wait', async () => {
    const url = await place.fresh()
    const bus = await opened(url)
    const broker = await started({url})
    await bus.streams.consumers.add('GAME_EVENTS', {name: 'l', filters: ['GAME_EVENTS.x'], ackWaitMs: 100 * 86_400_000})
    const warnings = vi.spyOn(process, 'emitWarning')
    const seen: string[] = []
    await broker.subscribeDurable('GAME_EVENTS.x', 'l', (data) => void seen.push(textOf(data)))
    await broker.publish('GAME_EVENTS.x', 'one')
    await expect.poll(() => seen).toEqual(['one'])
    await broker.stop()
    expect(warnings.mock.calls).toEqual([])
    warnings.mockRestore()
  })

  test('two brokers on one durable consumer share the messages', async () => {
    const url = await place.fresh()
    const [one, two] = [await started({url}), await started({url})]
    const seen: string[] = []
    const handler = async (data: Uint8Array) => {
      await new Promise((resolve) => setTimeout(resolve, 1))
      seen.push(textOf(data))
    }
    await Promise.all([one, two].map((broker) => broker.subscribeDurable('GAME_EVENTS.>', 'w', handler)))
    const all = Array.from({length: 100}, (_, i) => String(i))
    await Promise.all(all.map((n) => one.publish('GAME_EVENTS.x', n)))
    await expect.poll(() => seen.length).toBe(100)
    expect(new Set(seen)).toEqual(new Set(all))
  })

  test('a consumer with another subject is refused', async () => {
    const url = await place.fresh()
    const bus = await opened(url)
    const broker = await started({url})
    await (await broker.subscribeDurable('GAME_EVENTS.a', 'c', () => {}))()
    await expect(broker.subscribeDurable('GAME_EVENTS.b', 'c', () => {})).rejects.toMatchObject({
      kind: 'usage',
      message: 'broker: consumer c is for GAME_EVENTS.a, not for GAME_EVENTS.b',
    })
    await bus.streams.consumers.add('GAME_EVENTS', {name: 'all'})
    await expect(broker.next('GAME_EVENTS.b', 'all', 10)).rejects.toMatchObject({
      kind: 'usage',
      message: 'broker: consumer all is for the whole stream, not for GAME_EVENTS.b',
    })
    await (await broker.subscribeDurable('GAME_EVENTS.>', 'all', () => {}))()
  })

  test('a subscription that has ended receives nothing more, and another resumes where it stopped', async () => {
    const broker = await started({url: await place.fresh()})
    const seen: string[] = []
    const end = await broker.subscribeDurable('GAME_EVENTS.>', 'e', (data) => void seen.push(textOf(data)))
    await broker.publish('GAME_EVENTS.x', '1')
    await expect.poll(() => seen).toEqual(['1'])
    await end()
    await broker.publish('GAME_EVENTS.x', '2')
    await broker.subscribeDurable('GAME_EVENTS.>', 'e', (data) => void seen.push(textOf(data).repeat(2)))
    await expect.poll(() => seen).toEqual(['1', '22'])
  })

  test('a removed consumer ends its subscription, which is reported', async () => {
    const url = await place.fresh()
    const bus = await opened(url)
    const notices: string[] = []
    const broker = await started({url}, {onNotice: (text) => notices.push(text)})
    await broker.subscribeDurable('GAME_EVENTS.>', 'gone', () => {})
    await bus.streams.consumers.remove('GAME_EVENTS', 'gone')
    await expect.poll(() => notices, {timeout: 10_000}).toEqual([expect.stringContaining('gone')])
  })

  if (place.kind !== 'memory') {
    test('progress survives kill -9: only messages in flight are redelivered', async () => {
      const url = await place.fresh()
      const bus = await opened(url)
      const broker = await started({url})
      const filters = ['GAME_EVENTS.>']
      await bus.streams.consumers.add('GAME_EVENTS', {name: 'worker', filters, ackWaitMs: 1000})
      const all = Array.from({length: 200}, (_, i) => String(i + 1))
      for (const n of all) await broker.publish('GAME_EVENTS.x', n)
      const {stdout, signal} = await killed(url, '100')
      expect([signal, stdout.at(-1)]).toEqual(['SIGKILL', '100'])
      const again: string[] = []
      await broker.subscribeDurable('GAME_EVENTS.>', 'worker', (data) => void again.push(textOf(data)))
      await expect.poll(() => new Set([...stdout, ...again]).size, {timeout: 10_000}).toBe(200)
      await expect.poll(() => again.includes('100'), {timeout: 10_000}).toBe(true)
      expect(stdout).toEqual(all.slice(0, 100))
      // The message handled last may not have been acknowledged yet.
      expect(again.length).toBeLessThanOrEqual(100 + 33)
    })
  }
})

async function killed(url: string, at: string) {
  const child = spawn(process.execPath, [new URL('worker.ts', import.meta.url).pathname, url, at], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk) => chunks.push(chunk))
  const [, signal] = await once(child, 'close')
  return {signal, stdout: Buffer.concat(chunks).toString().trim().split('\n')}
}
