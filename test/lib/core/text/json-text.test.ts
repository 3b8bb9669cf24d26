import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {compactJson, looksLikeJson, parseExact, prettyJson} from '../../../../src/lib/core/text/json-text.ts'

describe('JSON text', () => {
  test('in its compact form is the output of JSON.stringify', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom('', ' ', '\t', 4), (value, space) => {
        expect(compactJson(JSON.stringify(value, null, space))).toBe(JSON.stringify(value))
      }),
    )
  })

  test('formatted is the output of JSON.stringify with two spaces', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom('', ' ', 4), (value, space) => {
        expect(prettyJson(JSON.stringify(value, null, space))).toBe(JSON.stringify(value, null, 2))
      }),
    )
  })

  test('keeps every token unchanged', () => {
    expect(compactJson('[ 1.10, 1e400, "a \\" b" ]')).toBe('[1.10,1e400,"a \\" b"]')
    expect(prettyJson('{"a":-0,"a":[ ]}')).toBe('{\n  "a": -0,\n  "a": []\n}')
  })

  test('is compacted however long its strings are', () => {
    const long = JSON.stringify('\n"'.repeat(5_000_000))
    expect(compactJson(` ${long} `)).toBe(long)
  })

  test('formatted takes time that grows with its length, not with its depth', () => {
    const deep = '['.repeat(20_000) + ']'.repeat(20_000)
    expect(prettyJson(deep).length).toBeLessThan(deep.length * 100)
  })

  test('parsed exactly is restored if JavaScript would round', () => {
    for (const text of ['12345678901234567890', '[1.0,-0,1e400,{"a":1.10}]', '"1.0"', '7']) {
      expect(JSON.stringify(parseExact(text))).toBe(text)
    }
  })

  test('always looks like JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(undefined, 2), (value, space) => {
        expect(looksLikeJson(JSON.stringify(value, null, space))).toBe(true)
      }),
    )
    expect(
      ['hello', '', 'ok', '<a>', '2026-11-20 10:00 started', '{"cut":"off"', '[1}', 'nope'].filter(looksLikeJson),
    ).toEqual([])
  })
})
