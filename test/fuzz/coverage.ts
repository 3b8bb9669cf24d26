/**
 * Determines which blocks of the code were reached, with V8's own counters: no instrumentation, nothing to install. A query
 * costs about a millisecond, so a fuzzer queries once for many inputs, and again only if one of them reached something new.
 */
import {type Profiler, Session} from 'node:inspector'

/** Our own sources, and the parsers that receive untrusted text. */
const watched = /\/src\/|\/node_modules\/(jsonata|re2js|yaml)\//

export class Coverage {
  readonly #session = new Session()

  constructor() {
    this.#session.connect()
    this.#session.post('Profiler.enable')
    this.#session.post('Profiler.startPreciseCoverage', {callCount: true, detailed: true})
  }

  /** The blocks reached since the last call. */
  take(): Set<string> {
    const reached = new Set<string>()
    // It answers synchronously.
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
