/** Which stream of a target takes the copies of another one, and making it. */
import {BusError, isFailure} from '../../core/errors.ts'
import {matches, overlaps} from '../../core/subject.ts'
import type {Transport} from '../../transport/contract.ts'
import type {StreamInfo} from '../../transport/streams-contract.ts'

/** Subjects that a stream holds beside those of its configuration are named one by one, up to this many. */
const mostNamed = 100

/**
 * The one stream of the target that keeps what the source holds, made like the source with `create`. Fails with
 * `notFound` when there is none, with `usage` when there are several.
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
    throw new BusError('notFound', `no stream of ${target.url} stores ${subjects.join(' ')}`, {
      try: ['--create, to make one like the source', `bus stream add ${name} ${subjects.join(' ')}`],
    })
  }
  const {description, maxAgeMs, maxMsgs, maxBytes, maxMsgsPerSubject, maxMsgSize, discard} = info.config
  const limits = {maxAgeMs, maxMsgs, maxBytes, maxMsgsPerSubject, maxMsgSize, discard}
  return await target.streams.add({name, subjects, description, ...limits})
}

/** The subjects that a stream keeps, and those that it holds without keeping them: of a mirror, sources, a transform. */
async function subjectsOf(bus: Transport, {config}: StreamInfo): Promise<readonly string[]> {
  const held = [...(await bus.streams.subjects(config.name)).keys()]
  const others = held.filter((subject) => !config.subjects.some((pattern) => matches(pattern, subject)))
  const named = others.length <= mostNamed ? others : firstTokens(others)
  const subjects = [...config.subjects, ...named]
  const isApart = named.every((pattern) => !config.subjects.some((subject) => overlaps(pattern, subject)))
  if (subjects.length > 0 && named.length <= mostNamed && isApart) return subjects
  const what = subjects.length === 0 ? 'names no subjects and holds none' : `holds ${others.length} subjects`
  throw new BusError('usage', `stream ${config.name} ${what} that a stream could be made or found for`, {
    try: [`bus stream add ${config.name} SUBJECTS, on the target`],
  })
}

function firstTokens(subjects: readonly string[]): readonly string[] {
  const patterns = new Set(
    subjects.map((subject) => (subject.includes('.') ? `${subject.split('.', 1)[0]}.>` : subject)),
  )
  return [...patterns]
}

/** The names of the streams that keep something of a pattern; none on a bus without streams. */
export async function keeping(bus: Transport, pattern: string): Promise<readonly string[]> {
  try {
    return await bus.streams.keeping(pattern)
  } catch (error) {
    if (isFailure(error, 'notFound')) return []
    throw error
  }
}
