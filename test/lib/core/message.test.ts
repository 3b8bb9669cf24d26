import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {BusError} from '../../../src/lib/core/errors.ts'
import {
  checkHeader,
  type Headers,
  headerOf,
  headersByName,
  Message,
  noHeaders,
  parseHeader,
  serviceError,
  sizeOf,
} from '../../../src/lib/core/message.ts'

describe('a payload', () => {
  test('given as text is returned as text and as its UTF-8 bytes', () => {
    fc.assert(
      fc.property(fc.string({unit: 'grapheme'}), (text) => {
        const message = new Message('a', text)
        expect(message.text).toBe(text)
        expect(Buffer.from(message.data).equals(Buffer.from(text))).toBe(true)
        expect(sizeOf(text)).toBe(message.data.length)
      }),
    )
  })

  test('given as bytes is returned as the same bytes, and as text if they are UTF-8', () => {
    fc.assert(
      fc.property(fc.string({unit: 'grapheme'}), (text) => {
        const bytes = new TextEncoder().encode(text)
        const message = new Message('a', bytes)
        expect(message.data).toBe(bytes)
        expect(message.text).toBe(text)
        expect(sizeOf(bytes)).toBe(bytes.length)
      }),
    )
  })

  test('keeps a leading byte order mark in its text', () => {
    expect(new Message('a', Uint8Array.of(0xef, 0xbb, 0xbf, 0x61)).text).toBe('\ufeffa')
  })

  test('shows U+FFFD for bytes that are not UTF-8', () => {
    expect(new Message('a', Uint8Array.of(0x61, 0xff, 0x62)).text).toBe('a\ufffdb')
  })

  test('that is absent has no bytes', () => {
    expect(sizeOf(undefined)).toBe(0)
    expect(sizeOf('')).toBe(0)
    expect(sizeOf(new Uint8Array())).toBe(0)
  })
})

describe('a header', () => {
  const headers: Headers = [
    ['X-Trace', '1'],
    ['x-trace', '2'],
    ['Type', 'a'],
    ['TYPE', 'b'],
    ['__proto__', 'p'],
  ]
  test.each([
    ['X-Trace', '1'],
    ['x-trace', '2'],
    ['X-TRACE', '1'],
    ['TYPE', 'b'],
    ['type', 'a'],
    ['__PROTO__', 'p'],
    ['missing', undefined],
  ])('is found by %s under the exact name, else under its first name in another case', (name, value) => {
    expect(headerOf(headers, name)).toBe(value)
    expect(headersByName(headers)[name]).toBe(value)
    expect(Object.hasOwn(headersByName(headers), name)).toBe(value !== undefined)
  })

  test('is listed under its own name', () => {
    expect(Object.keys(headersByName(headers))).toEqual(['X-Trace', 'x-trace', 'Type', 'TYPE', '__proto__'])
    expect(JSON.stringify(headersByName(headers))).toBe(
      '{"X-Trace":"1","x-trace":"2","Type":"a","TYPE":"b","__proto__":"p"}',
    )
  })
})

describe('headers', () => {
  const headers: Headers = [
    ['X-Id', '1'],
    ['x-id', '2'],
    ['Other', ''],
  ]

  test('are found by name ignoring case, the first value first', () => {
    expect(headerOf(headers, 'x-ID')).toBe('1')
    expect(headerOf(headers, 'OTHER')).toBe('')
    expect(headerOf(headers, 'missing')).toBeUndefined()
    expect(new Message('a', '', headers).header('X-ID')).toBe('1')
  })

  test('are empty and immutable if none were given', () => {
    expect(new Message('a', '').headers).toBe(noHeaders)
    expect(Object.isFrozen(noHeaders)).toBe(true)
  })

  test('are parsed as "Name: value", trimmed, with any further colons in the value', () => {
    expect(parseHeader('X-Id: 1')).toEqual(['X-Id', '1'])
    expect(parseHeader('X-Id:1')).toEqual(['X-Id', '1'])
    expect(parseHeader(' X-Url :  http://a:80/ ')).toEqual(['X-Url', 'http://a:80/'])
    expect(parseHeader('X-Empty:')).toEqual(['X-Empty', ''])
    expect(parseHeader('X-Text: grüße 🐟')).toEqual(['X-Text', 'grüße 🐟'])
  })

  test.each([
    ['no colon', 'must be "Name: value"'],
    [': value', 'must be "Name: value"'],
    ['   : value', 'header name ""'],
    ['Na me: value', 'header name "Na me"'],
    ['Näme: value', 'header name "Näme"'],
    ['Name: two\nlines', 'line break or NUL'],
    ['Name: two\rlines', 'line break or NUL'],
    ['Name: a\0b', 'line break or NUL'],
    ['Na\nme: value', 'header name "Na\\nme"'],
  ])('that are malformed are refused: %j', (line, sentence) => {
    expect(() => parseHeader(line)).toThrow(sentence)
    expect(kindOf(() => parseHeader(line))).toBe('usage')
  })

  test('are checked unchanged, without trimming', () => {
    expect(checkHeader('Name', ' spaced ')).toEqual(['Name', ' spaced '])
    for (const name of ['', ' Name', 'Name ', 'a:b', 'a\tb', 'a\u007f']) {
      expect(
        kindOf(() => checkHeader(name, 'x')),
        JSON.stringify(name),
      ).toBe('usage')
    }
  })
})

describe('a message', () => {
  test('has the time of its arrival unless it has its own', () => {
    const before = Date.now()
    const {time} = new Message('a', '')
    expect(time).toBeGreaterThanOrEqual(before)
    expect(time).toBeLessThanOrEqual(Date.now())
    expect(new Message('a', '', noHeaders, 'r', 7, 12.5)).toMatchObject({reply: 'r', seq: 7, time: 12.5})
  })

  test('is recognised as a service error by either of its headers', () => {
    const from = (...headers: [string, string][]) => serviceError(new Message('a', '', headers))
    expect(from()).toBeUndefined()
    expect(from(['Other', '1'])).toBeUndefined()
    expect(from(['Nats-Service-Error', 'no']), 'text alone').toEqual({code: '', text: 'no'})
    expect(from(['nats-service-error-code', '500']), 'code alone').toEqual({code: 500, text: ''})
    expect(from(['Nats-Service-Error-Code', '500'], ['Nats-Service-Error', 'no'])).toEqual({code: 500, text: 'no'})
  })
})

function kindOf(act: () => unknown): string | undefined {
  try {
    act()
  } catch (error) {
    return error instanceof BusError ? error.kind : 'a bug'
  }
  return undefined
}
