/** The consumer that a reading has for itself: it acknowledges nothing, and goes when nobody pulls. */
import {createInbox} from '@nats-io/transport-node'
import {ask, codeOf, codes} from './api.ts'
import {superset} from './filters.ts'
import type {ConsumerConfigJson, ConsumerJson} from './json.ts'
import {isSince, type Line} from './session.ts'
import {needed} from './settings.ts'

export interface Ephemeral {
  readonly name: string
  /** How many messages it will give, as of its making. */
  readonly pending: number
  /** It gives more than was wanted: the filters are to be applied here. */
  readonly isWide: boolean
  /** Ends it. Nobody waits for that, and it would go by itself. */
  remove(): void
}

/** How long it stays when nobody pulls; a reader who rests longer gets another one. */
const inactiveMs = 15_000

export async function makeEphemeral(
  line: Line,
  stream: string,
  start: ConsumerConfigJson,
  wanted: readonly string[],
): Promise<Ephemeral> {
  const filters = needed(wanted, start.deliver_policy === 'last_per_subject')
  if (filters.length < 2 || isSince(line, 2, 10)) {
    const made = await make(line, stream, start, filters).catch(unlessFilters)
    if (made !== undefined) return {...made, isWide: false}
  } else {
    const made = await make(line, stream, start, [superset(filters)]).catch(unlessFilters)
    if (made !== undefined) return {...made, isWide: true}
  }
  return {...(await make(line, stream, start, [])), isWide: true}
}

/** Some servers take only filters that lie within the stream's subjects, or that do not overlap. */
function unlessFilters(error: unknown): undefined {
  const code = codeOf(error)
  if (code !== codes.filterNotSubset && code !== codes.filtersOverlap) throw error
}

async function make(line: Line, stream: string, start: ConsumerConfigJson, filters: readonly string[]) {
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
  const made = await ask<ConsumerJson>(line, `CONSUMER.CREATE.${stream}.${name}`, body, {stream})
  const remove = () => void ask(line, `CONSUMER.DELETE.${stream}.${name}`).catch(() => {})
  return {name, pending: made.num_pending, remove}
}
