import {describe, expect, it} from 'vitest'
import * as units from '../../../../src/lib/cli/render/units.ts'

describe('an input unit:', () => {
  it.each([
    ['100ms', 100],
    ['250us', 0.25],
    ['5s', 5000],
    ['1.5m', 90_000],
    ['2h', 7_200_000],
    ['1h30m', 5_400_000],
    ['0s', 0],
  ])('the duration %s is %d ms', (text, ms) => {
    expect(units.parseDuration(text)).toBe(ms)
  })

  it.each([
    ['5', 'it has no unit'],
    ['-5s', 'it cannot be negative'],
    ['', 'is not a duration'],
    ['5 s', 'is not a duration'],
    ['1e3s', 'is not a duration'],
    ['5seconds', 'is not a duration'],
    [`${'9'.repeat(400)}d`, 'is not a duration'],
    ['99d', 'over the limit of 24d'],
  ])('the duration %j is refused: %s', (text, reason) => {
    expect(() => units.parseDuration(text)).toThrow(reason)
  })

  it('the age 99d may exceed the limit of a timer', () => {
    expect(units.parseAge('99d')).toBe(99 * 86_400_000)
    expect(() => units.parseAge('99')).toThrow('it has no unit')
  })

  it.each([
    ['50ms..200ms', {fromMs: 50, toMs: 200}],
    ['50ms', {fromMs: 50, toMs: 50}],
  ])('the range %s is parsed', (text, range) => {
    expect(units.parseDurationRange(text)).toEqual(range)
  })

  it.each(['200ms..50ms', '..50ms', '1s..', '1s..2s..3s', '5..6'])('the range %s is refused', (text) => {
    expect(() => units.parseDurationRange(text)).toThrow()
  })

  it.each([
    ['128', 128],
    ['128B', 128],
    ['64kB', 64_000],
    ['1KiB', 1024],
    ['1.5MiB', 1_572_864],
    ['2gib', 2_147_483_648],
  ])('the size %s is %d bytes', (text, bytes) => {
    expect(units.parseSize(text)).toBe(bytes)
  })

  it.each(['', '-1', '1 KiB', '1X', 'KiB', '1.5.2kB', '9'.repeat(400)])('the size %j is refused', (text) => {
    expect(() => units.parseSize(text)).toThrow('is not a size')
  })

  it.each([
    ['1000/s', 1000],
    ['30/m', 0.5],
    ['7200/h', 2],
    ['0.5/s', 0.5],
    ['1.5k/s', 1500],
    ['3M/m', 50_000],
  ])('the rate %s is %d per second', (text, perSecond) => {
    expect(units.parseRate(text)).toBe(perSecond)
  })

  it.each(['1000', '0/s', '-1/s', '/s', '5/d', '5K/s', ''])('the rate %j is refused', (text) => {
    expect(() => units.parseRate(text)).toThrow('is not a rate')
  })

  it.each([
    ['5%', 0.05],
    ['0.5%', 0.005],
    ['100%', 1],
    ['0%', 0],
  ])('the share %s is %d', (text, share) => {
    expect(units.parsePercent(text)).toBe(share)
  })

  it.each(['5', '101%', '-1%', '%', ''])('the share %j is refused', (text) => {
    expect(() => units.parsePercent(text)).toThrow('is not a percentage')
  })
})

describe('an output unit:', () => {
  it.each([
    [0.25, '250 µs'],
    [1.24, '1.2 ms'],
    [9.96, '10 ms'],
    [999.4, '999 ms'],
    [999.6, '1.0 s'],
    [4100, '4.1 s'],
    [59_999, '1 min 0 s'],
    [125_000, '2 min 5 s'],
    [3_600_000, '1 h 0 min'],
  ])('%d ms is %s', (ms, text) => {
    expect(units.formatDuration(ms)).toBe(text)
  })

  it.each([
    [0, '0'],
    [999, '999'],
    [1000, '1,000'],
    [1_234_567, '1,234,567'],
  ])('%d is %s', (count, text) => {
    expect(units.formatCount(count)).toBe(text)
  })

  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1 KiB'],
    [1536, '1.5 KiB'],
    [5 * 2 ** 30, '5 GiB'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(units.formatBytes(bytes)).toBe(text)
  })

  it.each([
    [0, '0/s'],
    [2.94, '2.9/s'],
    [412_345.4, '412,345/s'],
    [Number.NaN, '0/s'],
  ])('%d per second is %s', (rate, text) => {
    expect(units.formatRate(rate)).toBe(text)
  })

  it.each([
    [1000, 'just now'],
    [-3000, 'in 4.0 s'],
    [61_000, '1 min 0 s ago'],
    [260_000_000, '3 d 0 h ago'],
  ])('%d ms before is %s', (now, text) => {
    expect(units.formatAgo(1000, now)).toBe(text)
  })

  it('counted things are singular or plural', () => {
    expect([0, 1, 1234].map((count) => units.counted(count, 'message'))).toEqual([
      '0 messages',
      '1 message',
      '1,234 messages',
    ])
  })
})
