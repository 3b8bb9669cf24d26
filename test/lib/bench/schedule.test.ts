import {describe, expect, test} from 'vitest'
import type {Job} from '../../../src/lib/bench/job.ts'
import {Schedule} from '../../../src/lib/bench/schedule.ts'

const job: Job = {
  ...{role: 'pub', subject: 'a', subjects: 1, size: 8, stamped: false, batch: 10, window: 1},
  ...{ack: false, timeoutMs: 1, frames: 1},
}

/** A schedule on a clock that the test sets. */
function scheduled(settings: Partial<Job>, signal = new AbortController().signal) {
  const clock = {now: 5000}
  return {clock, schedule: new Schedule({...job, ...settings}, () => clock.now, signal)}
}

describe('a schedule', () => {
  test('without a rate returns batches, due when they begin, until all are sent', async () => {
    const {clock, schedule} = scheduled({count: 25})
    expect(await schedule.next()).toBe(10)
    clock.now += 7
    expect(await schedule.next()).toBe(10)
    expect(schedule.due(13)).toBe(5007)
    expect(await schedule.next()).toBe(5)
    expect(await schedule.next()).toBe(0)
  })

  test('at a rate returns what is due, and after a stall every delayed message with its original due time', async () => {
    const {clock, schedule} = scheduled({rate: 1000})
    expect(await schedule.next()).toBe(1)
    clock.now += 5
    expect(await schedule.next()).toBe(5)
    clock.now += 100
    expect(await schedule.next()).toBe(10)
    expect([schedule.due(6), schedule.due(15)]).toEqual([5006, 5015])
  })

  test('ends after its duration, or when its signal aborts', async () => {
    const {clock, schedule} = scheduled({forMs: 50})
    expect(await schedule.next()).toBe(10)
    clock.now += 50
    expect(await schedule.next()).toBe(0)
    const stopped = scheduled({}, AbortSignal.abort())
    expect(await stopped.schedule.next()).toBe(0)
  })
})
