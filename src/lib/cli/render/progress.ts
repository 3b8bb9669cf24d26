/** A progress bar on stderr for work that takes a while. */
import type {SingleBar} from 'cli-progress'
import {beforeTell, hasFile, isTerminal} from '../io/terminal.ts'
import {formatBytes, formatCount} from './units.ts'

export interface Progress extends Disposable {
  update(done: number): void
}

/** The work whose progress a bar shows. */
export interface ProgressWork {
  /** The unit `bytes` is shown in KiB and so on. */
  readonly unit: string
  /** Absent if it is unknown. */
  readonly total?: number | undefined
  /** Whether the command also writes to stdout, which may be the same terminal, even behind a pipe. */
  readonly shows?: boolean | undefined
}

/**
 * Starts a progress bar. It appears after half a second, and only if stderr is a terminal and no other output could appear
 * there.
 */
export function startProgress({unit, total, shows = false}: ProgressWork): Progress {
  if (!isTerminal(2) || process.env['TERM'] === 'dumb' || (shows && !hasFile(1)))
    return {update() {}, [Symbol.dispose]() {}}
  let done = 0
  let ended = false
  let isDrawn = false
  let bar: SingleBar | undefined
  const draw = () => {
    bar?.start(total ?? 0, done)
    isDrawn = bar !== undefined
  }
  /** Removes the bar; the next update draws it again, below. */
  const clear = () => {
    if (isDrawn) bar?.stop()
    isDrawn = false
  }
  const timer = setTimeout(async () => {
    const made = await makeBar(unit, total)
    if (ended) return
    bar = made
    beforeTell(clear)
    draw()
  }, delayMs)
  return {
    update(now) {
      done = now
      if (isDrawn) bar?.update(now)
      else draw()
    },
    [Symbol.dispose]() {
      ended = true
      clearTimeout(timer)
      clear()
      bar = undefined
      beforeTell(undefined)
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
