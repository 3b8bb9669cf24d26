import {describe, expect, it} from 'vitest'
import {BusError} from '../../../../src/lib/core/errors.ts'
import {Message} from '../../../../src/lib/core/message.ts'
import {catalogue} from '../../../../src/lib/transport/nats/streams/catalogue.ts'
import {consumers} from '../../../../src/lib/transport/nats/streams/consumers.ts'
import {superset} from '../../../../src/lib/transport/nats/streams/ephemeral.ts'
import type {JetStreamSession} from '../../../../src/lib/transport/nats/streams/session.ts'
import {timeOf} from '../../../../src/lib/transport/nats/streams/settings.ts'
import {StoredReader} from '../../../../src/lib/transport/nats/streams/stored.ts'

describe('the response of a stream', () => {
  const read = (reader: StoredReader, text: string) => reader.read(Buffer.from(text), -1)

  for (const form of ['{"stream":"S", "seq":N}', '{"stream":"S","seq":N,"domain":"hub"}']) {
    it(`${form} is parsed, and similar ones`, () => {
      const reader = new StoredReader('nats://x')
      for (const seq of [1, 2, 99_999, 7]) {
        expect(read(reader, form.replace('N', String(seq)))).toBeUndefined()
        expect(reader.stored).toEqual({stream: 'S', seq, duplicate: false})
      }
      expect(read(reader, '{"stream":"T","seq":8}')).toBeUndefined()
      expect(reader.stored).toEqual({stream: 'T', seq: 8, duplicate: false})
      expect(read(reader, '{"stream":"T","seq":8,"duplicate": true}')).toBeUndefined()
      expect(reader.stored).toEqual({stream: 'T', seq: 8, duplicate: true})
      expect(read(reader, '{"stream":"T","seq":9}')).toBeUndefined()
      expect(reader.stored).toEqual({stream: 'T', seq: 9, duplicate: false})
    })
  }

  it('that is an error, or not a response at all, is a failure', () => {
    const reader = new StoredReader('nats://x')
    const refusal =
      '{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 2"},"stream":"S","seq":0}'
    expect(read(reader, refusal)).toMatchObject({kind: 'remote', data: {code: 10071}})
    for (const text of ['', 'hello', '{}', 'null', '{"stream":"S"}']) {
      expect(read(reader, text), text).toBeInstanceOf(BusError)
      expect(read(reader, text), text).toMatchObject({kind: 'remote'})
    }
    expect(reader.read(Buffer.from('NATS/1.0 503\r\n\r\n'), 16)).toBe('nobody')
  })
})

describe("a response in place of JetStream's", () => {
  const session = (text: string) => ({
    ...{
      url: 'nats://x',
      version: () => [2, 12, 0],
      check: () => undefined,
      answerTimeoutMs: () => 5000,
      listen: () => () => undefined,
    },
    request: async () => new Message('_INBOX.1', text),
    elections: {isClustered: false},
  })
  const answers = ['', 'hello', 'null', '[]', '{}', '{"error":null}', '{"config":{},"state":7}', '{"streams":[7]}']

  it.each(answers)('is reported in a sentence: %s', async (text) => {
    const streams = catalogue(session(text) as unknown as JetStreamSession)
    const failure = {kind: 'remote', message: expect.stringContaining('an answer from nats://x is not from JetStream')}
    await expect(streams.info('S')).rejects.toMatchObject(failure)
    await expect(streams.list()).rejects.toMatchObject(failure)
    await expect(streams.get('S', 1)).rejects.toMatchObject(failure)
  })
})

describe('a list of streams', () => {
  const stream = (name: string) => ({
    config: {name, subjects: [name], retention: 'limits', storage: 'file', discard: 'old', num_replicas: 1},
    created: '2026-01-01T00:00:00Z',
    state: {messages: 0, bytes: 0, first_seq: 0, last_seq: 0, consumer_count: 0},
  })
  const session = (page: object) =>
    ({
      ...{
        url: 'nats://x',
        version: () => [2, 12, 0],
        check: () => undefined,
        answerTimeoutMs: () => 5000,
        listen: () => () => undefined,
      },
      request: async () => new Message('_INBOX.1', JSON.stringify({offset: 0, limit: 256, ...page})),
      elections: {isClustered: true, signal: undefined},
    }) as unknown as JetStreamSession

  it('does not contain a stream that the server lists without a state because its servers are offline', async () => {
    const {list} = catalogue(session({total: 2, streams: [stream('A'), stream('B')], missing: ['B']}))
    const unreachable: string[] = []
    const found = await list({onUnreachable: (names) => unreachable.push(...names)})
    expect([found.map(({config}) => config.name), unreachable]).toEqual([['A'], ['B']])
    await expect(list()).rejects.toMatchObject({kind: 'timeout', message: expect.stringContaining('B')})
  })

  it('and a list of consumers do not contain one whose servers are offline, of which only the configuration is known', async () => {
    const place = {consumer_seq: 0, stream_seq: 0}
    const consumer = (durable: string, name = durable) => ({
      ...{stream_name: name && 'S', name, created: '2026-01-01T00:00:00Z', delivered: place, ack_floor: place},
      ...{num_ack_pending: 0, num_redelivered: 0, num_waiting: 0, num_pending: 0},
      config: {durable_name: durable, deliver_policy: 'all', ack_policy: 'explicit', replay_policy: 'instant'},
    })
    const {list} = consumers(session({total: 2, consumers: [consumer('a'), consumer('b', '')], missing: ['b']}))
    const unreachable: string[] = []
    const found = await list('S', {onUnreachable: (names) => unreachable.push(...names)})
    expect([found.map(({config}) => config.name), unreachable]).toEqual([['a'], ['b']])
  })
})

describe('one pattern for several patterns', () => {
  for (const [patterns, wide] of [
    [['a.x', 'a.y'], 'a.*'],
    [['a.x', 'b.x'], '*.x'],
    [['a.x', 'a.x.y'], 'a.>'],
    [['a.x.y', 'a'], '>'],
    [['a.*', 'a.>'], 'a.>'],
    [['a.x', 'b.y', 'c'], '>'],
  ] as const) {
    it(`${patterns.join(' and ')}: ${wide}`, () => expect(superset(patterns)).toBe(wide))
  }
})

it('a time of the server keeps its nanoseconds as far as a number can represent them', () => {
  expect(timeOf('2026-11-21T09:44:35.796366657Z')).toBe(Date.parse('2026-11-21T09:44:35Z') + 796 + 366657 / 1e6)
  expect(timeOf('2026-11-21T09:44:35Z')).toBe(Date.parse('2026-11-21T09:44:35Z'))
  expect(timeOf('2026-11-21T10:44:35.5+01:00')).toBe(Date.parse('2026-11-21T09:44:35.500Z'))
})
