import {expect, it} from 'vitest'
import {nearest} from '../../../../src/lib/core/text/nearest.ts'

const commands = ['pub', 'sub', 'req', 'serve', 'tour', 'consumer replay']

it.each([
  ['pbu', 'pub'],
  ['subb', 'sub'],
  ['reqest', undefined],
  ['srve', 'serve'],
  ['tuor', 'tour'],
  ['consumer repaly', 'consumer replay'],
  ['zebra', undefined],
  ['', undefined],
])('%j suggests %j', (typed, meant) => {
  expect(nearest(typed, commands)).toBe(meant)
})

it('the nearest word is preferred', () => {
  expect(nearest('count', ['court', 'count', 'mount'])).toBe('count')
})
