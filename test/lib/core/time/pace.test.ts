import {describe, expect, test} from 'vitest'
import {type Pace, recordedPace, steadyPace} from '../../../../src/lib/core/time/pace.ts'

/** When each message is sent, if the sender waits exactly as long as the pace says. */
function times(pace: Pace, messages: readonly {timeMs?: number | undefined}[]): number[] {
  let now = 0
  return messages.map((message) => {
    now = Math.max(now, pace({subject: 'a', ...message}, now))
    return now
  })
}

describe('a steady pace', () => {
  test('keeps its times, whenever the previous message was sent', () => {
    expect(times(steadyPace(100), [{}, {}, {}, {}])).toEqual([0, 100, 200, 300])
    const pace = steadyPace(100)
    expect([0, 150, 201].map((elapsed) => pace({subject: 'a'}, elapsed))).toEqual([0, 100, 200])
  })

  test('catches up on one second after a stall, not on all of it', () => {
    const pace = steadyPace(100)
    pace({subject: 'a'}, 0)
    const due = Array.from({length: 20}, () => pace({subject: 'a'}, 60_000))
    expect(due.filter((at) => at <= 60_000)).toHaveLength(11)
  })
})

describe('the recorded pace', () => {
  const at = (...timesMs: (number | undefined)[]) => timesMs.map((timeMs) => ({timeMs}))

  test('keeps the recorded distances, scaled', () => {
    expect(times(recordedPace(1), at(5000, 5100, 5100, 6000))).toEqual([0, 100, 100, 1000])
    expect(times(recordedPace(2.5), at(5000, 5100, 6000))).toEqual([0, 40, 400])
  })

  test('makes records without a time, or with an earlier one, due immediately', () => {
    expect(times(recordedPace(1), at(undefined, 5000, undefined, 5100, 4000, 5200))).toEqual([0, 0, 0, 100, 100, 200])
  })
})
