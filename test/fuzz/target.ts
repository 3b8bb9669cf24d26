/** The target of a fuzzer: a function of bytes that throws if a property is violated. */
import {BusError} from '../../src/lib/core/errors.ts'

export interface Target {
  /** Passes bytes to the code and checks the result. An exception or a rejection is a finding. */
  readonly run: (bytes: Uint8Array) => void | Promise<void>
  /** Inputs to begin with. */
  readonly seeds: readonly string[]
  /** Pieces from which inputs are made. */
  readonly words: readonly string[]
  /** Milliseconds that one input may take; default 1000. */
  readonly slowMs?: number
}

/** The result of `act`; undefined if it refuses with a `BusError`, which is the only error allowed. */
export function refused<T>(act: () => T): T | undefined {
  try {
    return act()
  } catch (error) {
    return sentenceOnly(error)
  }
}

/** Like `refused`, for asynchronous code. */
export async function refusedLater<T>(act: () => Promise<T>): Promise<T | undefined> {
  try {
    return await act()
  } catch (error) {
    return sentenceOnly(error)
  }
}

function sentenceOnly(error: unknown): undefined {
  if (error instanceof BusError && error.message !== '') return undefined
  throw error
}

export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}

/** This many parts of an input, split at line feeds; the last has the remainder. */
export function partsOf(bytes: Uint8Array, count: number): string[] {
  const lines = textOf(bytes).split('\n')
  const parts = lines.slice(0, count - 1)
  while (parts.length < count - 1) parts.push('')
  return [...parts, lines.slice(count - 1).join('\n')]
}
