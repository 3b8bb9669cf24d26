import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {isoClock, localCalendarClock, localClock, unixSeconds} from '../../../../src/lib/core/time/timestamp.ts'

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
