/**
 * Which blocks of the code were reached, by V8's own counters: no instrumentation, nothing to install. Asking costs a
 * millisecond or so, thus a fuzzer asks once for many inputs, and again only where something new was among them.
 */
import {type Profiler, Session} from 'node:inspector'

/** Our own sources, and the parsers that texts of strangers are given to. */
const watched = /\/src\/|\/node_modules\/(jsonata|re2js|yaml)\//

export class Coverage {
  readonly #session = new Session()

  constructor() {
    this.#session.connect()
    this.#session.post('Profiler.enable')
    this.#session.post('Profiler.startPreciseCoverage', {callCount: true, detailed: true})
  }

  /** The blocks that were reached since it was asked last. */
  take(): Set<string> {
    const reached = new Set<string>()
    // Answers at once.
    this.#session.post('Profiler.takePreciseCoverage', (error, {result}) => {
      if (error) throw error
      for (const script of result) if (watched.test(script.url)) addBlocks(script, reached)
    })
    return reached
  }
}

function addBlocks({scriptId, functions}: Profiler.ScriptCoverage, reached: Set<string>): void {
  for (const {ranges} of functions)
    for (const {startOffset, endOffset, count} of ranges)
      if (count > 0) reached.add(`${scriptId}:${startOffset}:${endOffset}`)
}
