import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {decode, hexPreview, textWherePossible, toBase64, utf8Text} from '../../../../src/lib/core/text/encoding.ts'

describe('encoded bytes', () => {
  test('are restored from base64, URL-safe base64 and hex, even with white space', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const buffer = Buffer.from(bytes)
        for (const text of [
          toBase64(bytes),
          buffer.toString('base64url'),
          toBase64(bytes).replace(/(....)/g, '$1\n '),
        ]) {
          expect(buffer.equals(decode(text, 'base64', 'it'))).toBe(true)
        }
        expect(buffer.equals(decode(buffer.toString('hex').toUpperCase(), 'hex', 'it'))).toBe(true)
      }),
    )
  })

  test.each([
    ['base64', 'aGk!', 'the body is not base64: "!" at position 4'],
    ['base64', 'aG=k', 'the body is not base64: "=" at position 3'],
    ['base64', 'aGk=a', 'the body is not base64: "=" at position 4'],
    ['base64', 'aGk=😀', 'the body is not base64: "=" at position 4'],
    ['base64', '😀', 'the body is not base64: "😀" at position 1'],
    ['base64', 'aGkaa', 'the body is not base64: it ends within a byte'],
    ['hex', '0x41', 'the body is not hex: "x" at position 2'],
    ['hex', '414', 'the body is not hex: it ends within a byte'],
  ] as const)('as %s are refused in %j', (encoding, text, sentence) => {
    expect(() => decode(text, encoding, 'the body')).toThrow(sentence)
  })

  test('are text if and only if they are UTF-8, with their byte order mark', () => {
    expect(utf8Text(Buffer.from('\ufeffé'))).toBe('\ufeffé')
    expect(utf8Text(Uint8Array.of(0xc3))).toBeUndefined()
    expect(textWherePossible(Buffer.from('a'))).toBe('a')
    expect(textWherePossible(Uint8Array.of(0xc3))).toEqual(Uint8Array.of(0xc3))
  })

  test('are previewed as pairs of hex digits', () => {
    expect(hexPreview(Uint8Array.of(0x89, 0x50, 0, 1), 3)).toBe('89 50 00')
  })
})
