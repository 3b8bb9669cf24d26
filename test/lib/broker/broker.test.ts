import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {expect, test} from 'vitest'
import {Broker} from '../../../src/lib/broker/broker.ts'
import {onThreeBuses, opened, started} from './buses.ts'

const textOf = (data: Uint8Array) => Buffer.from(data).toString()

onThreeBuses((place) => {
  test('subscribers that are there get what is published, all of them, and who wants it the subject', async () => {
    const broker = await started({url: await place.fresh()})
    const seen: string[] = []
    await broker.subscribe('GAME_EVENTS.state.*', (data) => void seen.push(`a ${textOf(data)}`))
    await broker.subscribeWithSubject('GAME_EVENTS.>', (subject, data) => void seen.push(`${subject} ${textOf(data)}`))
    await broker.publish('GAME_EVENTS.state.changed', '{"level":1}')
    await expect.poll(() => seen.toSorted()).toEqual(['GAME_EVENTS.state.changed {"level":1}', 'a {"level":1}'])
  })

  test('a durable subscriber that comes late gets everything from the first message, in order', async () => {
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

  test('progress survives a clean stop, in the middle of what was fetched', async () => {
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

  test('a message whose handler throws comes again and is not acknowledged; the others go on', async () => {
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

  test('a handler may take longer than there is time to acknowledge, and what waits behind it too', async () => {
    const url = await place.fresh()
    const bus = await opened(url)
    const broker = await started({url})
    await bus.streams.consumers.add('GAME_EVENTS', {name: 's', filters: ['GAME_EVENTS.x'], ackWaitMs: 300})
    for (let n = 1; n <= 5; n++) await broker.publish('GAME_EVENTS.x', String(n))
    const seen: string[] = []
    await broker.subscribeDurable('GAME_EVENTS.x', 's', async (data) => {
      await new Promise((resolve) => setTimeout(resolve, 400))
      seen.push(textOf(data))
    })
    await expect.poll(() => seen.length, {timeout: 10_000}).toBe(5)
    await broker.stop()
    expect(seen).toEqual(['1', '2', '3', '4', '5'])
  })

  test('two brokers on one durable consumer share the work', async () => {
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

  test('the stream is made when it is missing, left as it is when not, and what differs is told', async () => {
    const url = await place.fresh()
    const bus = await opened(url)
    const notices: string[] = []
    const onNotice = (text: string) => notices.push(text)
    await (await started({url, stream: 'NEW'}, {onNotice})).stop()
    expect((await bus.streams.info('NEW')).config).toMatchObject({subjects: ['NEW.>'], retention: 'limits'})
    await (await started({url, stream: 'NEW'}, {onNotice})).stop()
    expect(notices).toEqual([])
    await bus.streams.add({name: 'OLD', subjects: ['OLD.a', 'b'], maxMsgs: 10})
    const broker = await started({url, stream: 'OLD'}, {onNotice})
    expect(notices).toEqual(['stream OLD is there with subjects OLD.a b instead of OLD.>, maxMsgs 10 instead of none'])
    expect((await bus.streams.info('OLD')).config).toMatchObject({subjects: ['OLD.a', 'b'], maxMsgs: 10})
    await broker.publish('b', 'it counts what the stream keeps')
  })

  test('a subject outside the stream is refused, also when another stream keeps it', async () => {
    const url = await place.fresh()
    const bus = await opened(url)
    await bus.streams.add({name: 'OTHER', subjects: ['other.>']})
    const broker = await started({url})
    const outside = (subject: string) => ({
      kind: 'notFound',
      message: `broker: ${subject} is outside stream GAME_EVENTS, which keeps GAME_EVENTS.>`,
    })
    await expect(broker.publish('other.a', 'x')).rejects.toMatchObject(outside('other.a'))
    await expect(broker.publish('GAME_EVENTS', 'x')).rejects.toMatchObject(outside('GAME_EVENTS'))
    await expect(broker.subscribeDurable('other.>', 'o', () => {})).rejects.toMatchObject(outside('other.>'))
    await expect(broker.publish('GAME_EVENTS.*', 'x')).rejects.toMatchObject({kind: 'usage'})
    expect((await bus.streams.info('OTHER')).state.messages).toBe(0)
  })

  test('a consumer that is for another subject is refused', async () => {
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

  test('a subscription that is ended hears nothing more, and another goes on where it was', async () => {
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

  test('a consumer that is removed ends its subscription, which is told', async () => {
    const url = await place.fresh()
    const bus = await opened(url)
    const notices: string[] = []
    const broker = await started({url}, {onNotice: (text) => notices.push(text)})
    await broker.subscribeDurable('GAME_EVENTS.>', 'gone', () => {})
    await bus.streams.consumers.remove('GAME_EVENTS', 'gone')
    await expect.poll(() => notices, {timeout: 10_000}).toEqual([expect.stringContaining('gone')])
  })

  test('without jetstream it is plain publish-subscribe, and makes no stream', async () => {
    const url = await place.fresh()
    const bus = await opened(url)
    const broker = await started({url, jetstream: false})
    const seen: string[] = []
    await broker.subscribe('any.subject', (data) => void seen.push(textOf(data)))
    await broker.publish('any.subject', 'x')
    await expect.poll(() => seen).toEqual(['x'])
    expect(await bus.streams.list()).toEqual([])
    await expect(broker.subscribeDurable('any.subject', 'd', () => {})).rejects.toMatchObject({
      kind: 'usage',
      message: 'broker: a durable subscription needs "jetstream": true',
    })
  })

  test('what is not started does nothing; a handler at work may publish while it is stopped', async () => {
    const url = await place.fresh()
    const notStarted = {kind: 'usage', message: 'broker: not started'}
    const idle = new Broker({url})
    await idle.stop()
    await expect(idle.publish('a', '')).rejects.toMatchObject(notStarted)
    await expect(idle.subscribe('a', () => {})).rejects.toMatchObject(notStarted)
    const broker = await started({url})
    const seen: string[] = []
    const other = await started({url})
    await other.subscribe('GAME_EVENTS.answer', (data) => void seen.push(textOf(data)))
    let isAtWork = false
    await broker.subscribeDurable('GAME_EVENTS.ask', 'a', async () => {
      isAtWork = true
      await new Promise((resolve) => setTimeout(resolve, 50))
      await broker.publish('GAME_EVENTS.answer', 'late')
    })
    await other.publish('GAME_EVENTS.ask', '')
    await expect.poll(() => isAtWork).toBe(true)
    await broker.stop()
    await expect.poll(() => seen).toEqual(['late'])
    await expect(broker.publish('GAME_EVENTS.a', '')).rejects.toMatchObject(notStarted)
  })

  if (place.kind !== 'memory') {
    test('progress survives kill -9: only what was in hand comes again', async () => {
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
      // What was handled just before may not have been acknowledged yet.
      expect(again.length).toBeLessThanOrEqual(100 + 33)
    })
  }
})

test('a bus that keeps no streams is told at the start', async () => {
  const broker = new Broker({url: 'libbus:/nonexistent/x.db?create', jetstream: true})
  await expect(broker.start()).rejects.toMatchObject({name: 'BusError'})
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
