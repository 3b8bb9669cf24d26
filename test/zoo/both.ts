/** What can be created on both buses: the options of `stream add` and `consumer add`. */

export interface Both {
  readonly name: string
  /** One sentence. */
  readonly about: string
  /** Options of `stream add`, and of `consumer add` if it is a consumer. */
  readonly stream?: string
  readonly consumer?: string
  /** Further command lines, before those that change it. `S` is the stream and `s` its first token. */
  readonly lines?: readonly string[]
}

export const both: readonly Both[] = [
  {
    name: 'each limit',
    about: 'A stream with each limit.',
    stream:
      '--max-age 1h --max-msgs 100 --max-bytes 1MiB --max-msgs-per-subject 10 --max-msg-size 1000 --dedupe 1m --description orders',
    lines: ['bus pub s.a --size 2000 --ack'],
  },
  {
    name: 'full',
    about: 'A stream that refuses new messages because it is full.',
    stream: '--max-msgs 3 --discard new',
    lines: ['bus pub s.a 5 -n 3 --ack', 'bus pub s.a 6'],
  },
  {
    name: 'full in bytes',
    about: 'A stream that refuses new messages because it has too many bytes.',
    stream: '--max-bytes 150 --discard new',
  },
  {name: 'rolling', about: 'A stream that keeps the last two messages.', stream: '--max-msgs 2'},
  {
    name: 'last of each subject',
    about: 'A stream that keeps the last message of each subject.',
    stream: '--max-msgs-per-subject 1',
  },
  {
    name: 'full per subject',
    about: 'A stream that discards new messages, with a limit for each subject.',
    stream: '--max-msgs-per-subject 1 --discard new',
  },
  {
    name: 'message ids',
    about: 'A stream that remembers message ids.',
    stream: '--dedupe 10m',
    lines: [
      'bus pub s.a 5 --ack --msg-id one',
      'bus pub s.a 5 --ack --msg-id one',
      'bus pub s.a 6 --ack --expect-last-seq 1',
      'bus pub s.a 6 --ack --expect-last-seq 5',
    ],
  },
  {
    name: 'directives',
    about: 'A stream and messages with headers that ask for what it does not allow.',
    lines: [
      "bus pub s.a 5 --ack -H 'Nats-TTL: 1h'",
      "bus pub s.a 5 --ack -H 'Nats-Rollup: sub'",
      "bus pub s.a '' --ack -H 'Nats-Incr: +5'",
      "bus pub s.a 5 --ack -H 'Nats-Schedule: @every 1h' -H 'Nats-Schedule-Target: s.b'",
      "bus pub s.a 5 --ack -H 'Nats-Expected-Stream: OTHER'",
      "bus pub s.a 5 --ack -H 'Nats-Expected-Last-Subject-Sequence: 1'",
    ],
  },
  {
    name: 'refused options',
    about: 'Options that no stream and no consumer can have.',
    lines: [
      'bus stream add OTHER s.b',
      "bus stream add S 's.>' --max-msgs 7",
      'bus stream add OTHER --max-age 1s --dedupe 1m',
      'bus stream add OTHER --replicas 9',
      'bus consumer add S c --filter other',
      'bus consumer add S c --max-deliver 1 --backoff 1s,2s',
      'bus consumer add S c --deliver -2',
      'bus consumer add NONE c',
    ],
  },
  {name: 'pull', about: 'A consumer with no options.', consumer: ''},
  {name: 'filter', about: 'A consumer of one subject.', consumer: '--filter s.a'},
  {name: 'filters', about: 'A consumer of two subjects.', consumer: '--filter s.a --filter s.x'},
  {
    name: 'new',
    about: 'A consumer that starts with new messages.',
    consumer: '--deliver new',
    lines: ['bus pub s.a 5 --ack'],
  },
  {name: 'last', about: 'A consumer that starts with the last message.', consumer: '--deliver last'},
  {
    name: 'last per subject',
    about: 'A consumer that starts with the last message of each subject.',
    consumer: '--deliver last-per-subject',
  },
  {name: 'from a sequence', about: 'A consumer that starts at a sequence.', consumer: '--deliver 2'},
  {name: 'from the end', about: 'A consumer that starts with the last two messages.', consumer: '--deliver -2'},
  {name: 'from a time', about: 'A consumer that starts at a time.', consumer: '--deliver @2040-01-01'},
  {
    name: 'ack all',
    about: 'A consumer whose acknowledgements cover earlier messages.',
    consumer: '--ack all',
    lines: ['bus consumer next S c -n 2 --nak', 'bus consumer next S c -n 2'],
  },
  {
    name: 'ack none',
    about: 'A consumer without acknowledgements.',
    consumer: '--ack none',
    lines: ['bus consumer next S c --nak'],
  },
  {
    name: 'backoff',
    about: 'A consumer with growing ack waits and a limit of deliveries.',
    consumer: '--backoff 10s,20s --max-deliver 5',
    lines: ['bus consumer next S c --nak', 'bus consumer next S c --term'],
  },
  {
    name: 'one delivery',
    about: 'A consumer that delivers each message once.',
    consumer: '--max-deliver 1',
    lines: ['bus consumer next S c --nak', 'bus consumer info S c'],
  },
  {
    name: 'one unacknowledged',
    about: 'A consumer that allows one unacknowledged message.',
    consumer: '--max-ack-pending 1 --ack-wait 1m --description bills',
    lines: [
      'bus consumer next S c --nak --delay 1m',
      'bus consumer next S c -t 1s',
      'bus consumer info S c',
      'bus consumer ls S',
    ],
  },
]

/** The command lines that create it, and those that meet it; both buses get the same. */
export function bothLines({name, stream = '', consumer, lines = []}: Both): readonly string[] {
  const stored = name.replaceAll(' ', '_').toUpperCase()
  const all = [
    `bus stream add S 's.>' ${stream}`.trim(),
    ...['s.a 1', 's.b 2', 's.a 3'].map((message) => `bus pub ${message} --ack`),
    ...(consumer === undefined ? streamMeets : [`bus consumer add S c ${consumer}`.trim(), ...consumerMeets]),
    ...lines,
    ...(consumer === undefined
      ? ['bus stream purge S --keep 1 --yes']
      : ['bus consumer reset S c --to 2 --yes', 'bus consumer replay S c']),
    ...(consumer === undefined ? ['bus stream info S'] : ['bus consumer info S c']),
  ]
  return all.map((line) => line.replaceAll(/\bS\b/g, stored).replaceAll(/\bs\./g, `${stored.toLowerCase()}.`))
}

const streamMeets = [
  'bus stream info S',
  'bus stream subjects S',
  "bus sub 's.>' --from first --end",
  'bus consumer replay S --dry-run',
  'bus consumer replay S --from -1 --json',
  'bus stream get S 2',
  'bus stream purge S',
]
const consumerMeets = [
  'bus consumer info S c',
  'bus consumer next S c --peek -n 2',
  'bus consumer replay S c --peek',
  'bus consumer reset S c --to 2',
  'bus consumer next S c -t 1s',
  "bus sub 's.>' --durable c -n 1 --for 1s",
]
