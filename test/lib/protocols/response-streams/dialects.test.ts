import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {decodeOpenRequest, encodeOpenRequest} from '../../../../src/lib/protocols/response-streams/dialects.ts'
import {
  decodeHeartbeat,
  decodeHeartbeatReply,
  encodeHeartbeat,
  encodeHeartbeatReply,
} from '../../../../src/lib/protocols/response-streams/heartbeats.ts'
import {newInbox, newToken} from '../../../../src/lib/protocols/response-streams/tokens.ts'

const inbox = '_SINBOX.GwLlKanYanG8WcN0tZOOhh.'
const token = 'KK7F9jas'
const later =
  '{"consumerId":"_SINBOX.GwLlKanYanG8WcN0tZOOhh.","streamId":"KK7F9jas",' +
  '"heartBeatRequestSub":"_HEARTBEAT._SINBOX.GwLlKanYanG8WcN0tZOOhh","body":"aGk="}'
const consumer = {inbox, token, heartbeat: '_HEARTBEAT._SINBOX.GwLlKanYanG8WcN0tZOOhh'}

describe('a request', () => {
  test('of the first dialect is the body and nothing else', () => {
    const body = Uint8Array.from([0, 255, 123])
    expect(encodeOpenRequest('first', {inbox, token, body})).toBe(body)
    expect(decodeOpenRequest(body)).toEqual({dialect: 'first', body})
  })

  test('of the later dialect is the JSON of the later clients', () => {
    expect(encodeOpenRequest('later', {inbox, token, body: 'hi'})).toBe(later)
    expect(decodeOpenRequest(later)).toEqual({dialect: 'later', body: Buffer.from('hi'), consumer})
    expect(decodeOpenRequest(Buffer.from(later))).toEqual({dialect: 'later', body: Buffer.from('hi'), consumer})
  })

  test('is restored unchanged, with its dialect', () => {
    fc.assert(
      fc.property(fc.uint8Array({maxLength: 200}), fc.constantFrom('first', 'later' as const), (body, dialect) => {
        const read = decodeOpenRequest(encodeOpenRequest(dialect, {inbox, token, body}))
        expect(typeof read === 'string' ? read : [read.dialect, ...Buffer.from(read.body)]).toEqual([dialect, ...body])
      }),
    )
  })

  test.each([
    ['{"job":7}'],
    ['{"consumerId":"a","streamId":"b"}'],
    ['{"consumerId":"a'],
    ['["consumerId","streamId","heartBeatRequestSub"]'],
    ['"consumerId"'],
    ['{"__proto__":{"consumerId":"a","streamId":"b","heartBeatRequestSub":"c"}}'],
    [''],
  ])('that only resembles the later dialect is of the first: %s', (body) => {
    expect(decodeOpenRequest(body)).toEqual({dialect: 'first', body})
  })

  test.each([
    ['a body that is no base64', later.replace('aGk=', '!!!!')],
    ['a body that is a list', later.replace('"aGk="', '[1]')],
    ['a stream that is a number', later.replace('"KK7F9jas"', '7')],
    ['a consumer that is an object', later.replace(`"${inbox}"`, '{}')],
  ])('of the later dialect that is invalid is reported with the reason: %s', (_, body) => {
    expect(decodeOpenRequest(body)).toEqual(expect.stringMatching(/body|streamId|consumerId/))
  })

  test('never makes decoding throw', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void decodeOpenRequest(bytes)))
    const value = fc.jsonValue()
    fc.assert(
      fc.property(value, value, value, value, (consumerId, streamId, heartBeatRequestSub, body) => {
        decodeOpenRequest(JSON.stringify({consumerId, streamId, heartBeatRequestSub, body}))
      }),
    )
    decodeOpenRequest(later.replace('"aGk="', '['.repeat(100_000) + ']'.repeat(100_000)))
  })
})

describe('a heartbeat', () => {
  const tokens = new Map([['node.compute.1.ExecutionLogs/v1', ['KK7F9jas', 'abcdefgh']]])

  test('and its answer are written as by the later implementations', () => {
    expect(encodeHeartbeat(tokens)).toBe(
      '{"ActiveStreamIds":{"node.compute.1.ExecutionLogs/v1":["KK7F9jas","abcdefgh"]}}',
    )
    expect(encodeHeartbeatReply(new Map())).toBe('{"NonActiveStreamIds":{}}')
  })

  test('is read, even with null for nothing', () => {
    expect(decodeHeartbeat(encodeHeartbeat(tokens))).toEqual(tokens)
    expect(decodeHeartbeatReply('{"NonActiveStreamIds":null}')).toEqual(new Map())
    expect(decodeHeartbeatReply('{"NonActiveStreamIds":{"a":null}}')).toEqual(new Map([['a', []]]))
    expect(decodeHeartbeatReply('{}')).toEqual(new Map())
  })

  test('is restored unchanged, whatever the subjects', () => {
    const subject = fc.oneof(fc.string(), fc.constantFrom('__proto__', 'constructor', '7', '1'))
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(subject, fc.array(fc.string())), {selector: ([name]) => name}), (entries) => {
        const given = new Map(entries)
        expect(decodeHeartbeat(encodeHeartbeat(given))).toEqual(given)
        expect(decodeHeartbeatReply(encodeHeartbeatReply(given))).toEqual(given)
      }),
    )
  })

  test.each([
    '',
    'x',
    '[]',
    '{"ActiveStreamIds":[]}',
    '{"ActiveStreamIds":{"a":"b"}}',
    '{"ActiveStreamIds":{"a":[1]}}',
  ])('is invalid: %s', (text) => {
    expect(decodeHeartbeat(text)).toBeUndefined()
  })
})

describe('a token', () => {
  test('has the letters and the length that the protocol requires', () => {
    expect(newInbox()).toMatch(/^_SINBOX\.[0-9A-Za-z]{22}\.$/)
    expect(newToken()).toMatch(/^[0-9A-Za-z]{8}$/)
  })

  test('does not occur twice', () => {
    expect(new Set(Array.from({length: 10_000}, newToken)).size).toBe(10_000)
  })
})
