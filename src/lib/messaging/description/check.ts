/** Checks that find errors in a description before the bus is changed. */
import {BusError, isFailure} from '../../core/errors.ts'
import {reworded} from '../../core/rewording.ts'
import {checkPattern, overlaps} from '../../core/subject.ts'
import type {Transport} from '../../transport/contract.ts'
import {isServer} from '../../transport/schemes.ts'
import {checkStoreName, consumerConfig, streamConfig, wantedSubjects} from '../../transport/shared/stream-settings.ts'
import type {ConsumerSettings, StreamSettings} from '../../transport/streams-contract.ts'

/** A stream as it will be; errors call it `what`. */
export interface PlannedStream {
  readonly what: string
  readonly settings: StreamSettings
}

/** The subjects of the streams that a bus will have, by the names of the streams; errors call a stream `what`. */
export type PlannedSubjects = ReadonlyMap<string, {readonly what: string; readonly subjects: readonly string[]}>

/** Throws `usage` for a name that no bus accepts. */
export function checkName(kind: 'stream' | 'consumer', name: string, what: string): void {
  about(what, () => checkStoreName(kind, name))
}

/** Fails with `usage` for settings that no bus accepts, or this bus file does not. */
export function checkPlannedStream(bus: Transport, {what, settings}: PlannedStream): void {
  about(what, () => {
    for (const subject of settings.subjects ?? []) checkPattern(subject)
    if (!isServer(bus.url)) streamConfig(settings)
  })
}

/** Fails with `usage` if two streams would store the same subjects; `removed` are the names of streams that will be removed. */
export async function plannedSubjects(
  bus: Transport,
  planned: readonly PlannedStream[],
  removed: ReadonlySet<string>,
): Promise<PlannedSubjects> {
  const all = new Map<string, {readonly what: string; readonly subjects: readonly string[]}>()
  for (const {config} of await listed(bus))
    if (!removed.has(config.name)) all.set(config.name, {what: `stream ${config.name}`, subjects: config.subjects})
  for (const {what, settings} of planned) all.set(settings.name, {what, subjects: wantedSubjects(settings)})
  for (const {settings} of planned) {
    const {what = '', subjects = []} = all.get(settings.name) ?? {}
    for (const [name, other] of all) {
      const clash =
        name === settings.name
          ? undefined
          : subjects.find((subject) => other.subjects.some((each) => overlaps(each, subject)))
      if (clash !== undefined) throw new BusError('usage', `${what} and ${other.what} would both store ${clash}`)
    }
  }
  return all
}

/** Fails with `usage` for a consumer whose stream will not exist, and for settings as `checkPlannedStream` does. */
export function checkPlannedConsumer(
  bus: Transport,
  {what, stream, settings}: {readonly what: string; readonly stream: string; readonly settings: ConsumerSettings},
  planned: PlannedSubjects,
): void {
  about(what, () => {
    for (const filter of settings.filters ?? []) checkPattern(filter)
    if (!isServer(bus.url)) consumerConfig(settings, planned.get(stream)?.subjects ?? [])
  })
}

/** A login may not be allowed to list streams. Then only the bus itself refuses subjects that two streams would store. */
async function listed(bus: Transport) {
  try {
    return await bus.streams.list()
  } catch (error) {
    if (isFailure(error, 'denied')) return []
    throw error
  }
}

function about(what: string, check: () => void): void {
  try {
    check()
  } catch (error) {
    throw error instanceof BusError ? reworded(error, `${what}: ${error.message}`) : error
  }
}
