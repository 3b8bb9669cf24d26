/** Searching a stream, failed messages, and who receives a subject, by the library, on both buses. */
import {expect, test} from 'vitest'
import type {Message} from '../../../../src/lib/core/message.ts'
import {findAudience} from '../../../../src/lib/messaging/audience.ts'
import {failedList, recordFailures} from '../../../../src/lib/messaging/stored/failed.ts'
import {FailedSource} from '../../../../src/lib/messaging/stored/failed-source.ts'
import {blocksOf, MatchWindow} from '../../../../src/lib/messaging/stored/search.ts'
import {onBothBuses} from '../../../both-buses.ts'

const {signal} = new AbortController()

onBothBuses((newScene) => {
  test('blocks have all messages in the order of the search', async () => {
    await using scene = await newScene()
    const {streams} = scene.transport
    await streams.add({name: 'A', subjects: ['a.>']})
    for (let n = 1; n <= 700; n++) await streams.publish({subject: `a.${n % 2}`, data: `${n}`})
    const info = await streams.info('A')
    const found = async (forwards: boolean, more: {filters?: string[]; from?: number} = {}) => {
      const seqs: number[] = []
      const options = {from: 1, to: 700, forwards, signal, ...more}
      for await (const block of blocksOf(streams, info, options)) seqs.push(...block.map(({seq = 0}) => seq))
      return seqs
    }
    const all = Array.from({length: 700}, (_, i) => i + 1)
    expect(await found(true)).toEqual(all)
    expect(await found(false)).toEqual(all.toReversed())
    expect(await found(true, {filters: ['a.0'], from: 691})).toEqual([692, 694, 696, 698, 700])
    const aborted = blocksOf(streams, info, {from: 1, to: 700, forwards: true, signal: AbortSignal.abort()})
    await expect(aborted.next()).rejects.toMatchObject({kind: 'interrupted'})
  })

  test('failed messages are listed, taken by a replay, and forgotten once they are handled', async () => {
    await using scene = await newScene()
    const bus = scene.transport
    await bus.streams.add({name: 'A', subjects: ['a']})
    await bus.streams.consumers.add('A', {name: 'c'})
    await recordFailures(bus)
    await recordFailures(bus)
    for (const data of ['1', '2', '3']) await bus.streams.publish({subject: 'a', data})
    {
      await using member = await bus.streams.consumers.consume('A', 'c')
      for (const delivery of await member.take(3)) await delivery.term('no')
      await member.flush()
    }
    const list = async () => failedList(bus, await bus.streams.consumers.info('A', 'c'))
    const seqsOf = async () => {
      await using all = await list()
      return (await all.next()).map(({seq, reason}) => [seq, reason])
    }
    await expect.poll(seqsOf).toHaveLength(3)
    await bus.streams.erase('A', 3)
    const gone: number[] = []
    await using source = new FailedSource(await list(), {count: 2, onGone: (seq) => gone.push(seq)})
    const taken = [...(await source.take(1)), ...(await source.take(5))]
    expect(taken.map(({text}) => text)).toEqual(['1', '2'])
    source.done(taken)
    await source.finish()
    expect(source.drain()).toBe(false)
    expect(await source.take(1)).toEqual([])
    expect((await seqsOf()).map(([seq]) => seq)).toEqual([3])
  })

  test('the audience of a subject has subscribers, streams, consumers and services', async () => {
    await using scene = await newScene()
    const bus = scene.transport
    await bus.streams.add({name: 'A', subjects: ['a.>']})
    await bus.streams.consumers.add('A', {name: 'c', filters: ['a.b']})
    await bus.streams.consumers.add('A', {name: 'other', filters: ['a.c']})
    await bus.streams.publish({subject: 'a.b', data: ''})
    await using service = scene.start(['serve', 'a.b', 'ok', '--service', 'greeter'])
    await service.stderrLine('listening on ')
    const audience = await findAudience(bus, 'a.b', {signal})
    expect(audience).toMatchObject({
      streams: [{stream: 'A', subjects: ['a.>'], messages: 1}],
      consumers: [{stream: 'A', consumer: 'c', filters: ['a.b'], lag: 1}],
      services: [{service: 'greeter', subject: 'a.b'}],
      failures: [],
    })
    expect(audience.subscribers?.map(({pattern}) => pattern)).toContain('a.b')
    expect(await findAudience(bus, 'nobody', {signal})).toMatchObject({streams: [], consumers: [], services: []})
  })

  test('a message is traced through the servers', async () => {
    await using scene = await newScene()
    const bus = scene.transport
    if (bus.trace === undefined) return
    await bus.streams.add({name: 'A', subjects: ['a.>']})
    await using other = scene.start(['sub', 'a.*'])
    await other.stderrLine('listening on ')
    const {steps} = await bus.trace({subject: 'a.b', data: ''})
    expect(steps.map(({kind}) => kind).sort()).toEqual(['stream', 'subscriber'])
    expect((await bus.streams.info('A')).state.messages).toBe(0)
    await bus.trace({subject: 'a.b', data: ''}, {deliver: true})
    await expect.poll(async () => (await bus.streams.info('A')).state.messages).toBe(1)
    await expect(bus.servers?.ask('$SYS.REQ.SERVER.PING.STATSZ', {}, {timeoutMs: 500})).rejects.toThrow('may not ask')
    await expect(bus.servers?.stepDown('A')).rejects.toMatchObject({kind: 'usage'})
    await expect(bus.servers?.removePeer('A', 'none')).rejects.toBeDefined()
  })
})

test('neighbours are shown with their matches', () => {
  const messages = Array.from({length: 9}, (_, i) => ({seq: i + 1}) as Message)
  const window = new MatchWindow({before: 1, after: 1})
  const shown = messages.flatMap((message) => window.next(message, message.seq === 2 || message.seq === 8))
  expect(shown.map(({message: {seq}, isMatch, isApart}) => [seq, isMatch, isApart])).toEqual([
    [1, false, false],
    [2, true, false],
    [3, false, false],
    [7, false, true],
    [8, true, false],
    [9, false, false],
  ])
})
