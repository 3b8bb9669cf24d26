/** Finds the stream of a target that stores the copies of another stream, or creates it. */

import {BusError, isFailure} from '../../core/errors.ts'
import {matches, overlaps} from '../../core/subject.ts'
import {shellWord} from '../../core/text/shell-word.ts'
import type {Transport} from '../../transport/contract.ts'
import type {StreamInfo} from '../../transport/streams-contract.ts'

/** Subjects that a stream contains in addition to its configuration are listed individually up to this number. */
const mostNamed = 100

/**
 * The only stream of the target that stores the subjects of the source; with `create`, one like the source is created. Fails
 * with `notFound` if there is none, with `usage` if there are several.
 */
export async function targetStream(
  {bus, info}: {readonly bus: Transport; readonly info: StreamInfo},
  target: Transport,
  create: boolean,
): Promise<StreamInfo> {
  const subjects = await subjectsOf(bus, info)
  const found = new Set<string>()
  for (const subject of subjects) for (const stream of await keeping(target, subject)) found.add(stream)
  const [stream, other] = found
  if (other !== undefined) {
    throw new BusError('usage', `several streams of ${target.url} store these subjects: ${[...found].join(', ')}`)
  }
  if (stream !== undefined) return await target.streams.info(stream)
  const {name} = info.config
  if (!create) {
    throw new BusError('notFound', `no stream of ${target.url} stores ${subjects.map(shellWord).join(' ')}`, {
      try: [
        '--create, to create one like the source',
        `bus -b ${shellWord(target.url)} stream add ${[name, ...subjects].map(shellWord).join(' ')}`,
      ],
    })
  }
  const {description, maxAgeMs, maxMsgs, maxBytes, maxMsgsPerSubject, maxMsgSize, discard} = info.config
  const limits = {maxAgeMs, maxMsgs, maxBytes, maxMsgsPerSubject, maxMsgSize, discard}
  const {allowRollup, allowDirect, denyDelete} = info.config
  return await target.streams.add({name, subjects, description, ...limits, allowRollup, allowDirect, denyDelete})
}

/**
 * The configured subjects of a stream, and subjects that it contains beyond them: those of a mirror, of sources, or of a
 * transform.
 */
async function subjectsOf(bus: Transport, {config}: StreamInfo): Promise<readonly string[]> {
  const held = [...(await bus.streams.subjects(config.name)).keys()]
  const others = held.filter((subject) => !config.subjects.some((pattern) => matches(pattern, subject)))
  const named = fewPatterns(others)
  const subjects = [...config.subjects, ...named]
  const isApart = named.every((pattern) => !config.subjects.some((subject) => overlaps(pattern, subject)))
  if (subjects.length > 0 && named.length <= mostNamed && isApart) return subjects
  const what =
    subjects.length === 0 ? 'has no subjects and no messages' : `has messages of ${others.length} other subjects`
  throw new BusError('usage', `stream ${config.name} ${what}: the target stream cannot be chosen by subject`, {
    try: [`on the target: bus stream add ${shellWord(config.name)} SUBJECTS`],
  })
}

/** The subjects, or if they are many, patterns with their first tokens. */
export function fewPatterns(subjects: readonly string[]): readonly string[] {
  if (subjects.length <= mostNamed) return subjects
  const patterns = new Set(
    subjects.map((subject) => (subject.includes('.') ? `${subject.split('.', 1)[0]}.>` : subject)),
  )
  return [...patterns]
}

/** The names of the streams that store subjects of a pattern; none on a bus without streams. */
export async function keeping(bus: Transport, pattern: string): Promise<readonly string[]> {
  try {
    return await bus.streams.keeping(pattern)
  } catch (error) {
    if (isFailure(error, 'notFound')) return []
    throw error
  }
}
