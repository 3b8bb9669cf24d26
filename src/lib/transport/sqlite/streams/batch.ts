/** An atomic batch: one transaction of its own, after everything that this connection published before. */
import {interruptedError} from '../../../core/errors.ts'
import type {Outgoing} from '../../../core/message.ts'
import {asBatch, storedBatch} from '../../shared/batch.ts'
import {bounded, type WaitBounds} from '../../shared/bounded.ts'
import {ackTimeoutMs} from '../../shared/publish-window.ts'
import type {StoredBatch} from '../../streams-contract.ts'
import {unsentError} from '../db.ts'
import {checkStoredHeaders, mostBytes} from '../rows.ts'
import type {Catalogue} from './catalogue.ts'
import type {StoreQueue} from './stream-publisher.ts'

export async function writeBatch(
  {url, file, flush, tryBatch}: StoreQueue,
  catalogue: Catalogue,
  messages: readonly Outgoing[],
  {timeoutMs = ackTimeoutMs, signal}: WaitBounds,
): Promise<StoredBatch> {
  const batch = asBatch(messages, mostBytes, url)
  for (const {headers = []} of batch) checkStoredHeaders(headers, url)
  const since = performance.now()
  const late = () => unsentError('the batch was not stored', file, timeoutMs)
  await bounded(flush, {timeoutMs, signal}, late)
  for (;;) {
    if (signal?.aborted) throw interruptedError()
    const stored = tryBatch(batch, (outcome) =>
      storedBatch(url, catalogue.keeper(batch[0]?.subject ?? '')?.config, batch, outcome),
    )
    if (stored !== undefined) return stored
    if (performance.now() - since >= timeoutMs) throw late()
    await new Promise((resolve) => setImmediate(resolve))
  }
}
