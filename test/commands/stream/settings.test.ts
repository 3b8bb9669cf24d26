import {describe, expect, test} from 'vitest'
import {planGet} from '../../../src/commands/stream/get-plan.ts'
import {
  checkPurge,
  holding,
  purgeText,
  streamDocument,
  streamFacts,
  streamRow,
  streamSettings,
} from '../../../src/commands/stream/settings.ts'
import type {StreamInfo} from '../../../src/lib/transport/streams-contract.ts'

const created = Date.UTC(2026, 10, 20, 10)
const orders: StreamInfo = {
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
  test('as a document has its times in ISO 8601 and the rest as it is', () => {
    expect(streamDocument(orders)).toEqual({
      ...orders,
      created: '2026-11-20T10:00:00.000Z',
      state: {...orders.state, firstTime: '2026-11-20T10:00:00.000Z', lastTime: '2026-11-20T10:00:01.500Z'},
    })
    expect(streamDocument(empty).state).toEqual(empty.state)
  })

  test('as facts has times for people and for programs', () => {
    const facts = streamFacts(orders)
    expect(facts).toMatchObject({
      stream: 'ORDERS',
      subjects: 'orders.> paid',
      messages: '12',
      size: '2 KiB',
      limits: '7d · 1,000 messages · 2 KiB a message',
      'ids remembered': '2m',
    })
    expect(facts['last']).toMatch(/^#20 · 2026-11-20T10:00:01\.500Z \((.* ago|in .*|just now)\)$/)
    expect(streamFacts(empty)).toMatchObject({messages: '0', first: undefined, last: '#20'})
    expect(streamFacts({...empty, config: {...empty.config, maxAgeMs: undefined, maxMsgs: 0}})['limits']).toBe(
      '2 KiB a message',
    )
  })

  test('as a row says when its last message came', () => {
    expect(streamRow(orders).slice(0, 5)).toEqual(['ORDERS', 'orders.> paid', '12', '2 KiB', '1'])
    expect(streamRow(empty).at(-1)).toBe('none')
  })

  test('is described before it is removed', () => {
    expect(holding(orders)).toBe('12 messages (2 KiB) and 1 consumer')
    expect(holding(empty)).toBe('0 messages (0 B)')
  })

  test('is made of what was asked for; its name is its subject unless told otherwise', () => {
    expect(streamSettings('A', undefined, {'max-age': 1000, dedupe: 5})).toMatchObject({
      name: 'A',
      subjects: undefined,
      maxAgeMs: 1000,
      dedupeMs: 5,
    })
    expect(streamSettings('A', ['a.*'], {})).toMatchObject({subjects: ['a.*'], maxAgeMs: undefined})
  })
})

describe('what is purged', () => {
  test.each([
    [{}, 'remove from stream S all messages (it has 1,234 in all)'],
    [{filter: ['a', 'b.*']}, 'remove from stream S all messages of a and b.* (it has 1,234 in all)'],
    [{before: 7}, 'remove from stream S all messages before #7 (it has 1,234 in all)'],
    [{keep: 1}, 'remove from stream S all but the last 1 message (it has 1,234 in all)'],
  ])('with %j is: %s', (flags, text) => {
    expect(purgeText('S', 1234, flags)).toBe(text)
  })

  test('is one thing', () => {
    expect(() => checkPurge({before: 1, keep: 1})).toThrow('--before and --keep exclude each other')
  })
})

describe('one message', () => {
  test.each([
    [{}, 'which message? One of SEQ and --last-for is needed'],
    [{seq: '1', 'last-for': 'a'}, 'which message? One of SEQ and --last-for is needed'],
    [{seq: '0'}, '"0" is not a sequence'],
    [{seq: 'last'}, '"last" is not a sequence'],
    [{'last-for': 'a..b'}, 'has an empty token'],
    [{seq: '1', raw: true, json: true}, '--raw and --json exclude each other'],
  ])('is not meant by %j: %s', async (flags, sentence) => {
    await expect(planGet({stream: 'S', ...flags}, {terminal: false})).rejects.toThrow(sentence)
  })
})
