/** Publishing with the acknowledgements of streams; a message that was not stored is named. */
import {BusError} from '../../core/errors.ts'
import type {StreamPublisher} from '../../transport/streams-contract.ts'
import type {Sink} from './publish.ts'

/** Payloads that may be under way: the publisher counts messages, and those may be large. */
const mostBytes = 16 * 1024 * 1024

/** `window` is the publisher's own. */
export function acknowledged(publisher: StreamPublisher, window: number): Sink {
  let pushed = 0
  /** The lines that the last messages came from: a message that fails is among those under way. */
  const lines = new Float64Array(window + 1)

  /** Where the message came from, as far as that is not plain. */
  function placeOf(index: number): string | undefined {
    const line = index > pushed - lines.length ? lines[index % lines.length] : 0
    if (line) return `line ${line}`
    return pushed > 1 ? `message ${index + 1}` : undefined
  }

  async function named(error: unknown): Promise<never> {
    const index = error instanceof BusError ? error.data?.['index'] : undefined
    if (!(error instanceof BusError) || typeof index !== 'number') throw error
    // Those under way are not given up: how many were stored is known when all are settled.
    await publisher.flush().catch(() => {})
    const place = placeOf(index)
    const {kind, message, cause, try: hints, data} = error
    const stored = publisher.acknowledged === 1 ? '1 message was' : `${publisher.acknowledged} messages were`
    const sentence = place === undefined ? message : `${place}: ${message}; ${stored} acknowledged`
    const line = place?.startsWith('line') ? {line: lines[index % lines.length]} : {}
    throw new BusError(kind, sentence, {
      cause,
      try: hints,
      data: {...data, ...line, acknowledged: publisher.acknowledged},
    })
  }

  return {
    flushAfterBytes: mostBytes,
    publish(message) {
      lines[pushed % lines.length] = message.line ?? 0
      const room = publisher.push(message)
      pushed++
      return room?.catch(named)
    },
    flush: () => publisher.flush().catch(named),
  }
}
