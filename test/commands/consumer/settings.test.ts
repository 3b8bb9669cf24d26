import {describe, expect, test} from 'vitest'
import {
  consumerDocument,
  consumerFacts,
  consumerSettings,
  consumerTable,
  movedText,
  moveText,
  parseDeliver,
} from '../../../src/commands/consumer/settings.ts'
import {localTime} from '../../../src/lib/core/time/timestamp.ts'
import type {ConsumerInfo} from '../../../src/lib/transport/streams-contract.ts'

const created = Date.UTC(2026, 10, 20, 10)
const billing: ConsumerInfo = {
  stream: 'ORDERS',
  config: {
    name: 'billing',
    filters: ['orders.*.paid'],
    deliver: {timeMs: created},
    ack: 'explicit',
    ackWaitMs: 30_000,
    maxAckPending: 1000,
    maxDeliver: 5,
    backoffMs: [1000, 5000],
    durable: true,
  },
  created,
  deliveredSeq: 20,
  ackFloor: 17,
  pending: 1200,
  ackPending: 3,
  redelivered: 1,
}

describe('a consumer', () => {
  test('in JSON has its lag, and times in ISO 8601', () => {
    expect(consumerDocument({...billing, lastActive: created})).toEqual({
      ...billing,
      config: {...billing.config, deliver: {time: '2026-11-20T10:00:00.000Z'}},
      created: '2026-11-20T10:00:00.000Z',
      lastActive: '2026-11-20T10:00:00.000Z',
      lag: 1203,
    })
    expect(consumerDocument(billing)).not.toHaveProperty('lastActive')
  })

  test('in consumer ls shows its lag', () => {
    const row = ['ORDERS', 'billing', '1,203', '3', '1', '#17', '#21', 'never']
    expect(consumerTable([billing]).rows).toEqual([row])
    const until = 'paused until 2026-11-20T10:00:00.000Z'
    const {columns, rows} = consumerTable([billing, {...billing, pausedUntil: created}])
    expect([columns.at(-1), rows]).toEqual([
      {head: 'state'},
      [
        [...row, ''],
        [...row, expect.stringContaining(until)],
      ],
    ])
  })

  test('in consumer info is complete', () => {
    expect(consumerFacts(billing)).toMatchObject({
      lag: '1,203',
      'ack floor': '#17',
      next: '#21 or later',
      filters: 'orders.*.paid',
      'deliver policy': `@${localTime(created)}`,
      'ack policy': 'explicit · ack wait 30s · at most 1,000 unacknowledged · at most 5 deliveries',
      backoff: '1s, 5s',
      push: undefined,
      durable: undefined,
    })
    const push = {...billing, bound: false, config: {...billing.config, push: {subject: 'x', queue: 'q'}}}
    expect(consumerFacts(push)['push']).toBe('to x in queue q, not subscribed')
  })

  test.each([
    ['all', 'all'],
    ['first', 'all'],
    ['new', 'new'],
    ['end', 'new'],
    ['last', 'last'],
    ['last-per-subject', 'lastPerSubject'],
    ['7', {seq: 7}],
    ['-7', {last: 7}],
    ['@0', {timeMs: 0}],
  ] as const)('starts at %s', (text, policy) => {
    expect(parseDeliver(text)).toEqual(policy)
  })

  test('starts nowhere else', () => {
    expect(() => parseDeliver('lastPerSubject')).toThrow('--deliver: "lastPerSubject" is not a position in a stream')
  })

  test('gets its settings from flags', () => {
    const flags = {filter: [], 'ack-wait': 1, ack: 'all' as const}
    expect(consumerSettings('c', undefined, flags)).toMatchObject({
      name: 'c',
      filters: undefined,
      ackWaitMs: 1,
      ack: 'all',
    })
  })

  test.each([
    [{seq: 5}, 5, '#5'],
    [{seq: 5}, 7, '5, which is #7'],
    ['first', 3, 'first, which is #3'],
    [{last: 10}, 11, '-10, which is #11'],
    ['end', undefined, 'end, which is after the last message'],
  ] as const)('moves to %j, which is at %s, as %s', (to, seq, text) => {
    expect(moveText(billing, to, seq)).toBe(`move consumer billing of stream ORDERS from #18 to ${text}`)
  })

  test('that was moved shows its position before and after', () => {
    const after = {...billing, ackFloor: 2, deliveredSeq: 2, pending: 1300, ackPending: 0}
    expect(movedText(billing, after, 4)).toBe(
      'consumer billing of stream ORDERS: next #4, ack floor #17 → #2, lag 1,203 → 1,300',
    )
    expect(movedText(billing, {...after, ackFloor: 99, deliveredSeq: 99, pending: 0}, undefined)).toBe(
      'consumer billing of stream ORDERS: next the first message after #99, ack floor #17 → #99, lag 1,203 → 0',
    )
  })
})
