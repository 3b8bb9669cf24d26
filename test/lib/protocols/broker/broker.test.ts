import {expect, test} from 'vitest'
import {Broker} from '../../../../src/lib/protocols/broker/broker.ts'
import {onThreeBuses, opened, started} from './buses.ts'

const textOf = (data: Uint8Array) => Buffer.from(data).toString()

onThreeBuses((place) => {
  test('all subscribers get published messages, and on request the subject', async () => {
    const broker = await started({url: await place.fresh()})
    const seen: string[] = []
    await broker.subscribe('GAME_EVENTS.state.*', (data) => void seen.push(`a ${textOf(data)}`))
    await broker.subscribeWithSubject('GAME_EVENTS.>', (subject, data) => void seen.push(`${subject} ${textOf(data)}`))
    await broker.publish('GAME_EVENTS.state.changed', '{"level":1}')
    await expect.poll(() => seen.toSorted()).toEqual(['GAME_EVENTS.state.changed {"level":1}', 'a {"level":1}'])
  })

  test('the stream is created if it does not exist, otherwise left unchanged, and differences are reported', async () => {
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
    expect(notices).toEqual(['stream OLD exists with subjects OLD.a b instead of OLD.>, max-msgs 10 instead of none'])
    expect((await bus.streams.info('OLD')).config).toMatchObject({subjects: ['OLD.a', 'b'], maxMsgs: 10})
    await broker.publish('b', 'it counts what the stream keeps')
  })

  test('a subject outside the stream is refused, even if another stream stores it', async () => {
    const url = await place.fresh()
    const bus = await opened(url)
    await bus.streams.add({name: 'OTHER', subjects: ['other.>']})
    const broker = await started({url})
    const outside = (subject: string) => ({
      kind: 'notFound',
      message: `broker: ${subject} is outside stream GAME_EVENTS, which stores GAME_EVENTS.>`,
    })
    await expect(broker.publish('other.a', 'x')).rejects.toMatchObject(outside('other.a'))
    await expect(broker.publish('GAME_EVENTS', 'x')).rejects.toMatchObject(outside('GAME_EVENTS'))
    await expect(broker.subscribeDurable('other.>', 'o', () => {})).rejects.toMatchObject(outside('other.>'))
    await expect(broker.publish('GAME_EVENTS.*', 'x')).rejects.toMatchObject({kind: 'usage'})
    expect((await bus.streams.info('OTHER')).state.messages).toBe(0)
  })

  test('without jetstream a broker is plain publish-subscribe, and creates no stream', async () => {
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

  test('starting a broker twice at once opens one connection, and stopping it meanwhile closes that', async () => {
    const url = await place.fresh()
    const broker = new Broker({url})
    await Promise.all([broker.start(), broker.start()])
    const seen: string[] = []
    await broker.subscribe('GAME_EVENTS.a', (data) => void seen.push(textOf(data)))
    await broker.publish('GAME_EVENTS.a', 'once')
    await expect.poll(() => seen).toEqual(['once'])
    await broker.stop()
    const starting = broker.start()
    await broker.stop()
    await starting
    await expect(broker.publish('GAME_EVENTS.a', '')).rejects.toMatchObject({message: 'broker: not started'})
  })

  test('a broker that is not started does nothing; a running handler may publish while it is stopped', async () => {
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
})

test('a bus without streams is reported at the start', async () => {
  const broker = new Broker({url: 'libbus:/nonexistent/x.db?create', jetstream: true})
  await expect(broker.start()).rejects.toMatchObject({name: 'BusError'})
})
