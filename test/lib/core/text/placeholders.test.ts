import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {splitPlaceholders} from '../../../../src/lib/core/text/placeholders.ts'

/** Placeholders as <name>. */
function shown(text: string): string {
  return splitPlaceholders(text, 'it')
    .map((part) => (typeof part === 'string' ? part : `<${part.name}>`))
    .join('')
}

describe('placeholders', () => {
  test.each([
    ['{n}', '<n>'],
    ['a {n} b {json.user.id}', 'a <n> b <json.user.id>'],
    ['{"id":{n}}', '{"id":<n>}'],
    ['{"a":{"b":{n}}}', '{"a":{"b":<n>}}'],
    ['{{n}}', '{n}'],
    ['{{"a":{n}}}', '{"a":<n>}'],
    ['{{ {n}', '{ <n>'],
    ['{} { } {1} }} }', '{} { } {1} }} }'],
    ['', ''],
  ])('in %j are found', (text, expected) => {
    expect(shown(text)).toBe(expected)
  })

  test('have their position', () => {
    expect(splitPlaceholders('ab{n}', 'it')).toEqual(['ab', {name: 'n', position: 3}])
  })

  test('that are not closed are refused with their position', () => {
    expect(() => splitPlaceholders('ab {json.x', '--format')).toThrow(
      '--format has "{json.x", which is not closed, at position 4',
    )
  })

  test('are not found in JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const json = JSON.stringify(value)
        fc.pre(!/\{[a-z{]/i.test(json))
        expect(shown(json)).toBe(json)
      }),
    )
  })
})
