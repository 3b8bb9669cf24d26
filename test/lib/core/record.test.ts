import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {BusError} from '../../../src/lib/core/errors.ts'
import {type Headers, Message} from '../../../src/lib/core/message.ts'
import {parseRecord, recordWriter} from '../../../src/lib/core/record.ts'
import {isoClock} from '../../../src/lib/core/time/timestamp.ts'

const noon = Date.UTC(2026, 10, 20, 12)

function lineOf(message: Message): string {
  return recordWriter()(message)
}

function payloadLine(payload: string | Uint8Array): string {
  return lineOf(new Message('a', payload, [], undefined, undefined, noon))
}

function bytesOf(data: string | Uint8Array | undefined): Buffer {
  return Buffer.from(data ?? '')
}

/** Asserts that a payload is restored from its record byte for byte, and that the record is one line of JSON. */
function comesBack(payload: string | Uint8Array): void {
  const line = payloadLine(payload)
  expect(line).not.toMatch(/[\r\n]/)
  JSON.parse(line)
  // Through UTF-8, as in a file.
  const read = parseRecord(Buffer.from(line).toString('utf8'))
  expect(bytesOf(read.data).equals(bytesOf(payload))).toBe(true)
}

const token = fc.string({unit: fc.constantFrom(...'abcXYZ019-_$:/é漢😀'), minLength: 1, maxLength: 8})
const subject = fc.array(token, {minLength: 1, maxLength: 5}).map((tokens) => tokens.join('.'))
const headerName = fc.oneof(
  fc.string({unit: fc.constantFrom(...'abcABC-_0123!#'), minLength: 1, maxLength: 6}),
  fc.constantFrom('7', '42', '__proto__', 'constructor', 'toString', 'hasOwnProperty'),
)
const headerValue = fc.string({unit: 'grapheme'}).map((value) => value.replace(/[\r\n\0]/g, ''))
const headers: fc.Arbitrary<Headers> = fc.array(fc.tuple(headerName, headerValue), {maxLength: 6})

describe('a record', () => {
  test('restores any bytes', () => {
    fc.assert(fc.property(fc.uint8Array({maxLength: 200}), comesBack))
  })

  test('restores any text, even if it is not well formed', () => {
    fc.assert(fc.property(fc.string({unit: 'binary'}), comesBack))
    fc.assert(fc.property(fc.string({unit: fc.constantFrom('\ud800', '\udc00', 'a', '"', '\\')}), comesBack))
  })

  test('restores any JSON, however it is formatted', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom('', ' ', '\t', 3), (value, space) => {
        comesBack(JSON.stringify(value, null, space))
      }),
    )
  })

  test.each([
    ['1e400', '-0', '1.0', '12345678901234567890', '0.1e-7', '[1.10,1E5]'],
    ['{"a":1,"a":2}', '{"b":1,"1":2}', '{"__proto__":1}', '{"a":{"a":1,"a":1}}'],
    ['"\\ud800"', '"\\uD800"', '"\\/"', '"\\u00e9"', '"é"', '"\\u2028"', '"\u2028"'],
    [' {}', '{}\n', '\r\n{}', '{"a" :1}', '[ ]', '\n', ' ', ''],
    ['null', 'true', '0', '""', 'nul', '{', '"', '{"a":1}x', '01', '+1', 'NaN', 'undefined'],
    ['\ufeff{"a":1}', '\ufeff', '\ufeffabc', '\0', '\u001b[31m', '\u{10ffff}'],
  ])('restores %j and similar payloads', (...payloads) => {
    for (const payload of payloads) {
      comesBack(payload)
      comesBack(Buffer.from(payload))
    }
  })

  test('restores JSON that is nested too deeply to be written', () => {
    comesBack('['.repeat(100_000) + ']'.repeat(100_000))
  })

  test('restores subject, reply and headers: their order, their case, their repetitions', () => {
    fc.assert(
      fc.property(subject, headers, fc.option(subject, {nil: undefined}), (name, pairs, reply) => {
        const read = parseRecord(lineOf(new Message(name, 'x', pairs, reply, 7, noon)))
        expect(read.subject).toBe(name)
        expect(read.reply).toBe(reply)
        expect(read.headers ?? []).toEqual(pairs)
        expect(read.timeMs).toBe(noon)
      }),
    )
  })

  test('restores header names that are a quote or a backslash, of which V8 may confuse the keys', () => {
    const line = (name: string) =>
      recordWriter()(
        new Message('a', '', [
          ['Nats-', ''],
          [name, 'x'],
        ]),
      )
    for (const name of ['\\', '"'])
      expect(parseRecord(line(name)).headers).toEqual([
        ['Nats-', ''],
        [name, 'x'],
      ])
  })

  test('is identical when its restored message is written again', () => {
    fc.assert(
      fc.property(subject, headers, fc.uint8Array({maxLength: 40}), (name, pairs, payload) => {
        const line = lineOf(new Message(name, payload, pairs, undefined, undefined, noon))
        const read = parseRecord(line)
        const again = new Message(read.subject, read.data ?? '', read.headers, read.reply, undefined, noon)
        expect(lineOf(again)).toBe(line)
      }),
    )
  })
})

