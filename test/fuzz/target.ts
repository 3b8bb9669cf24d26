/** What is fuzzed: a function of bytes that throws where a promise is broken. */
import {BusError} from '../../src/lib/core/errors.ts'

export interface Target {
  /** Hands bytes to the code and looks at what it made of them. What it throws or rejects with is a finding. */
  readonly run: (bytes: Uint8Array) => void | Promise<void>
  /** Inputs to begin with. */
  readonly seeds: readonly string[]
  /** Pieces that inputs are made of. */
  readonly words: readonly string[]
  /** Milliseconds that one input may take; default 1000. */
  readonly slowMs?: number
}

/** What `act` gives; undefined when it refuses in a sentence of its own, which is all that it may do. */
export function refused<T>(act: () => T): T | undefined {
  try {
    return act()
  } catch (error) {
    return sentenceOnly(error)
  }
}

/** As `refused`, for what takes its time. */
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

/** So many parts of an input, split at line feeds; the last has all that is left. */
export function partsOf(bytes: Uint8Array, count: number): string[] {
  const lines = textOf(bytes).split('\n')
  const parts = lines.slice(0, count - 1)
  while (parts.length < count - 1) parts.push('')
  return [...parts, lines.slice(count - 1).join('\n')]
}
