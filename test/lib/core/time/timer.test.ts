import {afterEach, beforeEach, describe, expect, it, vi} from 'vitest'
import {Interval, sleep, Timer} from '../../../../src/lib/core/time/timer.ts'

const day = 86_400_000

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

describe('Timer', () => {
  it.each([0, 5, 24 * day, 25 * day, 100 * day])('fires once after %d ms and not earlier', (ms) => {
    const action = vi.fn()
    new Timer(ms, action)
    if (ms > 0) {
      vi.advanceTimersByTime(ms - 1)
      expect(action).not.toHaveBeenCalled()
    }
    vi.advanceTimersByTime(1 + 100 * day)
    expect(action).toHaveBeenCalledTimes(1)
  })

  it('never fires after an infinite time, and causes no overflow warning', () => {
    const action = vi.fn()
    new Timer(Number.POSITIVE_INFINITY, action)
    vi.advanceTimersByTime(1000 * day)
    expect(action).not.toHaveBeenCalled()
  })

  it('does not fire after it was cancelled, however long it had waited', () => {
    const action = vi.fn()
    const timer = new Timer(60 * day, action)
    vi.advanceTimersByTime(30 * day)
    timer.cancel()
    vi.advanceTimersByTime(60 * day)
    expect(action).not.toHaveBeenCalled()
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('Timer.refresh', () => {
  it.each([10, 30 * day])('restarts a wait of %d ms, before and after it fired', (ms) => {
    const action = vi.fn()
    const timer = new Timer(ms, action)
    vi.advanceTimersByTime(ms - 1)
    timer.refresh()
    vi.advanceTimersByTime(ms - 1)
    expect(action).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    timer.refresh()
    vi.advanceTimersByTime(ms)
    expect(action).toHaveBeenCalledTimes(2)
  })
})

describe('Interval', () => {
  it.each([10, 24 * day, 30 * day, 100 * day])('fires every %d ms until it is cancelled', (ms) => {
    const action = vi.fn()
    const interval = new Interval(ms, action)
    vi.advanceTimersByTime(ms - 1)
    expect(action).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(action).toHaveBeenCalledTimes(1)
    vi.advanceTimersByTime(2 * ms)
    expect(action).toHaveBeenCalledTimes(3)
    interval.cancel()
    vi.advanceTimersByTime(2 * ms)
    expect(action).toHaveBeenCalledTimes(3)
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('sleep', () => {
  it('ends when its time is over', async () => {
    const done = vi.fn()
    void sleep(30 * day).then(done)
    await vi.advanceTimersByTimeAsync(30 * day - 1)
    expect(done).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1)
    expect(done).toHaveBeenCalledTimes(1)
  })

  it('ends immediately when its signal aborts, or has aborted', async () => {
    const stop = new AbortController()
    const sleeping = sleep(1e12, stop.signal)
    stop.abort()
    await sleeping
    await sleep(1e12, stop.signal)
    expect(vi.getTimerCount()).toBe(0)
  })
})
