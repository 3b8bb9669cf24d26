import {describe, expect, test} from 'vitest'
import {planGet} from '../../../src/commands/stream/get.ts'
import {purgeText} from '../../../src/commands/stream/purge.ts'
import {holding} from '../../../src/commands/stream/rm.ts'
import {streamChanges} from '../../../src/commands/stream/setting-flags.ts'
import {streamDocument, streamFacts, streamRow} from '../../../src/commands/stream/settings.ts'
import {configChanges} from '../../../src/lib/messaging/stored/whole-config.ts'
import type {StreamInfo} from '../../../src/lib/transport/streams-contract.ts'

const created = Date.UTC(2026, 10, 20, 10)
const orders: StreamInfo = {
  id: 'x.1',
  config: {
    name: 'ORDERS',
    subjects: ['orders.>', 'paid'],
    storage: 'file',
    discard: 'old',
    dedupeMs: 120_000,
    replicas: 1,
    retention: 'limits',
    maxAgeMs: 604_800_000,
    maxMsgs: 1000,
    maxMsgSize: 2048,
  },
  created,
  state: {
    messages: 12,
    bytes: 2048,
    firstSeq: 3,
    lastSeq: 20,
    firstTime: created,
    lastTime: created + 1500,
    subjects: 4,
    consumers: 1,
  },
}
const empty: StreamInfo = {
  ...orders,
  state: {messages: 0, bytes: 0, firstSeq: 21, lastSeq: 20, subjects: 0, consumers: 0},
}

describe('a stream', () => {
  test('in JSON has its times in ISO 8601', () => {
    expect(streamDocument(orders)).toEqual({
      ...orders,
      created: '2026-11-20T10:00:00.000Z',
      state: {...orders.state, firstTime: '2026-11-20T10:00:00.000Z', lastTime: '2026-11-20T10:00:01.500Z'},
    })
    expect(streamDocument(empty).state).toEqual(empty.state)
  })

  test('in stream info has exact times and their age', () => {
    const facts = streamFacts(orders)
    expect(facts).toMatchObject({
      stream: 'ORDERS',
      subjects: 'orders.> paid',
      messages: '12',
      size: '2 KiB',
      limits: '7d · 1,000 messages · 2 KiB per message',
      'duplicate window': '2m',
    })
    expect(facts['last']).toMatch(/^#20 · 2026-11-20T10:00:01\.500Z \((.* ago|in .*|just now)\)$/)
    expect(streamFacts(empty)).toMatchObject({messages: '0', first: undefined, last: '#20'})
    expect(streamFacts({...empty, config: {...empty.config, maxAgeMs: undefined, maxMsgs: 0}})['limits']).toBe(
      '2 KiB per message',
    )
  })

  test('in stream ls has the age of its last message', () => {
    expect(streamRow(orders).slice(0, 5)).toEqual(['ORDERS', 'orders.> paid', '12', '2 KiB', '1'])
    expect(streamRow(empty).at(-1)).toBe('none')
  })

  test('is described by its size in stream rm', () => {
    expect(holding(orders)).toBe('12 messages (2 KiB) and 1 consumer')
    expect(holding(empty)).toBe('0 messages (0 B)')
  })

  test('gets its changes from flags', () => {
    expect(streamChanges(undefined, {'max-age': 1000, dedupe: 5, 'allow-rollup': false})).toEqual({
      maxAgeMs: 1000,
      dedupeMs: 5,
      allowRollup: false,
    })
    expect(streamChanges(['a.*'], {mirror: {name: 'B'}, tag: ['ssd']})).toEqual({
      subjects: ['a.*'],
      other: {mirror: {name: 'B'}, placement: {tags: ['ssd']}},
    })
  })

  test('gets its changes from a whole configuration', () => {
    const changes = configChanges({name: 'A', subjects: ['a'], retention: 'workqueue', maxMsgs: 7})
    expect(changes).toMatchObject({subjects: ['a'], maxMsgs: 7, maxAgeMs: undefined, retention: 'workqueue'})
    expect(Object.keys(changes)).toContain('maxAgeMs')
    expect(() => configChanges({max_msgs: 7})).toThrow('a stream has no setting "max_msgs"')
  })
})

describe('the question of stream purge', () => {
  test.each([
    [{}, 'remove all messages from stream S, which has 1,234 messages'],
    [{filter: ['a', 'b.*']}, 'remove all messages of a and b.* from stream S, which has 1,234 messages'],
    [{before: 7}, 'remove all messages before #7 from stream S, which has 1,234 messages'],
    [{keep: 1}, 'remove all but the last 1 message from stream S, which has 1,234 messages'],
  ])('with %j is: %s', (flags, text) => {
    expect(purgeText('S', 1234, flags)).toBe(text)
  })
})

describe('stream get', () => {
  test.each([
    [{}, 'SEQ or --last-for is needed'],
    [{seq: '1', 'last-for': 'a'}, 'SEQ or --last-for is needed'],
    [{seq: '0'}, '"0" is not a sequence number'],
    [{seq: 'last'}, '"last" is not a sequence number'],
    [{'last-for': 'a..b'}, 'has an empty token'],
  ])('refuses %j: %s', async (flags, sentence) => {
    await expect(planGet({stream: 'S', ...flags}, {terminal: false})).rejects.toThrow(sentence)
  })
})