describe('the form of a record', () => {
  test('is subject, seq, time, reply, headers and payload, in this order', () => {
    const message = new Message('a.b', '{"n":1}', [['Trace', 'x']], '_INBOX.1', 12, noon + 0.25)
    expect(lineOf(message)).toBe(
      '{"subject":"a.b","seq":12,"time":"2026-11-20T12:00:00.000250Z","reply":"_INBOX.1","headers":{"Trace":"x"},"json":{"n":1}}',
    )
  })

  test.each([
    ['{"n":1}', {json: {n: 1}}],
    ['{ "n": 1 }', {json: {n: 1}, text: '{ "n": 1 }'}],
    ['1.0', {json: 1, text: '1.0'}],
    ['hello', {text: 'hello'}],
    ['', {text: ''}],
    ['null', {json: null}],
  ])('has the payload %j as JSON if it is JSON, and as text if that is not exact', (payload, expected) => {
    const {subject: _, time: __, ...rest} = JSON.parse(payloadLine(payload))
    expect(rest).toEqual(expected)
  })

  test('has bytes that are not UTF-8 as base64', () => {
    expect(JSON.parse(payloadLine(Uint8Array.of(0xff, 0)))).toMatchObject({base64: '/wA='})
  })

  test('has numbers in JSON unchanged', () => {
    expect(payloadLine('[1e400, 1.10]')).toContain('"json":[1e400,1.10],"text"')
  })

  test('has headers as pairs only if an object would lose order or a name', () => {
    const of = (...pairs: [string, string][]) =>
      JSON.parse(lineOf(new Message('a', '', pairs, undefined, undefined, noon))).headers
    expect(of(['A', '1'], ['a', '2'])).toEqual({A: '1', a: '2'})
    expect(of(['A', '1'], ['A', '2'], ['B', '3'])).toEqual({A: ['1', '2'], B: '3'})
    expect(of(['A', '1'], ['B', '3'], ['A', '2'])).toEqual([
      ['A', '1'],
      ['B', '3'],
      ['A', '2'],
    ])
    expect(of(['B', '1'], ['7', '2'])).toEqual([
      ['B', '1'],
      ['7', '2'],
    ])
  })

  test('of ten thousand headers is written quickly', () => {
    const many = Array.from({length: 10_000}, (_, n) => [`A${n % 2 ? n : 0}`, 'x'] as const).sort()
    const began = performance.now()
    const line = recordWriter()(new Message('a', '', many))
    expect(performance.now() - began).toBeLessThan(5000)
    expect(parseRecord(line).headers).toEqual(many)
  })

  test('omits an invalid time', () => {
    const line = lineOf(new Message('a', 'x', [], undefined, undefined, Number.NaN))
    expect(JSON.parse(line)).toEqual({subject: 'a', text: 'x'})
  })

  test('has the size and not the payload with headersOnly', () => {
    const write = recordWriter({headersOnly: true})
    const message = new Message('a', 'é', [['T', '1']], undefined, undefined, noon)
    expect(JSON.parse(write(message))).toEqual({
      subject: 'a',
      time: isoClock()(noon),
      headers: {T: '1'},
      bytes: 2,
    })
  })
})

