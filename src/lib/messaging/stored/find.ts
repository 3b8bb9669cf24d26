/** Finds the stream of given subjects, and creates what may already exist. */

import {BusError, isFailure} from '../../core/errors.ts'
import {shellWord} from '../../core/text/shell-word.ts'
import type {ConsumerInfo, ListOptions, Streams} from '../../transport/streams-contract.ts'

/**
 * The only stream that stores the subjects by its configuration, or that contains them; `wanted` is used without a search.
 * Fails with `notFound` if no stream stores one of them, with `usage` if there are several.
 */
export async function findStream(
  streams: Streams,
  patterns: readonly string[],
  wanted?: string | undefined,
): Promise<string> {
  if (wanted !== undefined) return wanted
  const found = await Promise.all(patterns.map((pattern) => keepingOrHolding(streams, pattern)))
  const missing = patterns.find((_, at) => found[at]?.length === 0)
  if (missing !== undefined) {
    throw new BusError('notFound', `no stream stores ${missing}`, {
      try: [`bus stream add NAME ${shellWord(missing)}`, 'bus stream ls'],
      data: {subject: missing},
    })
  }
  const names = [...new Set(found.flat())].sort()
  const [name = '', ...others] = names
  if (others.length === 0) return name
  throw new BusError('usage', `${patterns.join(' ')} is stored by several streams: ${names.join(', ')}`, {
    try: names.map((one) => `--stream ${shellWord(one)}`),
    data: {streams: names},
  })
}

/** Mirrors, and streams with sources or a transform, contain subjects that are not in their configuration. */
async function keepingOrHolding(streams: Streams, pattern: string): Promise<readonly string[]> {
  const keeping = await streams.keeping(pattern)
  if (keeping.length > 0) return keeping
  const names = (await streams.list()).map(({config}) => config.name)
  const holds = await Promise.all(names.map(async (name) => (await streams.subjects(name, pattern)).size > 0))
  return names.filter((_, at) => holds[at])
}

/** The result of `find`, or if that fails with `notFound`, of `make`. */
export async function findOrMake<T>(
  find: () => Promise<T>,
  make: () => Promise<T>,
): Promise<{readonly found: boolean; readonly info: T}> {
  try {
    return {found: true, info: await find()}
  } catch (error) {
    if (!isFailure(error, 'notFound')) throw error
    return {found: false, info: await make()}
  }
}

/** The consumers of one stream, or of all streams, sorted by name. */
export async function listConsumers(
  streams: Streams,
  stream?: string | undefined,
  options?: ListOptions,
): Promise<readonly ConsumerInfo[]> {
  const names = stream === undefined ? (await streams.list(options)).map(({config}) => config.name) : [stream]
  const lists: ConsumerInfo[] = []
  for (const name of names) lists.push(...(await streams.consumers.list(name, options)))
  return lists
}
