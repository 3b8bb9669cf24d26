import fc from 'fast-check'
import {describe, expect, test, vi} from 'vitest'
import {
  isoClock,
  localCalendarClock,
  localClock,
  localTime,
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
        expect(local(date.getTime())).toMatch(`${clock}.${date.toISOString().slice(-4, -1)}`)
      }),
    )
  })

  test.each([
    ['UTC', '2026-07-01T12:00:00.007Z', '2026-01-01T12:00:00.007Z'],
    ['Asia/Tokyo', '2026-07-01T21:00:00.007+09:00', '2026-01-01T21:00:00.007+09:00'],
    ['America/St_Johns', '2026-07-01T09:30:00.007-02:30', '2026-01-01T08:30:00.007-03:30'],
    ['Europe/London', '2026-07-01T13:00:00.007+01:00', '2026-01-01T12:00:00.007Z'],
  ])('is local and has its zone: %s', (zone, summer, winter) => {
    vi.stubEnv('TZ', zone)
    const [clock, calendar] = [localClock(), localCalendarClock()]
    const [july, january] = [Date.UTC(2026, 6, 1, 12) + 7, Date.UTC(2026, 0, 1, 12) + 7]
    expect([calendar(july), calendar(january)]).toEqual([summer, winter])
    expect([clock(july), clock(january)]).toEqual([summer.slice(11), winter.slice(11)])
    expect([july, january].map(localTime).map(Date.parse)).toEqual([july, january])
    expect(calendar(Number.NaN)).toBeUndefined()
    vi.unstubAllEnvs()
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
