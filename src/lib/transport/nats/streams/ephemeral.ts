/** The consumer used by a read: it acknowledges nothing, and the server removes it when nobody pulls. */
import {createInbox} from '@nats-io/transport-node'
import {matches} from '../../../core/subject.ts'
import {codeOf, jetStreamErrors} from '../../shared/jetstream-errors.ts'
import {apiRequest} from './api.ts'
import type {ConsumerConfigJson, ConsumerJson} from './json.ts'
import {isSince, type JetStreamSession} from './session.ts'
import {needed} from './settings.ts'

export interface Ephemeral {
  readonly name: string
  /** The server that hosts it, in a cluster. */
  readonly leader: string | undefined
  /** How many messages it will deliver, as of its creation. */
  readonly pending: number
  /** It delivers more than requested, so the filters have to be applied here. */
  readonly isWide: boolean
  /** Removes it. Nobody waits for that, because the server would remove it anyway. */
  remove(): void
}

/** How long it exists without pulls; a reader that pauses longer gets a new one. */
const inactiveMs = 15_000

export async function makeEphemeral(
  session: JetStreamSession,
  stream: string,
  start: ConsumerConfigJson,
  wanted: readonly string[],
): Promise<Ephemeral> {
  const filters = needed(wanted, start.deliver_policy === 'last_per_subject')
  if (filters.length < 2 || isSince(session, 2, 10)) {
    const made = await make(session, stream, start, filters).catch(unlessFilters)
    if (made !== undefined) return {...made, isWide: false}
  } else {
    const made = await make(session, stream, start, [superset(filters)]).catch(unlessFilters)
    if (made !== undefined) return {...made, isWide: true}
  }
  return {...(await make(session, stream, start, [])), isWide: true}
}

/** Some servers accept only filters that lie within the stream's subjects, or that do not overlap. */
function unlessFilters(error: unknown): undefined {
  const code = codeOf(error)
  if (code !== jetStreamErrors.filterNotSubset.code && code !== jetStreamErrors.filtersOverlap.code) throw error
}

async function make(session: JetStreamSession, stream: string, start: ConsumerConfigJson, filters: readonly string[]) {
  const name = createInbox('bus').replaceAll('.', '-')
  const [filter] = filters
  const config: ConsumerConfigJson = {
    name,
    ack_policy: 'none',
    mem_storage: true,
    num_replicas: 1,
    inactive_threshold: inactiveMs * 1e6,
    ...start,
    ...(filters.length === 1 && filter !== undefined && {filter_subject: filter}),
    ...(filters.length > 1 && {filter_subjects: filters}),
  }
  const body = {stream_name: stream, config}
  const made = await apiRequest<ConsumerJson>(session, `CONSUMER.CREATE.${stream}.${name}`, body, {stream})
  // Otherwise the server removes it after `inactiveMs`.
  const remove = () => void apiRequest(session, `CONSUMER.DELETE.${stream}.${name}`).catch(() => {})
  return {name, leader: made.cluster?.leader, pending: made.num_pending, remove}
}

/** A pattern that matches everything that one of these matches. */
export function superset(patterns: readonly string[]): string {
  const all = patterns.map((pattern) => pattern.split('.'))
  const shortest = Math.min(...all.map(({length}) => length))
  const isLevel = all.every(({length}) => length === shortest)
  const wide: string[] = []
  for (let i = 0; i < shortest; i++) {
    const tokens = new Set(all.map((each) => each[i]))
    if (tokens.has('>') || (i === shortest - 1 && !isLevel)) return [...wide, '>'].join('.')
    const [token = '*'] = tokens
    wide.push(tokens.size === 1 ? token : '*')
  }
  return wide.join('.')
}

export function matcher(patterns: readonly string[]): (subject: string) => boolean {
  return (subject) => patterns.some((pattern) => matches(pattern, subject))
}
