/** Streams with every option of the newest server. */
import type {Animal, ApiCall} from './animal.ts'

const seconds = 1e9

/** Stores three messages in another stream, which an animal copies. */
function source(name: string): ApiCall {
  return [`STREAM.CREATE.${name}`, {subjects: [`${name.toLowerCase()}.>`]}]
}

function of(name: string, tokens = ['a', 'b', 'a']) {
  return tokens.map((token, i) => ({subject: `${name.toLowerCase()}.${token}`, data: `${i + 1}`}))
}

export const streams: readonly Animal[] = [
  {name: 'plain', about: 'A stream with no options.', stream: {name: 'PLAIN'}},
  {
    name: 'limits',
    about: 'Each limit that a stream can have.',
    stream: {
      name: 'LIMITS',
      description: 'every limit',
      max_age: 3600 * seconds,
      max_msgs: 100,
      max_bytes: 1_048_576,
      max_msgs_per_subject: 10,
      max_msg_size: 1000,
      max_consumers: 5,
      duplicate_window: 60 * seconds,
    },
  },
  {
    name: 'full',
    about: 'A stream that refuses new messages because it is full.',
    stream: {name: 'FULL', max_msgs: 3, discard: 'new'},
  },
  {
    name: 'full per subject',
    about: 'A stream that refuses a second message of a subject.',
    stream: {name: 'FULLSUBJ', max_msgs_per_subject: 1, discard: 'new', discard_new_per_subject: true},
  },
  {
    name: 'mirror',
    about: 'A copy of another stream. Nothing can be published to it.',
    before: [source('MIRRORED')],
    messages: of('MIRRORED'),
    stream: {name: 'MIRROR', mirror: {name: 'MIRRORED'}},
  },
  {
    name: 'mirror with a filter',
    about: 'A copy of some messages of another stream, with its own start.',
    before: [source('SELECTED')],
    messages: of('SELECTED'),
    stream: {name: 'SELECTION', mirror: {name: 'SELECTED', filter_subject: 'selected.a', opt_start_seq: 2}},
  },
  {
    name: 'mirror of nothing',
    about: 'A copy of a stream that is in another domain, which does not exist.',
    messages: [],
    stream: {name: 'ABSENT', mirror: {name: 'ELSEWHERE', external: {api: '$JS.hub.API'}}},
  },
  {
    name: 'sources',
    about: 'A stream that collects the messages of two others, and has subjects of its own.',
    before: [source('ONE'), source('TWO')],
    messages: [...of('ONE'), ...of('TWO')],
    stream: {
      name: 'SOURCES',
      sources: [
        {name: 'ONE', filter_subject: 'one.a'},
        {name: 'TWO', subject_transforms: [{src: 'two.*', dest: 'sources.two.{{wildcard(1)}}'}]},
      ],
    },
  },
  {
    name: 'subject transform',
    about: 'A stream that stores messages under other subjects than they were published to.',
    stream: {name: 'TRANSFORM', subject_transform: {src: 'transform.*', dest: 'changed.{{wildcard(1)}}'}},
  },
  {
    name: 'republish',
    about: 'A stream that publishes what it has stored to another subject.',
    stream: {name: 'REPUBLISH', republish: {src: 'republish.>', dest: 'again.>', headers_only: true}},
  },
  {name: 'compression', about: 'A compressed stream.', stream: {name: 'COMPRESSED', compression: 's2'}},
  {name: 'memory', about: 'A stream in memory.', stream: {name: 'MEMORY', storage: 'memory'}},
  {
    name: 'work queue',
    about: 'A stream whose messages are removed once they are acknowledged.',
    stream: {name: 'WORK', retention: 'workqueue'},
    lines: [
      'bus consumer add WORK first',
      'bus consumer next WORK first',
      'bus stream info WORK',
      "bus sub 'work.>' --from -1 --end",
      'bus consumer replay WORK --from @-1h',
      'bus stream get WORK 1',
    ],
  },
  {
    name: 'interest',
    about: 'A stream that stores messages only as long as a consumer needs them: here there is none.',
    stream: {name: 'INTEREST', retention: 'interest'},
    lines: [
      'bus consumer add INTEREST first',
      'bus pub interest.a 5 --ack',
      'bus stream info INTEREST',
      "bus sub 'interest.>' --from first --end",
      'bus consumer next INTEREST first',
      'bus stream info INTEREST',
    ],
  },
  {
    name: 'sealed',
    about: 'A stream that can no longer be changed.',
    stream: {name: 'SEALED'},
    after: [['STREAM.UPDATE.SEALED', {name: 'SEALED', subjects: ['sealed.>'], sealed: true}]],
    lines: ['bus stream rm SEALED', 'bus consumer add SEALED cc', 'bus consumer next SEALED cc'],
  },
  {
    name: 'deny',
    about: 'A stream from which nothing can be deleted or purged.',
    stream: {name: 'DENY', deny_delete: true, deny_purge: true},
  },
  {
    name: 'rollup',
    about: 'A stream in which a message may replace all before it.',
    stream: {name: 'ROLLUP', allow_rollup_hdrs: true},
    lines: [
      "bus pub rollup.a 5 --ack -H 'Nats-Rollup: sub'",
      "bus pub rollup.a 6 --ack -H 'Nats-Rollup: sub'",
      "bus sub 'rollup.>' --from first --end",
      'bus stream subjects ROLLUP',
    ],
  },
  {
    name: 'TTL',
    about: 'A stream that obeys the time to live of each message, and marks what it deletes.',
    stream: {name: 'TTL', allow_msg_ttl: true, subject_delete_marker_ttl: 60 * seconds, allow_rollup_hdrs: true},
    lines: ["bus pub ttl.a 5 --ack -H 'Nats-TTL: 1h'", 'bus stream get TTL 4', 'bus stream get TTL 5'],
  },
  {
    name: 'counter',
    about: 'A stream whose messages are counters.',
    stream: {name: 'COUNTER', allow_msg_counter: true},
    messages: ['+1', '+41', '+7'].map((by, i) => ({
      subject: `counter.${['a', 'a', 'b'][i]}`,
      headers: [['Nats-Incr', by]],
    })),
    lines: [
      "bus pub counter.a '' --ack -H 'Nats-Incr: +5'",
      "bus sub 'counter.>' --from first --end",
      "bus pub counter.a '' --ack -H 'Nats-Incr: +5'",
    ],
  },
  {
    name: 'schedules',
    about: 'A stream that publishes messages at a later time.',
    stream: {name: 'SCHEDULES', allow_msg_schedules: true, subjects: ['schedules.>', 'due.>']},
    messages: [
      {
        subject: 'schedules.a',
        data: 'later',
        headers: [
          ['Nats-Schedule', '@at 2099-01-01T00:00:00Z'],
          ['Nats-Schedule-Target', 'due.a'],
        ],
      },
      {
        subject: 'schedules.b',
        data: 'daily',
        headers: [
          ['Nats-Schedule', '@every 24h'],
          ['Nats-Schedule-Target', 'due.b'],
        ],
      },
    ],
    lines: ["bus sub 'schedules.>' --from first --end --json"],
  },
  {
    name: 'atomic',
    about: 'A stream that stores several messages together or none.',
    stream: {name: 'ATOMIC', allow_atomic: true},
    lines: [
      "bus pub atomic.a 5 --ack -H 'Nats-Batch-Id: x' -H 'Nats-Batch-Sequence: 1' -H 'Nats-Batch-Commit: 1'",
      "bus pub atomic.a 6 --ack -H 'Nats-Batch-Id: y' -H 'Nats-Batch-Sequence: 1' -t 1s",
    ],
  },
  {
    name: 'batched',
    about: 'A stream that takes messages in fast batches.',
    stream: {name: 'BATCHED', allow_batched: true},
  },
  {
    name: 'first sequence',
    about: 'A stream whose first message has a large sequence.',
    stream: {name: 'FIRSTSEQ', first_seq: 9_007_199_254_740_000},
    lines: ['bus stream get FIRSTSEQ 9007199254740001', 'bus consumer replay FIRSTSEQ --from 1 --to 9007199254740001'],
  },
  {
    name: 'empty with a first sequence',
    about: 'A stream without messages whose first message will have the sequence 1000.',
    stream: {name: 'FIRSTEMPTY', first_seq: 1000},
    messages: [],
  },
  {
    name: 'gaps',
    about: 'A stream from which messages were deleted.',
    stream: {name: 'GAPS'},
    messages: of('GAPS', ['a', 'b', 'c', 'd', 'e', 'f']),
    after: [
      ['STREAM.MSG.DELETE.GAPS', {seq: 2}],
      ['STREAM.MSG.DELETE.GAPS', {seq: 4}],
      ['STREAM.MSG.DELETE.GAPS', {seq: 6}],
    ],
    lines: [
      'bus stream get GAPS 2',
      'bus stream get GAPS 6',
      'bus consumer replay GAPS --from 2 --to 4',
      'bus consumer replay GAPS --from -2',
      'bus stream purge GAPS --before 4 --yes',
    ],
  },
  {
    name: 'one consumer',
    about: 'A stream that allows one consumer, which it has.',
    stream: {name: 'ONECONSUMER', max_consumers: 1},
    after: [['CONSUMER.CREATE.ONECONSUMER.only', {durable_name: 'only', ack_policy: 'explicit'}]],
  },
  {
    name: 'consumer limits',
    about: 'A stream that limits what its consumers may ask for.',
    stream: {name: 'CONLIMITS', consumer_limits: {inactive_threshold: 5 * seconds, max_ack_pending: 2}},
    lines: ['bus consumer add CONLIMITS three --max-ack-pending 3'],
  },
  {
    name: 'no acknowledgement',
    about: 'A stream that does not acknowledge what it stores.',
    stream: {name: 'SILENT', no_ack: true},
    messages: [],
    lines: ['bus pub silent.a 5 -n 2', 'bus stream info SILENT'],
  },
  {
    name: 'metadata',
    about: 'A stream with metadata.',
    stream: {name: 'METADATA', metadata: {owner: 'billing', 'region.name': 'eu'}},
  },
  {
    name: 'placement',
    about: 'A stream that is placed on servers with a tag.',
    stream: {name: 'PLACEMENT', placement: {cluster: '', tags: ['ssd']}},
  },
  {
    name: 'direct',
    about: 'A stream of which every replica answers reads.',
    stream: {name: 'DIRECT', allow_direct: true},
  },
  {
    name: 'persist mode',
    about: 'A stream that acknowledges before it writes to disk.',
    stream: {name: 'PERSIST', persist_mode: 'async'},
  },
  {
    name: 'everything',
    about: 'A stream that stores each message of the account without a reply.',
    stream: {name: 'OTHERS', subjects: ['others', 'others.*.deep', 'others.a.b.>']},
    messages: [
      {subject: 'others', data: ''},
      {subject: 'others.x.deep', data: Uint8Array.of(0, 255, 10)},
      {subject: 'others.a.b.c', data: 'ü'.repeat(300)},
    ],
  },
  {
    name: 'key-value bucket',
    about: 'A key-value bucket with a deleted and a purged key.',
    stream: {
      name: 'KV_zoo',
      subjects: ['$KV.zoo.>'],
      max_msgs_per_subject: 5,
      discard: 'new',
      allow_rollup_hdrs: true,
      deny_delete: true,
      allow_direct: true,
    },
    messages: [
      {subject: '$KV.zoo.a', data: '1'},
      {subject: '$KV.zoo.b', data: '2'},
      {subject: '$KV.zoo.a', headers: [['KV-Operation', 'DEL']]},
      {
        subject: '$KV.zoo.b',
        headers: [
          ['KV-Operation', 'PURGE'],
          ['Nats-Rollup', 'sub'],
        ],
      },
    ],
    lines: [
      'bus kv ls',
      'bus kv ls zoo',
      'bus kv info zoo',
      'bus kv get zoo a',
      'bus kv get zoo b',
      "bus kv history zoo '>'",
      'bus kv watch zoo --idle 200ms',
      'bus kv export zoo --history',
      'bus kv create zoo b again',
    ],
  },
  {
    name: 'object store',
    about: 'An object store with one object.',
    stream: {
      name: 'OBJ_zoo',
      subjects: ['$O.zoo.C.>', '$O.zoo.M.>'],
      discard: 'new',
      allow_rollup_hdrs: true,
      allow_direct: true,
    },
    messages: [
      {subject: '$O.zoo.C.chunk1', data: 'some bytes'},
      {
        subject: '$O.zoo.M.bmFtZQ==',
        data: '{"name":"name","bucket":"zoo","id":"chunk1","size":10,"chunks":1}',
        headers: [['Nats-Rollup', 'sub']],
      },
    ],
    lines: [
      'bus object ls',
      'bus object ls zoo',
      'bus object info zoo',
      'bus object info zoo name',
      'bus object get zoo name --output name',
      'bus object watch zoo --idle 200ms',
      'bus object rm zoo name',
    ],
  },
]
