import {describe, expect, test} from 'vitest'
import {formatPosition, parsePosition, parseRange} from '../../../src/lib/core/position.ts'

const now = Date.parse('2026-11-20T12:00:00Z')

describe('a position', () => {
  test.each([
    ['first', 'first'],
    ['last', {last: 1}],
    ['new', 'end'],
    ['end', 'end'],
    ['1042', {seq: 1042}],
    ['-100', {last: 100}],
    ['@2026-11-20T10:00Z', {timeMs: Date.parse('2026-11-20T10:00:00Z')}],
    ['@1763632800', {timeMs: 1763632800000}],
    ['@-15m', {timeMs: now - 15 * 60_000}],
    ['@-1h30m', {timeMs: now - 90 * 60_000}],
  ])('%s', (text, position) => {
    expect(parsePosition(text, now)).toEqual(position)
  })

  test.each([
    '',
    '0',
    '00',
    '-0',
    '1.5',
    'latest',
    '@',
    '@yesterday',
    '@-15',
    '1e3',
    'toString',
    '99999999999999999',
    '@-999999999999d',
  ])('is not %j', (text) => {
    expect(() => parsePosition(text, now)).toThrow(expect.objectContaining({kind: 'usage'}))
  })

  test.each(['first', 'last', 'end', '1042', '-100', '@2026-11-20T10:00:00.000Z', '@+010477-08-21T01:07:36.000Z'])(
    'is formatted as it is parsed: %s',
    (text) => {
      expect(formatPosition(parsePosition(text, now))).toBe(text)
    },
  )
})

describe('a range', () => {
  test.each([
    ['@-1h..@-30m', {from: {timeMs: now - 3_600_000}, to: {timeMs: now - 1_800_000}}],
    ['..1042', {from: 'first', to: {seq: 1042}}],
    ['500..', {from: {seq: 500}, to: undefined}],
    ['500..end', {from: {seq: 500}, to: undefined}],
    ['..', {from: 'first', to: undefined}],
  ])('%s', (text, range) => {
    expect(parseRange(text, now)).toEqual(range)
  })

  test.each(['500', '1..-3', '1..first', '1..x', 'x..1'])('is not %s', (text) => {
    expect(() => parseRange(text, now)).toThrow(expect.objectContaining({kind: 'usage'}))
  })
})
