import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {CloseError} from '../../../../src/lib/protocols/response-streams/close-error.ts'
import {closeText} from '../../../../src/lib/protocols/response-streams/close-reasons.ts'
import {
  dataFrameSize,
  decodeFrame,
  encodeClose,
  encodeData,
  mostData,
} from '../../../../src/lib/protocols/response-streams/frames.ts'

const decoded = (text: string | Uint8Array) => {
  const frame = decodeFrame(text)
  return frame.kind === 'data' ? {data: [...frame.data]} : frame.kind === 'close' ? frame.close : frame
}

/** As written by the Go implementation. */
const written: readonly (readonly [what: string, frame: string, means: object])[] = [
  ['data', '{"type":1,"data":"dGVzdCBkYXRh"}', {data: [...Buffer.from('test data')]}],
  ['data with padding', '{"type":1,"data":"aGk="}', {data: [0x68, 0x69]}],
  ['bytes', '{"type":1,"data":"AP/+gA=="}', {data: [0, 255, 254, 128]}],
  ['empty data', '{"type":1}', {data: []}],
  ['a normal close', '{"type":2,"closeError":{"Code":1000,"Text":""}}', {code: 1000, text: ''}],
  ['a failure', '{"type":2,"closeError":{"Code":5000,"Text":"disk full"}}', {code: 5000, text: 'disk full'}],
  ['an own code', '{"type":2,"closeError":{"Code":4999,"Text":"a\\"b\\n"}}', {code: 4999, text: 'a"b\n'}],
]

describe('a frame', () => {
  test.each(written)('is read: %s', (_, frame, means) => {
    expect(decoded(frame)).toEqual(means)
    expect(decoded(Buffer.from(frame))).toEqual(means)
  })

  test.each(written)('is written: %s', (_, frame, means) => {
    const text = 'data' in means ? encodeData(Uint8Array.from(means.data as number[])) : encodeClose(means as never)
    expect(text).toBe(frame)
  })

  test('of nine bytes of data has 32 bytes, as in the first implementation', () => {
    expect(dataFrameSize(9)).toBe(32)
    expect(encodeData('test data')).toHaveLength(32)
  })

  test('is restored unchanged, whatever the data and the text', () => {
    fc.assert(
      fc.property(fc.uint8Array({maxLength: 300}), (data) => {
        const text = encodeData(data)
        expect(decoded(text)).toEqual({data: [...data]})
        expect(text.length).toBe(dataFrameSize(data.length))
      }),
    )
    fc.assert(
      fc.property(fc.integer(), fc.string({unit: 'binary'}), (code, text) => {
        expect(decoded(encodeClose({code, text}))).toEqual({code, text})
      }),
    )
  })

  test('of a string is that of its UTF-8', () => {
    expect(encodeData('héllo 😀')).toBe(encodeData(Buffer.from('héllo 😀')))
  })

  test('fits up to the computed limit, and one byte more does not', () => {
    fc.assert(
      fc.property(fc.integer({min: 24, max: 5_000_000}), (limit) => {
        expect(dataFrameSize(mostData(limit))).toBeLessThanOrEqual(limit)
        expect(dataFrameSize(mostData(limit) + 1)).toBeGreaterThan(limit)
      }),
    )
  })
})

