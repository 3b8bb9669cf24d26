/** Publishes many. Each message is stored at once; its acknowledgement comes a moment later, as on the other buses. */
import {BusError} from '../../core/errors.ts'
import type {Outgoing} from '../../core/message.ts'
import {interruptedError} from '../shared/requests.ts'
import {placed} from '../shared/stream-errors.ts'
import type {PublisherOptions, Stored, StreamPublisher} from '../streams-contract.ts'

/** `store` throws `usage` for a bad message. */
export function memoryPublisher(
  store: (message: Outgoing) => Stored | BusError,
  {window = 1000, onStored, signal}: PublisherOptions,
): StreamPublisher {
  let pushed = 0
  let settled = 0
  let acknowledged = 0
  let duplicates = 0
  let last: Stored | undefined
  let failure: BusError | undefined
  let waiting: {readonly most: number; readonly resolve: () => void}[] = []

  function settle(index: number, outcome: Stored | BusError): void {
    settled++
    if (outcome instanceof BusError) failure ??= placed(outcome, index)
    else {
      acknowledged++
      if (outcome.duplicate) duplicates++
      if (last === undefined || outcome.seq > last.seq) last = outcome
      onStored?.(index, outcome)
    }
    const open = pushed - settled
    for (const {most, resolve} of waiting) if (open <= most) resolve()
    waiting = waiting.filter(({most}) => open > most)
  }

  /** Resolves when no more than so many are without their acknowledgement. */
  function fallsTo(most: number): Promise<void> {
    if (pushed - settled <= most) return Promise.resolve()
    return new Promise((resolve) => waiting.push({most, resolve}))
  }

  return {
    push(message) {
      if (signal?.aborted) throw interruptedError()
      const outcome = store(message)
      const index = pushed++
      queueMicrotask(() => settle(index, outcome))
      return pushed - settled >= window ? fallsTo(window - 1) : undefined
    },
    async flush() {
      await fallsTo(0)
      if (failure !== undefined) throw failure
    },
    get acknowledged() {
      return acknowledged
    },
    get duplicates() {
      return duplicates
    },
    get last() {
      return last
    },
    async [Symbol.asyncDispose]() {},
  }
}
