/** The flags for the configuration of a stream, and the settings that they give. */
import type {FlagValues} from '../../lib/cli/flags/kinds.ts'
import {age, choice, count, size, text, texts, toggle, value, values} from '../../lib/cli/flags/kinds.ts'
import {parsePair, storageFlags, streamFlags} from '../../lib/cli/flags/stream.ts'
import type {StreamChanges} from '../../lib/transport/streams-contract.ts'
import {parseMapping, parseOrigin} from './origin-flags.ts'

const onServer = {helpGroup: 'SERVER ONLY'}
const either = {allowNo: true}
const server = (description: string) => toggle(description, {...onServer, ...either})

export const streamSettingFlags = {
  'max-age': age('remove messages older than this'),
  'max-msgs': count('maximum number of messages'),
  'max-bytes': size('maximum total size'),
  'max-msgs-per-subject': count('maximum number of messages per subject'),
  'max-msg-size': size('maximum size of a message; larger ones are refused'),
  discard: choice('discard policy at a limit: remove the oldest messages, or refuse new ones (default: old)', [
    'old',
    'new',
  ]),
  'discard-per-subject': toggle('with --discard new: refuse new messages at --max-msgs-per-subject too', either),
  dedupe: age('how long message ids are remembered (default: 2m, or --max-age if that is shorter)'),
  'allow-rollup': toggle('a message with the header Nats-Rollup replaces earlier ones', either),
  'deny-delete': toggle('refuse to delete single messages', either),
  'deny-purge': toggle('refuse to purge', either),
  'allow-direct': toggle('every server with a copy answers direct reads', either),
  'allow-atomic': toggle('store the batches of bus pub --batch, all messages or none', either),
  'allow-ttl': toggle('remove a message after the time in its header Nats-TTL (bus pub --ttl)', either),
  'marker-ttl': age('when the last message of a subject expires, store a marker in its place for this long'),
  retention: choice(
    'remove messages only at the limits; interest: also when every consumer that wants them has acknowledged them; workqueue: also when their one consumer has (default: limits)',
    ['limits', 'interest', 'workqueue'],
  ),
  ...storageFlags,
  description: streamFlags.description,
  metadata: values('a name and a value of your own', '<name=value>', parsePair),
  compression: choice('compression of the file', ['none', 's2'], onServer),
  'max-consumers': count('maximum number of consumers', onServer),
  'first-seq': count('sequence of the first message', onServer),
  mirror: value(
    'copy the messages of this stream, and store no others; settings may follow its name: ,filter=PATTERN or ,transform=FROM:TO ,from=SEQUENCE or ,from=@TIME ,domain=NAME or ,api=PREFIX ,deliver=PREFIX',
    '<stream>',
    parseOrigin,
    onServer,
  ),
  source: values(
    'copy the messages of this stream as well; the same settings as for --mirror may follow its name',
    '<stream>',
    parseOrigin,
    onServer,
  ),
  cluster: text('place it in this cluster', '<name>', onServer),
  tag: texts('place it on servers with this tag', '<tag>', onServer),
  transform: value('store subjects under other names: orders.> and stored.>', '<from,to>', parseMapping, onServer),
  republish: value('publish stored messages again: orders.> and stored.>', '<from,to>', parseMapping, onServer),
  'allow-counter': server('messages are counters'),
  'allow-schedules': server('messages may be published later'),
  'mirror-direct': server('a mirror answers direct reads of its origin'),
  'no-ack': toggle('do not acknowledge messages', onServer),
}

/** The settings that were given; the others are absent. */
export function streamChanges(
  subjects: readonly string[] | undefined,
  values: FlagValues<typeof streamSettingFlags>,
): StreamChanges {
  return withoutAbsent({
    subjects: subjects?.length ? subjects : undefined,
    description: values.description,
    storage: values.storage,
    discard: values.discard,
    maxAgeMs: values['max-age'],
    maxMsgs: values['max-msgs'],
    maxBytes: values['max-bytes'],
    maxMsgsPerSubject: values['max-msgs-per-subject'],
    maxMsgSize: values['max-msg-size'],
    dedupeMs: values.dedupe,
    replicas: values.replicas,
    discardNewPerSubject: values['discard-per-subject'],
    allowRollup: values['allow-rollup'],
    denyDelete: values['deny-delete'],
    denyPurge: values['deny-purge'],
    allowDirect: values['allow-direct'],
    allowAtomic: values['allow-atomic'],
    allowTtl: values['allow-ttl'],
    markerTtlMs: values['marker-ttl'],
    retention: values.retention,
    metadata: values.metadata && Object.fromEntries(values.metadata),
    other: serverOptions(values),
  })
}

/** The options that only a server has, by their names in its API. */
function serverOptions(values: FlagValues<typeof streamSettingFlags>): Readonly<Record<string, unknown>> | undefined {
  const {cluster, tag, source, mirror} = values
  const options = withoutAbsent({
    compression: values.compression,
    max_consumers: values['max-consumers'],
    first_seq: values['first-seq'],
    mirror,
    sources: source?.length ? source : undefined,
    placement: cluster === undefined && !tag?.length ? undefined : withoutAbsent({cluster, tags: tag}),
    subject_transform: values.transform,
    republish: values.republish,
    allow_msg_counter: values['allow-counter'],
    allow_msg_schedules: values['allow-schedules'],
    mirror_direct: values['mirror-direct'],
    no_ack: values['no-ack'],
  })
  return Object.keys(options).length === 0 ? undefined : options
}

function withoutAbsent<T extends object>(all: T): T {
  return Object.fromEntries(Object.entries(all).filter(([, each]) => each !== undefined)) as T
}
