/** The options of a consumer that only a server has: as flags, and by their names in its API. */
import type {FlagValues} from '../../lib/cli/flags/kinds.ts'
import {age, choice, count, percent, size, texts, toggle} from '../../lib/cli/flags/kinds.ts'

const onServer = {helpGroup: 'SERVER ONLY'}
const nanos = (ms: number | undefined) => (ms === undefined ? undefined : Math.round(ms * 1e6))

export const consumerServerFlags = {
  'headers-only': toggle('deliver headers without payloads', {...onServer, allowNo: true}),
  'max-waiting': count('maximum number of requests for messages that wait', onServer),
  'max-request-batch': count('largest number of messages that one request may ask for', onServer),
  'max-request-bytes': size('largest number of bytes that one request may ask for', onServer),
  'max-request-expires': age('how long one request may wait', onServer),
  'inactive-threshold': age('remove the consumer when no client has used it for this long', onServer),
  'replay-policy': choice(
    'deliver as fast as possible, or as fast as the messages were published',
    [...(['instant', 'original'] as const)],
    onServer,
  ),
  sample: percent('publish an advisory for this share of the acknowledgements', onServer),
  'consumer-replicas': count('number of replicas, if not that of the stream', onServer),
  'memory-storage': toggle('keep its state in memory', {...onServer, allowNo: true}),
  'priority-policy': choice(
    'which clients get messages first',
    [...(['none', 'overflow', 'pinned_client', 'prioritized'] as const)],
    onServer,
  ),
  'priority-group': texts('a group of clients for --priority-policy', '<name>', onServer),
  'pinned-ttl': age('with pinned_client: how long a silent client stays pinned', onServer),
}

/** Undefined if there are none. */
export function consumerServerOptions(
  values: FlagValues<typeof consumerServerFlags>,
): Readonly<Record<string, unknown>> | undefined {
  const {sample, 'priority-group': groups} = values
  const options = {
    headers_only: values['headers-only'],
    max_waiting: values['max-waiting'],
    max_batch: values['max-request-batch'],
    max_bytes: values['max-request-bytes'],
    max_expires: nanos(values['max-request-expires']),
    inactive_threshold: nanos(values['inactive-threshold']),
    replay_policy: values['replay-policy'],
    sample_freq: sample === undefined ? undefined : `${Math.round(sample * 100)}`,
    num_replicas: values['consumer-replicas'],
    mem_storage: values['memory-storage'],
    priority_policy: values['priority-policy'],
    priority_groups: groups?.length ? groups : undefined,
    priority_timeout: nanos(values['pinned-ttl']),
  }
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  return given.length === 0 ? undefined : Object.fromEntries(given)
}
