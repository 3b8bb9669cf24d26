/** When each message is due. */

/** Milliseconds from the start at which the next message is due; `elapsedMs` is now, `timeMs` when it was first sent. */
export type Pace = (message: {readonly timeMs?: number | undefined} | object, elapsedMs: number) => number

/** One message each interval. After a stall it makes up for a second at most: nobody who asks for a pace wants a burst. */
export function steadyPace(intervalMs: number): Pace {
  const mostBehindMs = Math.max(1000, intervalMs)
  let next = 0
  return (_message, elapsedMs) => {
    const due = Math.max(next, elapsedMs - mostBehindMs)
    next = due + intervalMs
    return due
  }
}

/**
 * The pace of the record, `speed` times as fast, no gap longer than `maxGapMs` (as it is waited). A message without a
 * time, or with an earlier one, follows at once.
 */
export function recordedPace(speed: number, maxGapMs: number = Number.POSITIVE_INFINITY): Pace {
  let latest: number | undefined
  let due = 0
  return (message) => {
    const {timeMs} = message as {timeMs?: number}
    if (timeMs === undefined) return due
    due += Math.min(Math.max(0, timeMs - (latest ?? timeMs)) / speed, maxGapMs)
    latest = Math.max(latest ?? timeMs, timeMs)
    return due
  }
}