describe('a record from another program', () => {
  test.each([
    ['{"subject":"a","json":{"a": 1}}', '{"a":1}'],
    ['{"subject":"a","json":12345678901234567890}', '12345678901234567890'],
    ['{"subject":"a","json":1.0,"seq":1}', '1.0'],
    ['{"subject":"a","json":[1e400, -0]}', '[1e400,-0]'],
    ['{"json":"x","subject":"a"}', '"x"'],
    ['{"subject":"a","json":1,"text":"2"}', '2'],
    ['{"subject":"a","base64":"/w==","text":"2","json":3}', '\\xff'],
    ['{"subject":"a","base64":"_w"}', '\\xff'],
    ['{"subject":"a"}', ''],
    ['{"subject":"a","reply":null,"headers":null,"time":null}', ''],
    ['{"subject":"a","text":"2","bytes":1,"ms":0.1,"responseStream":"t","frame":1}', '2'],
  ])('%s has the payload %s', (line, payload) => {
    const expected = payload === '\\xff' ? Buffer.from([0xff]) : Buffer.from(payload)
    expect(bytesOf(parseRecord(line).data)).toEqual(expected)
  })

  test.each([
    ['{"subject":', /^is not JSON: /],
    ['[1]', 'is not a JSON object'],
    ['null', 'is not a JSON object'],
    ['{}', 'has no "subject"'],
    ['{"subject":1}', 'has a "subject" that is not a string'],
    ['{"subject":"a..b"}', 'subject "a..b" has an empty token at position 3'],
    ['{"subject":"a.*"}', /wildcard "\*"/],
    ['{"subject":"a","reply":1}', 'has a "reply" that is not a string'],
    ['{"subject":"a","headers":"x"}', 'has "headers" that are neither an object nor pairs'],
    ['{"subject":"a","headers":{"a":1}}', 'has a header that is not a string: ["a",1]'],
    ['{"subject":"a","headers":[["a"]]}', 'has a header that is not a string: ["a"]'],
    ['{"subject":"a","headers":{"a":"x\\ny"}}', 'the value of header "a" has a line break or NUL'],
    ['{"subject":"a","headers":{"a b":"x"}}', /header name "a b"/],
    ['{"subject":"a","text":1}', 'has a "text" that is not a string'],
    ['{"subject":"a","base64":1}', 'has a "base64" that is not a string'],
    ['{"subject":"a","base64":"a*b="}', 'has a "base64" that is not base64: "*" at position 2'],
    ['{"subject":"a","base64":"a"}', 'has a "base64" that is not base64: it ends within a byte'],
    ['{"subject":"a","data":"x"}', 'has a member that records do not have: "data"'],
    ['{"subject":"a","JSON":1}', 'has a member that records do not have: "JSON"'],
    ['{"subject":"a","json":1,"header":{"A":"1"}}', 'has a member that records do not have: "header"'],
    ['{"subject":"a","json":1,"__proto__":1}', 'has a member that records do not have: "__proto__"'],
    ['{"subject":"a","bytes":5}', 'has no payload, only its size: it was written with --headers-only'],
    ['{"subject":"a","time":"yesterday"}', 'has a "time" that is not ISO 8601: "yesterday"'],
    ['{"subject":"a","time":1763632800}', 'has a "time" that is not ISO 8601: 1763632800'],
    [`{"subject":"a","json":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, 'has a "json" that is nested too deeply'],
  ])('%.60s is refused', (line, sentence) => {
    const read = () => parseRecord(line)
    expect(read).toThrow(BusError)
    expect(read).toThrow(sentence)
  })

  test.each([
    ['data', 'the payload is "json", "text" or "base64"'],
    ['header', 'write "headers"'],
    ['Text', 'write "text"'],
  ])('with the member %s gets a hint', (name, hint) => {
    const read = () => parseRecord(JSON.stringify({subject: 'a', [name]: 'x'}))
    expect(read).toThrow(expect.objectContaining({try: expect.arrayContaining([hint])}))
  })
})
