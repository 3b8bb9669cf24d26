import assert from 'node:assert/strict'
import * as units from '../../../src/lib/cli/render/units.ts'
import {formatPosition, parseEnd, parsePosition, parseRange} from '../../../src/lib/core/position.ts'
import {durationMs, durationText} from '../../../src/lib/core/time/duration.ts'
import {isoClock, localCalendarClock, unixSeconds} from '../../../src/lib/core/time/timestamp.ts'
import {parseAddress as parseListen} from '../../../src/lib/protocols/event-delivery/admission.ts'
import {parseLibbusUrl} from '../../../src/lib/transport/libbus/address.ts'
import {timeOf} from '../../../src/lib/transport/nats/streams/settings.ts'
import {refused, type Target, textOf} from '../target.ts'

const now = Date.UTC(2026, 10, 20)

/** Positions, ranges, times, durations, sizes, rates, shares, addresses. */
export const target: Target = {
  seeds: [
    ...['first', '1042', '-100', '@2026-11-20T10:00Z', '@1763632800.5', '@-15m', '500..', '@-1h..@-30m', '-5..end'],
    ...['1h30m', '1.5ms', '50ms..200ms', '1.5MiB', '64kB', '1000/s', '5%', '0.1%', '127.0.0.1:5599', '[::1]:0'],
    ...['libbus:./a.db?create&poll=5ms', '2026-11-20T10:00:00.123456789+01:00'],
  ],
  words: [
    '..',
    '@',
    '-',
    '.',
    'ms',
    'us',
    'd',
    'KiB',
    '/s',
    '%',
    'Z',
    'T',
    ':',
    '999999999999999',
    '0',
    '+24:00',
    '-13-',
    '?',
  ],
  run(bytes) {
    const text = textOf(bytes)
    const position = refused(() => parsePosition(text, now))
    if (position !== undefined) assert.deepEqual(parsePosition(formatPosition(position), now), rounded(position))
    refused(() => parseRange(text, now))
    refused(() => parseEnd(text, now))
    const ms = durationMs(text)
    // As exact as a number can be.
    if (ms !== undefined && ms < 2 ** 40) assert.ok(Math.abs((durationMs(durationText(ms)) ?? -1) - ms) < 0.001)
    for (const parse of [units.parseDuration, units.parseAge, units.parseSize, units.parseRate, units.parsePercent]) {
      const number = refused(() => parse(text))
      assert.ok(number === undefined || (number >= 0 && Number.isFinite(number)), `${parse.name}: ${number}`)
    }
    const range = refused(() => units.parseDurationRange(text))
    if (range !== undefined) assert.ok(range.fromMs <= range.toMs)
    refused(() => parseListen(text))
    refused(() => parseLibbusUrl(`libbus:${text}`))
    for (const time of [timeOf(text), Number(text)])
      for (const clock of [isoClock(), localCalendarClock(), unixSeconds]) clock(time)
  },
}

/** Times are formatted in whole milliseconds, rounded down, also before 1970. */
function rounded(position: ReturnType<typeof parsePosition>): unknown {
  return typeof position === 'object' && 'timeMs' in position ? {timeMs: Math.floor(position.timeMs)} : position
}
