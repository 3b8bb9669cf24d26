/** What a client can make a gateway say: short lines, and not too many of them, so that it fills no disk. */
import {Timer} from '../../core/time/timer.ts'

const longest = 200
const burst = 100
const perSecond = 10
const reportMs = 1000

/** Cuts lines at 200 characters, and writes a hundred at once and ten a second; how many were left out is the next one. */
export function limitLog(write: (line: string) => void): (line: string) => void {
  let allowed = burst
  let at = performance.now()
  let omitted = 0
  const report = () => {
    write(`${omitted} lines were left out`)
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

/** At most 200 characters of a sentence that may quote what a client sent. */
export function shortened(sentence: string): string {
  return sentence.length > longest ? `${sentence.slice(0, longest - 1)}…` : sentence
}
