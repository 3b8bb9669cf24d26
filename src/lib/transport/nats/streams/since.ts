/** Which server has which option. Older ones ignore an option that they do not know. */
import {BusError} from '../../../core/errors.ts'
import type {ConsumerConfigJson, StreamConfigJson} from './json.ts'
import {isSince, type JetStreamSession} from './session.ts'

const minors: Readonly<Record<number, string>> = {
  10: 'metadata compression first_seq subject_transform consumer_limits filter_subjects',
  11: 'allow_msg_ttl subject_delete_marker_ttl pause_until priority_groups',
  12: 'allow_msg_counter allow_atomic allow_msg_schedules persist_mode',
  14: 'allow_batched',
}

/** Throws `usage` if the server is too old for an option of the configuration. */
export function checkSince(session: JetStreamSession, config: StreamConfigJson | ConsumerConfigJson): void {
  for (const [minor, names] of Object.entries(minors)) {
    if (isSince(session, 2, Number(minor))) continue
    const option = names.split(' ').find((name) => (config as unknown as Record<string, unknown>)[name])
    if (option === undefined) continue
    const version = session.version().join('.')
    throw new BusError('usage', `the server of ${session.url} is ${version}: ${option} needs 2.${minor}`)
  }
}
