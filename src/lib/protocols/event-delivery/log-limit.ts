/** Limits what a client can make a gateway log: short lines, and not too many of them, so that they do not fill the disk. */
import {Timer} from '../../core/time/timer.ts'

const longest = 200
const burst = 100
const perSecond = 10
const reportMs = 1000

/**
 * Truncates lines to 200 characters, and writes up to a hundred at once and ten per second; the next line reports how many were
 * omitted.
 */
export function limitLog(write: (line: string) => void): (line: string) => void {
  let allowed = burst
  let at = performance.now()
  let omitted = 0
  const report = () => {
    write(`${omitted} lines were omitted`)
    omitted = 0
  }
  return (line) => {
    const now = performance.now()
    allowed = Math.min(burst, allowed + ((now - at) / 1000) * perSecond)
    at = now
    if (allowed >= 1) {
      allowed--
      write(shortened(line))
    } else if (omitted++ === 0) new Timer(reportMs, report).unref()
  }
}

/** At most 200 characters of a sentence that may quote a client. */
export function shortened(sentence: string): string {
  return sentence.length > longest ? `${sentence.slice(0, longest - 1)}…` : sentence
}
