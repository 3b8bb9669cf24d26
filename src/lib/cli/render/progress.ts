/** A progress bar on stderr for work that takes a while. */
import type {SingleBar} from 'cli-progress'
import {isTerminal} from '../io/terminal.ts'
import {formatBytes, formatCount} from './units.ts'

export interface Progress extends Disposable {
  update(done: number): void
}

/**
 * Appears after half a second, and only if stderr is a terminal. The unit `bytes` is shown in KiB and so on; `total` may be
 * unknown.
 */
export function startProgress(unit: string, total: number | undefined): Progress {
  if (!isTerminal(2)) return {update() {}, [Symbol.dispose]() {}}
  let done = 0
  let ended = false
  let bar: {update(done: number): void; stop(): void} | undefined
  const timer = setTimeout(async () => {
    const made = await makeBar(unit, total)
    if (ended) return
    made.start(total ?? 0, done)
    bar = made
  }, delayMs)
  return {
    update(now) {
      done = now
      bar?.update(now)
    },
    [Symbol.dispose]() {
      ended = true
      clearTimeout(timer)
      bar?.stop()
    },
  }
}

async function makeBar(unit: string, total: number | undefined): Promise<SingleBar> {
  const {default: progress} = await import('cli-progress')
  const amount = unit === 'bytes' ? '{value} of {total}' : `{value} of {total} ${unit}`
  return new progress.SingleBar(
    {
      format: total === undefined ? `{value} ${unit} · {duration_formatted}` : `{bar} ${amount} · {eta_formatted} left`,
      formatValue(value, _options, type) {
        if (type !== 'value' && type !== 'total') return String(value)
        return unit === 'bytes' ? formatBytes(value) : formatCount(value)
      },
      stream: process.stderr,
      // A second Ctrl-C ends the process immediately, so nothing may stay hidden on the terminal.
      hideCursor: false,
      linewrap: true,
      barsize: 24,
      clearOnComplete: true,
    },
    progress.Presets.shades_classic,
  )
}

const delayMs = 500
