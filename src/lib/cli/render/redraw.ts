/** `--watch`: the same view again and again, in place on a terminal. */
import {sleep} from '../../core/time/timer.ts'
import type {Output} from '../io/output.ts'

export interface RedrawOptions {
  readonly everyMs: number
  /** End after this long. */
  readonly forMs?: number | undefined
  readonly signal: AbortSignal
  /** Rows of the terminal; undefined in a pipe. */
  readonly rows: number | undefined
  /** In a pipe: the text between two views. */
  readonly between: string
  readonly output: Output
}

/** Draws until the time is over or the signal aborts; `draw` returns lines that end with a newline. */
export async function redraw(draw: () => Promise<string>, options: RedrawOptions): Promise<void> {
  const {everyMs, forMs = Number.POSITIVE_INFINITY, signal, rows, between, output} = options
  const ends = performance.now() + forMs
  for (let drawn = 0; ; ) {
    const began = performance.now()
    const text = await draw().catch((error: unknown) => {
      if (!signal.aborted) throw error
    })
    if (text === undefined || signal.aborted) return
    const shown = rows === undefined ? text : cut(text, rows)
    if (drawn > 0) output.writeAsIs(rows === undefined ? between : `\x1b[${drawn}A\x1b[0J`)
    output.write(shown)
    await output.written()
    drawn = shown.split('\n').length - 1
    const next = Math.min(began + everyMs, ends)
    await sleep(Math.max(0, next - performance.now()), signal)
    if (signal.aborted || next === ends || performance.now() >= ends) return
  }
}

/** The first lines that fit, and how many are missing. */
function cut(text: string, rows: number): string {
  const lines = text.split('\n')
  const most = Math.max(2, rows - 1)
  if (lines.length - 1 <= most) return text
  return `${lines.slice(0, most - 1).join('\n')}\n… ${lines.length - most} more\n`
}
