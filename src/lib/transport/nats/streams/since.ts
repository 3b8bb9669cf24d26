/** Which server has which option. Older ones ignore an option that they do not know. */
import {BusError} from '../../../core/errors.ts'
import type {Headers} from '../../../core/message.ts'
import type {ConsumerConfigJson, StreamConfigJson} from './json.ts'
import {isSince, type JetStreamSession} from './session.ts'

const minors: Readonly<Record<number, string>> = {
  10: 'metadata compression first_seq subject_transform consumer_limits filter_subjects',
  11: 'allow_msg_ttl subject_delete_marker_ttl pause_until priority_groups',
  12: 'allow_msg_counter allow_atomic allow_msg_schedules persist_mode',
  14: 'allow_batched',
}

/** Headers that a stream acts on, in lower case, and the minor version that introduced them. Older servers store the message and ignore them. */
const headerMinors: Readonly<Record<string, number>> = {'nats-ttl': 11, 'nats-schedule': 12, 'nats-incr': 12}
const newestHeader = Math.max(...Object.values(headerMinors))

/** Throws `usage` if the server would ignore what a header asks for. */
export function checkHeadersSince(session: JetStreamSession, headers: Headers | undefined): void {
  if (headers === undefined || headers.length === 0 || isSince(session, 2, newestHeader)) return
  for (const [name] of headers) {
    const minor = headerMinors[name.toLowerCase()]
    if (minor !== undefined && !isSince(session, 2, minor)) throw tooOld(session, `the header ${name}`, minor)
  }
}

/** Throws `usage` if the server is too old for an option of the configuration. */
export function checkSince(session: JetStreamSession, config: StreamConfigJson | ConsumerConfigJson): void {
  for (const [minor, names] of Object.entries(minors)) {
    if (isSince(session, 2, Number(minor))) continue
    const option = names.split(' ').find((name) => (config as unknown as Record<string, unknown>)[name])
    if (option !== undefined) throw tooOld(session, option, Number(minor))
  }
  if (!isSince(session, 2, 10)) checkOrigins(session, config as StreamConfigJson)
}

function checkOrigins(session: JetStreamSession, config: StreamConfigJson): void {
  const {mirror, sources} = config as {readonly mirror?: object; readonly sources?: readonly object[]}
  const isNew = (origin: unknown, option: string) => (origin as Readonly<Record<string, unknown>>)[option] !== undefined
  for (const origin of [mirror ?? [], sources ?? []].flat())
    if (isNew(origin, 'subject_transforms')) throw tooOld(session, 'a transform of a mirror or source', 10)
  if (mirror && isNew(mirror, 'filter_subject')) throw tooOld(session, 'a filter of a mirror', 10)
}

/** The error for a server that does not know `what`. */
export function tooOld(session: JetStreamSession, what: string, minor: number): BusError {
  const version = session.version().join('.')
  return new BusError('usage', `the server of ${session.url} is ${version}: ${what} needs 2.${minor}`)
}
