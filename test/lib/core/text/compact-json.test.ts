import {expect, test} from 'vitest'
import {compactEnd, isSurelyCompact} from '../../../../src/lib/core/text/compact-json.ts'

test.each([
  ...['{}', '[]', '""', '0', '-1', '12.5', '-0.5', '0.000001', '123456789012345', 'true', 'false', 'null'],
  ...[
    '{"a":1,"b":[1,2,{"a":3}],"c":"ü €"}',
    '[[[]],{"a":{"a":1}}]',
    '{"a":"","":0}',
    '{"__proto__":1}',
    '"\u007f\u2028"',
  ],
])('%s is its own compact form', (text) => {
  expect(JSON.stringify(JSON.parse(text))).toBe(text)
  expect(isSurelyCompact(text)).toBe(true)
})

test.each([
  ...[
    '',
    ' ',
    '{',
    '{"a"}',
    '{"a":}',
    '{"a":1',
    '{"a":1,}',
    '[1,]',
    '[,1]',
    '"a',
    '"a\n"',
    "'a'",
    'nul',
    'true_',
    '{}{}',
    '1 ',
  ],
  ...[
    '{"a": 1}',
    '[1, 2]',
    '01',
    '-',
    '-0',
    '-0.0',
    '1.0',
    '1.',
    '.5',
    '1e3',
    '1E3',
    '0.0000001',
    '1234567890123456',
    '1.5e3',
  ],
  ...[
    '{"b":1,"1":2}',
    '{"a":1,"a":2}',
    '{"a":1,"b":{},"a":2}',
    '"\\u0061"',
    '"\\/"',
    '"\ud800"',
    '{a:1}',
    '{"a":1]',
    'NaN',
    '+1',
  ],
])('%j is not accepted as compact JSON', (text) => {
  expect(isSurelyCompact(text)).toBe(false)
})

test('every accepted text is its own compact form, and most of what JavaScript writes is accepted', () => {
  const marks = [
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '"a"',
    '"b"',
    '1',
    '0',
    '-',
    '.',
    'e',
    'true',
    ' ',
    '\\',
    'ü',
    '"a":',
  ]
  let seed = 7
  const random = (below: number) => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed % below
  }
  for (let round = 0; round < 200_000; round++) {
    const text = Array.from({length: 1 + random(9)}, () => marks[random(marks.length)]).join('')
    if (isSurelyCompact(text)) expect(JSON.stringify(JSON.parse(text))).toBe(text)
  }
  const value = (depth: number): unknown => {
    const kind = random(depth > 3 ? 4 : 6)
    if (kind === 0) return (random(2_000_000) - 1_000_000) / 10 ** random(12)
    if (kind === 1) return random(2) === 0
    if (kind === 2) return null
    if (kind === 3) return ['', 'a', 'text of words', 'ü€'][random(4)]
    const members = Array.from({length: random(5)}, () => value(depth + 1))
    return kind === 4 ? members : Object.fromEntries(members.map((member, at) => [`k${at}`, member]))
  }
  let accepted = 0
  for (let round = 0; round < 20_000; round++) {
    const text = JSON.stringify(value(0))
    if (isSurelyCompact(text)) accepted++
  }
  expect(accepted).toBeGreaterThan(16_000)
})

test('the end of a value is found in a longer text', () => {
  expect(compactEnd('{"a":"}"},"text"', 0)).toBe(9)
  expect(compactEnd('x[1,2]y', 1)).toBe(6)
  expect(compactEnd('{"a":"\\u0000"},', 0)).toBe(-1)
  expect(isSurelyCompact('['.repeat(40) + ']'.repeat(40))).toBe(false)
})
