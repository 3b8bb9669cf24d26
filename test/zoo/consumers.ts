/** Consumers with every option of the newest server, each on a stream of its own. */
import type {Animal} from './animal.ts'

const seconds = 1e9

function consumer(name: string, about: string, config: object, more: Partial<Animal> = {}): Animal {
  const stream = {name: name.replaceAll(' ', '_').toUpperCase(), ...more.stream}
  return {name, about, ...more, stream, consumer: {name: 'c', ack_policy: 'explicit', ...config}}
}

export const consumers: readonly Animal[] = [
  consumer('pull', 'A consumer with no options.', {}),
  consumer('described', 'A consumer with a description and metadata.', {
    description: 'bills orders',
    metadata: {owner: 'billing'},
  }),
  consumer('filter', 'A consumer of one subject.', {filter_subject: 'filter.a'}),
  consumer('filters', 'A consumer of two subjects.', {filter_subjects: ['filters.a', 'filters.x']}),
  consumer('new', 'A consumer that starts with new messages.', {deliver_policy: 'new'}),
  consumer('last', 'A consumer that starts with the last message.', {deliver_policy: 'last'}),
  consumer('last per subject', 'A consumer that starts with the last message of each subject.', {
    deliver_policy: 'last_per_subject',
    filter_subject: '>',
  }),
  consumer('from sequence', 'A consumer that starts at a sequence.', {
    deliver_policy: 'by_start_sequence',
    opt_start_seq: 2,
  }),
  consumer('from time', 'A consumer that starts at a time.', {
    deliver_policy: 'by_start_time',
    opt_start_time: '2030-01-01T00:00:00Z',
  }),
  consumer('ack all', 'A consumer whose acknowledgements cover earlier messages.', {ack_policy: 'all'}),
  consumer('ack none', 'A consumer without acknowledgements.', {ack_policy: 'none'}),
  consumer('backoff', 'A consumer with growing ack waits and a limit of deliveries.', {
    backoff: [1 * seconds, 5 * seconds],
    max_deliver: 5,
  }),
  consumer('max ack pending', 'A consumer that allows one unacknowledged message.', {max_ack_pending: 1}),
  consumer('unlimited ack pending', 'A consumer without a limit of unacknowledged messages.', {max_ack_pending: -1}),
  consumer('max deliver', 'A consumer that delivers each message once.', {max_deliver: 1}),
  consumer(
    'replay original',
    'A consumer that delivers at the pace at which the messages were stored.',
    {replay_policy: 'original'},
    {first: ['bus consumer replay REPLAY_ORIGINAL c']},
  ),
  consumer('sampling', 'A consumer that reports each acknowledgement.', {sample_freq: '100%'}),
  consumer('headers only', 'A consumer that delivers no bodies.', {headers_only: true}),
  consumer('inactive threshold', 'A consumer that the server removes when it is not used for an hour.', {
    inactive_threshold: 3600 * seconds,
  }),
  consumer('memory', 'A consumer whose state is in memory.', {mem_storage: true}),
  consumer('ephemeral', 'A consumer without a durable name.', {durable_name: '', inactive_threshold: 3600 * seconds}),
  consumer('pull limits', 'A consumer that limits what one pull may ask for.', {
    max_batch: 1,
    max_expires: 2 * seconds,
    max_bytes: 200,
    max_waiting: 2,
  }),
  consumer('short pulls', 'A consumer whose pulls may not last longer than a hundred milliseconds.', {
    max_expires: 0.1 * seconds,
  }),
  consumer('overflow', 'A consumer with a priority group for overflow.', {
    priority_groups: ['g'],
    priority_policy: 'overflow',
  }),
  consumer('pinned', 'A consumer that delivers to one client at a time.', {
    priority_groups: ['g'],
    priority_policy: 'pinned_client',
    priority_timeout: 10 * seconds,
  }),
  consumer('prioritized', 'A consumer that serves clients by their priority.', {
    priority_groups: ['g'],
    priority_policy: 'prioritized',
  }),
  consumer('paused', 'A consumer that delivers nothing until a time.', {pause_until: '2099-01-01T00:00:00Z'}),
  consumer('push', 'A push consumer that nobody listens to.', {deliver_subject: 'to.push'}),
  consumer('push queue', 'A push consumer with a queue group.', {
    deliver_subject: 'to.pushqueue',
    deliver_group: 'workers',
  }),
  consumer('push flow control', 'A push consumer with flow control and heartbeats.', {
    deliver_subject: 'to.pushflow',
    flow_control: true,
    idle_heartbeat: 1 * seconds,
  }),
  consumer('push rate limit', 'A push consumer that delivers slowly.', {
    deliver_subject: 'to.pushrate',
    rate_limit_bps: 1024,
  }),
  consumer('push ack none', 'A push consumer without acknowledgements.', {
    deliver_subject: 'to.pushnone',
    ack_policy: 'none',
  }),
  consumer('push headers only', 'A push consumer that delivers no bodies.', {
    deliver_subject: 'to.pushheaders',
    headers_only: true,
  }),
  consumer(
    'of a work queue',
    'A consumer of a stream whose messages are removed once they are acknowledged.',
    {},
    {stream: {name: 'OF_WORK', retention: 'workqueue'}},
  ),
  consumer(
    'of interest',
    'A consumer of a stream that stores messages as long as a consumer needs them.',
    {},
    {
      stream: {name: 'OF_INTEREST', retention: 'interest'},
      messages: [],
      first: ['bus pub of_interest.a 1 -n 2 --ack'],
    },
  ),
  consumer(
    'of gaps',
    'A consumer of a stream from which the next messages were deleted.',
    {},
    {
      after: [
        ['STREAM.MSG.DELETE.OF_GAPS', {seq: 1}],
        ['STREAM.MSG.DELETE.OF_GAPS', {seq: 3}],
      ],
    },
  ),
  consumer(
    'of a mirror',
    'A consumer of a mirror.',
    {},
    {
      stream: {name: 'OF_A_MIRROR', mirror: {name: 'OF_ORIGINAL'}},
      before: [['STREAM.CREATE.OF_ORIGINAL', {subjects: ['of_a_mirror.>']}]],
      messages: ['a', 'b', 'a'].map((token, i) => ({subject: `of_a_mirror.${token}`, data: `${i + 1}`})),
    },
  ),
]
