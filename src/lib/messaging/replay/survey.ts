/** What a replay would handle, without handling it. */
import {type Message, sizeOf} from '../../core/message.ts'
import type {ReplaySource} from './source.ts'

export interface MessageCounts {
  messages: number
  /** Bytes of the payloads. */
  bytes: number
  firstTime: number
  lastTime: number
}

export interface Survey {
  readonly total: MessageCounts
  readonly subjects: ReadonlyMap<string, MessageCounts>
  readonly firstSeq: number | undefined
  readonly lastSeq: number | undefined
}

/** Reads the source to its end, or until the signal aborts. */
export async function survey(source: ReplaySource, signal: AbortSignal): Promise<Survey> {
  const subjects = new Map<string, MessageCounts>()
  const total = emptyTally()
  let firstSeq: number | undefined
  let lastSeq: number | undefined
  while (!signal.aborted) {
    const batch = await source.take(1024)
    if (batch.length === 0) break
    for (const message of batch) {
      firstSeq ??= message.seq
      lastSeq = message.seq
      const tally = subjects.get(message.subject) ?? emptyTally()
      if (tally.messages === 0) subjects.set(message.subject, tally)
      add(tally, message)
      add(total, message)
    }
  }
  return {total, subjects, firstSeq, lastSeq}
}

function emptyTally(): MessageCounts {
  return {messages: 0, bytes: 0, firstTime: Number.POSITIVE_INFINITY, lastTime: 0}
}

function add(tally: MessageCounts, {payload, time}: Message): void {
  tally.messages++
  tally.bytes += sizeOf(payload)
  tally.firstTime = Math.min(tally.firstTime, time)
  tally.lastTime = Math.max(tally.lastTime, time)
}
