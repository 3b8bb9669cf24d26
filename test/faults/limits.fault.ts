import {describe, expect, test} from 'vitest'
import {open} from '../../src/lib/transport/open.ts'
import {start} from '../lib/transport/sqlite/processes.ts'
import {fill, freshBus, sequences, tally} from './tally.ts'

const subjects = 100_000

describe.each(['file', 'server'] as const)('on a bus %s', (kind) => {
  test('100,000 subjects are stored, followed, counted and consumed', async () => {
    const {url} = await freshBus(kind)
    await fill(url, 0)
    await using bus = await open(url)
    await using subscription = await bus.subscribe('s.>')
    const seen: string[] = []
    const following = (async () => {
      while (seen.length < subjects) seen.push(...(await subscription.take(1000)).map(({subject}) => subject))
    })()
    const acknowledged: string[] = []
    await using publisher = bus.streams.publisher({onStored: (index) => void acknowledged.push(`s.${index}`)})
    for (let n = 0; n < subjects; n++) await publisher.push({subject: `s.${n}`, data: String(n)})
    await publisher.flush()
    await following
    expect(tally(`${kind}: 100,000 subjects, subscriber`, acknowledged, seen)).toMatchObject({lost: 0, duplicated: 0})
    expect((await bus.streams.info('S')).state).toMatchObject({messages: subjects, subjects})
    const consumer = start('consume', url, 'S', 'c', '500', '3000')
    expect(await consumer.ended, consumer.stderr()).toBe(0)
    const found = tally(`${kind}: 100,000 subjects, consumer`, await sequences(bus, 'S'), consumer.lines.slice(1))
    expect(found).toMatchObject({lost: 0, duplicated: 0})
    const last: string[] = []
    await using reading = await bus.streams.read('S', {lastPerSubject: true})
    for await (const {subject} of reading) last.push(subject)
    expect(new Set(last).size).toBe(subjects)
  })

  test('the largest message arrives and is stored, and one byte more is refused before it is sent', async () => {
    const {url} = await freshBus(kind)
    await fill(url, 0)
    await using bus = await open(url)
    await using subscription = await bus.subscribe('s.a')
    const largest = new Uint8Array(bus.maxPayload)
    const {seq} = await bus.streams.publish({subject: 's.a', data: largest}, {timeoutMs: 30_000})
    const [arrived] = await subscription.take(1)
    const stored = await bus.streams.get('S', seq)
    const there = [arrived, stored].filter((message) => message?.payload.length === bus.maxPayload)
    tally(
      `${kind}: a message of ${bus.maxPayload} bytes`,
      ['1', '2'],
      there.map((_, n) => String(n + 1)),
    )
    expect(there).toHaveLength(2)
    const larger = {subject: 's.a', data: new Uint8Array(bus.maxPayload + 1)}
    expect(() => bus.publish(larger)).toThrow(/at most/)
    await expect(bus.streams.publish(larger)).rejects.toThrow(/at most/)
    await bus.flush()
    expect((await bus.streams.info('S')).state.messages).toBe(1)
  })
})