describe('a frame in another form', () => {
  test.each([
    ['white space', ' { "type" : 1, "data" : "aGk=" }\n', {data: [0x68, 0x69]}],
    ['another order', '{"data":"aGk=","type":1}', {data: [0x68, 0x69]}],
    ['names in another case', '{"Type":2,"CloseError":{"code":1000,"TEXT":"x"}}', {code: 1000, text: 'x'}],
    ['null for nothing', '{"type":1,"data":null,"closeError":null}', {data: []}],
    ['more than we know', '{"type":1,"data":"aGk=","trace":"x"}', {data: [0x68, 0x69]}],
    ['line ends within base64', '{"type":1,"data":"aG\\r\\nk="}', {data: [0x68, 0x69]}],
    ['escapes within base64', '{"type":1,"data":"\\u0061Gk="}', {data: [0x68, 0x69]}],
    ['a close without its fields', '{"type":2,"closeError":{}}', {code: 0, text: ''}],
    ['a later type', '{"type":3,"data":"aGk="}', {kind: 'unknown', type: 3}],
    ['no type', '{}', {kind: 'unknown', type: 0}],
    ['null', 'null', {kind: 'unknown', type: 0}],
    ['a name that is none', '{"__proto__":{"type":1,"data":"aGk="}}', {kind: 'unknown', type: 0}],
    ['inherited names', '{"constructor":1,"type":1}', {data: []}],
  ])('is read: %s', (_, frame, means) => {
    expect(decoded(frame)).toEqual(means)
  })

  test('is a close without a reason: 1006', () => {
    expect(decoded('{"type":2}')).toMatchObject({code: 1006})
    expect(decoded('{"type":2,"closeError":null}')).toMatchObject({code: 1006})
  })

  test.each([
    ['nothing', ''],
    ['a truncated frame', '{"type":1,"data":"aGk'],
    ['a truncated frame that ends well', '{"type":1,"data":"aGk"}'],
    ['no JSON', 'hello'],
    ['a list', '[1,"aGk="]'],
    ['a text', '"aGk="'],
    ['a number', '1'],
    ['a type that is text', '{"type":"1"}'],
    ['a broken type', '{"type":1.5}'],
    ['a huge type', '{"type":1e400}'],
    ['data that is no text', '{"type":1,"data":[1,2]}'],
    ['base64 of another alphabet', '{"type":1,"data":"_-_-"}'],
    ['base64 without padding', '{"type":1,"data":"aGk"}'],
    ['base64 with something in between', '{"type":1,"data":"aG*k"}'],
    ['padding in the middle', '{"type":1,"data":"aG=k"}'],
    ['a close that is a list', '{"type":2,"closeError":[]}'],
    ['a code that is text', '{"type":2,"closeError":{"Code":"1000"}}'],
    ['a text that is a number', '{"type":2,"closeError":{"Code":1000,"Text":7}}'],
    ['two frames', '{"type":1}{"type":1}'],
    ['bytes that are not UTF-8', Uint8Array.from([0xff, 0xfe, 0x00])],
    ['base64 with bytes that are not UTF-8', Buffer.from('{"type":1,"data":"aG\xffk"}', 'latin1')],
  ])('is invalid and ends the stream with 1003: %s', (_, frame) => {
    expect(decoded(frame)).toMatchObject({code: 1003, text: expect.stringMatching(/./)})
  })

  test('is decoded as base64 if and only if it is valid', () => {
    const letters = fc.constantFrom(...'AZaz09+/==-_ \u00e9\u0141*\t')
    const texts = fc.string({unit: letters, maxLength: 12})
    fc.assert(
      fc.property(texts, (text) => {
        const isBase64 = /^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)?$/.test(text)
        const frame = decodeFrame(`{"type":1,"data":${JSON.stringify(text)}}`)
        expect([text, frame.kind]).toEqual([text, isBase64 ? 'data' : 'close'])
        if (isBase64) expect(decodeFrame(Buffer.from(`{"type":1,"data":${JSON.stringify(text)}}`))).toEqual(frame)
      }),
      {numRuns: 3000},
    )
  })

  test('may be nested deeply or huge: it is answered, and nothing fails', () => {
    const deep = 100_000
    expect(decoded(`{"type":7,"x":${'['.repeat(deep)}${']'.repeat(deep)}}`)).toEqual({kind: 'unknown', type: 7})
    expect(decoded('['.repeat(deep))).toMatchObject({code: 1003})
    const bytes = Buffer.alloc(8 * 1024 * 1024, 7)
    const frame = decodeFrame(encodeData(bytes))
    expect(frame.kind === 'data' && bytes.equals(frame.data)).toBe(true)
  })

  test('never makes decoding throw', () => {
    fc.assert(fc.property(fc.uint8Array({maxLength: 100}), (bytes) => void decodeFrame(bytes)))
    fc.assert(fc.property(fc.json(), (text) => void decodeFrame(text)))
    const pieces = fc.constantFrom(
      '{',
      '}',
      '"type"',
      ':',
      '1',
      '2',
      ',',
      '"data"',
      '"aGk="',
      '"closeError"',
      '[',
      'null',
    )
    fc.assert(fc.property(fc.array(pieces), (parts) => void decodeFrame(parts.join(''))))
  })
})

describe('a close', () => {
  test.each([
    [1000, '', 'nats stream: close 1000 (normal)'],
    [1001, 'bye', 'nats stream: close 1001 (going away): bye'],
    [1003, 'x', 'nats stream: close 1003 (unsupported data): x'],
    [1006, '', 'nats stream: close 1006 (abnormal closure)'],
    [4000, 'x', 'nats stream: close 4000 (bad request): x'],
    [5000, 'x', 'nats stream: close 5000 (internal server error): x'],
    [4711, 'x', 'nats stream: close 4711: x'],
  ])('%d has the wording of other clients', (code, text, said) => {
    expect(closeText({code, text})).toBe(said)
  })

  test('that is a failure has code, name and text', () => {
    const error = new CloseError(
      {code: 5000, text: 'disk full'},
      {subject: 'logs', token: 'KK7F9jas', dialect: 'first'},
    )
    expect(error).toMatchObject({kind: 'remote', data: {code: 5000, name: 'internal server error', text: 'disk full'}})
    expect(error.message).toContain('close 5000 (internal server error): disk full')
  })
})
