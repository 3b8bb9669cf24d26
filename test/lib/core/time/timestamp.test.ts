import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {
  isoClock,
  localCalendarClock,
  localClock,
  parseTime,
  unixSeconds,
} from '../../../../src/lib/core/time/timestamp.ts'

describe('a time as text', () => {
  test('is ISO 8601 with microseconds', () => {
    const iso = isoClock()
    expect(iso(Date.UTC(2026, 0, 2, 3, 4, 5) + 6.007)).toBe('2026-01-02T03:04:05.006007Z')
    expect(iso(Date.UTC(2026, 0, 2, 3, 4, 5) + 999.9999)).toBe('2026-01-02T03:04:06.000000Z')
    expect(iso(-1)).toBe('1969-12-31T23:59:59.999000Z')
    expect(iso(Date.UTC(202193, 0, 2, 3, 4, 5))).toBe('+202193-01-02T03:04:05.000000Z')
    expect([Number.NaN, Number.POSITIVE_INFINITY, 1e300].map(iso)).toEqual([undefined, undefined, undefined])
  })

  test('agrees with the platform to the millisecond, in any order', () => {
    const iso = isoClock()
    const local = localClock()
    fc.assert(
      fc.property(fc.date({min: new Date(-1e13), max: new Date(1e14), noInvalidDate: true}), (date) => {
        expect(iso(date.getTime())).toBe(date.toISOString().replace('Z', '000Z'))
        const [clock] = date.toTimeString().split(' ')
        expect(local(date.getTime())).toBe(`${clock}.${date.toISOString().slice(-4, -1)}`)
      }),
    )
  })

  test('has its date if it is not today', () => {
    const noon = new Date(2026, 0, 2, 12).getTime()
    const clock = localCalendarClock(() => noon)
    expect(clock(noon - 3_600_000)).toBe('11:00:00.000')
    expect(clock(noon - 86_400_000)).toBe('2026-01-01 12:00:00.000')
    expect(clock(Number.NaN)).toBeUndefined()
  })

  test('is Unix seconds with microseconds', () => {
    expect(unixSeconds(1_763_632_800_123.456)).toBe('1763632800.123456')
    expect(unixSeconds(0)).toBe('0.000000')
  })
})

describe('a time in ISO 8601', () => {
  test.each([
    '2026-02-31',
    '2026-02-29',
    '2026-04-31T00:00Z',
    '2100-02-29',
    '+002026-02-30T00:00:00Z',
    '2026-01-32',
    '2026-13-01',
  ])('%s is refused', (text) => {
    expect(parseTime(text)).toBeNaN()
  })

  test.each(['2024-02-29', '2000-02-29T23:59:59.999Z', '2026-12-31T23:59+01:00', '2026-02', '-000001-12-31T00:00:00Z'])(
    '%s is read as in JavaScript',
    (text) => {
      expect(parseTime(text)).toBe(Date.parse(text))
    },
  )
})
