import {interruptedError} from '../../core/errors.ts'
import {Timer} from '../../core/time/timer.ts'

/** The bounds of a wait. */
export interface WaitBounds {
  readonly signal?: AbortSignal | undefined
  readonly timeoutMs?: number | undefined
}

/**
 * The result of `work`, which is not started if the signal has aborted. Rejects with `interrupted` once the signal aborts, and
 * with `late()` after `timeoutMs`; what has begun continues.
 */
export async function bounded<T>(
  work: () => T | Promise<T>,
  {signal, timeoutMs}: WaitBounds,
  late?: (timeoutMs: number) => unknown,
): Promise<T> {
  if (signal?.aborted) throw interruptedError()
  if (signal === undefined && timeoutMs === undefined) return await work()
  const {promise, reject} = Promise.withResolvers<never>()
  const abort = () => reject(interruptedError())
  using _ = timeoutMs === undefined ? undefined : new Timer(timeoutMs, () => reject(late?.(timeoutMs)))
  signal?.addEventListener('abort', abort)
  try {
    return await Promise.race([work(), promise])
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}
