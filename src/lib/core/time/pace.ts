/** When each message is due. */

/**
 * Milliseconds from the start at which the next message is due. `elapsedMs` is the current time on that scale, `timeMs` the
 * time when the message was first sent.
 */
export type Pace = (message: {readonly timeMs?: number | undefined} | object, elapsedMs: number) => number

/** One message per interval. After a stall it catches up on at most one second, to avoid a burst. */
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
 * The recorded pace, `speed` times as fast, with no gap longer than `maxGapMs` (after scaling). A message without a time, or
 * with an earlier one, is due immediately.
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
