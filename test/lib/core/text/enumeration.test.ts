import {expect, it} from 'vitest'
import {enumeration} from '../../../../src/lib/core/text/enumeration.ts'

it.each([
  [[], ''],
  [['A'], 'A'],
  [['A', 'B'], 'A and B'],
  [['A', 'B', 'C'], 'A, B and C'],
])('%j becomes "%s"', (things, text) => {
  expect(enumeration(things)).toBe(text)
})
