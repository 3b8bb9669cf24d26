/** The documented examples of stored messages, like `examples.ts`; on NATS each has its own server with JetStream. */
import type {Example} from './examples.ts'

export interface StoredExample extends Example {
  /** Command lines that run to their end, one after the other, before the example. */
  readonly before: readonly string[]
}

const stream = `bus stream add ORDERS 'orders.>'`
const orders = [stream, `bus pub orders.new '{"id":{n}}' --template -n 3 --ack`, 'bus pub orders.7.paid paid --ack']
const billing = [...orders, 'bus consumer add ORDERS billing']
const ago = [/just now|\d[\d.]* (ms|s) ago/g, 'AGO'] as const
/** Each bus counts the bytes of a stream differently. */
const size = [/ +(\d[\d.]* (Ki)?B|size)/g, ' SIZE'] as const

const bytesASecond = [/[\d.]+ ([KMG]i)?B\/s/g, 'BYTES'] as const

/** By the example's command line. */
export const storedExamples: Readonly<Record<string, StoredExample>> = {
  // pub
  [`bus pub orders.created '{"id":1}' --ack --msg-id order-1`]: {
    before: [stream, `bus pub orders.created '{"id":1}' --ack --msg-id order-1`],
    sees: 'stored 8 B as #1 of ORDERS\nalready stored: this message id is #1 of ORDERS\n',
  },
  [`bus pub orders.created --lines --file orders.txt --ack --template --msg-id 'orders-{n}'`]: {
    before: [stream],
    files: {'orders.txt': 'one\ntwo\nthree\n'},
    sees: '3 acknowledged · 11 B · last is #3 of ORDERS',
  },

  // sub
  [`bus sub 'orders.>' --from @-1h`]: {
    before: orders,
    meanwhile: ['bus pub orders.new last'],
    endsAfter: 5,
    sees: 'orders.7.paid paid\n#5 ',
    masks: [[/at @\S+/g, 'at TIME']],
  },
  [`bus sub 'orders.>' --from @-1h --to @-30m --json`]: {
    before: orders,
    sees: '0 received',
    masks: [[/at @\S+/g, 'at TIME']],
  },

  [`bus sub 'orders.>' --durable billing --create`]: {
    before: [...orders, `bus sub 'orders.>' --durable billing --create -n 2 --raw`],
    meanwhile: ['bus pub orders.new last --ack'],
    endsAfter: 3,
    sees: /listening on orders\.> as consumer billing of ORDERS, 2 pending\n[\s\S]*3 received/,
  },

  // stream
  [`bus stream add ORDERS 'orders.>' --max-age 7d`]: {before: [], sees: 'stream ORDERS stores orders.>\n'},
  [`bus stream add STATE 'device.*.state' --max-msgs-per-subject 1 --if-missing`]: {
    before: [],
    sees: 'stream STATE stores device.*.state\n',
  },
  'bus stream ls': {before: orders, sees: /\nORDERS +orders\.> +4 /, masks: [ago, size]},
  'bus stream ls --json > streams.json': {before: orders, sees: ''},
  'bus stream info ORDERS': {before: orders, sees: /^messages +4$/m, masks: [ago, size]},
  'bus stream info ORDERS --json': {
    before: orders,
    sees: '"subjects":["orders.>"]',
    // The order of members is not guaranteed.
    masks: [[/^\{"id":.*$/gm, 'DOCUMENT']],
  },
  'bus stream subjects ORDERS': {before: orders, sees: '       1  orders.7.paid\n       3  orders.new\n'},
  [`bus stream subjects ORDERS 'orders.*.paid'`]: {before: orders, sees: '       1  orders.7.paid\n'},
  'bus stream get ORDERS 1042': {
    before: [stream, 'bus pub orders.new "message {n}" --template -n 1042 --ack'],
    sees: 'message 1042\n',
  },
  [`bus stream get ORDERS --last-for 'orders.*.paid' --json`]: {before: orders, sees: '"text":"paid"'},
  'bus stream purge ORDERS --keep 1000': {before: orders, code: 2, sees: 'pass --yes', masks: [size]},
  'bus stream purge ORDERS --filter orders.test --yes': {
    before: [...orders, 'bus pub orders.test 1 --ack -n 2'],
    sees: 'removed 2 messages from stream ORDERS\n',
  },
  'bus stream rm ORDERS --yes': {
    before: billing,
    sees: /removed stream ORDERS with 4 messages \(.* B\) and 1 consumer\n/,
    masks: [[/\(\d+ B\)/g, 'SIZE']],
  },

  // consumer
  'bus consumer add ORDERS billing': {before: orders, sees: 'consumer billing has 4 pending in ORDERS\n'},
  [`bus consumer add ORDERS audit --filter 'orders.*.paid' --deliver @-1h`]: {
    before: orders,
    sees: 'consumer audit has 1 pending in ORDERS and starts with the first message after #0\n',
  },
  'bus consumer add ORDERS mailer --max-deliver 5 --backoff 1s,5s,30s --if-missing': {
    before: orders,
    sees: 'consumer mailer has 4 pending in ORDERS\n',
  },
  'bus consumer ls': {before: billing, sees: /\nORDERS +billing +4 +0 +0 +#0 +#1 +never\n/},
  'bus consumer ls ORDERS --json': {before: billing, sees: '"lag":4', masks: [[/^\[\{"stream".*$/gm, 'DOCUMENT']]},
  'bus consumer info ORDERS billing': {before: billing, sees: /^lag +4$/m, masks: [ago]},
  'bus consumer info ORDERS billing --json': {
    before: billing,
    sees: '"lag":4',
    masks: [[/^\{"stream".*$/gm, 'DOCUMENT']],
  },
  'bus consumer rm ORDERS billing --yes': {before: billing, sees: 'removed consumer billing of stream ORDERS\n'},
  'bus consumer reset ORDERS billing --to first': {before: billing, code: 2, sees: 'pass --yes'},
  'bus consumer reset ORDERS billing --to @-15m --yes': {
    before: [...billing, 'bus consumer next ORDERS billing -n 4'],
    sees: 'lag 0 → 4\n',
  },
  'bus consumer next ORDERS billing': {before: billing, sees: 'orders.new {"id":1}\n1 acknowledged · 3 pending\n'},
  'bus consumer next ORDERS billing --peek -n 10': {before: billing, code: 6, sees: 'has only 4 of 10'},
  'bus consumer next ORDERS billing -n 100 --json > batch.ndjson': {
    before: [...billing, 'bus pub orders.new {n} --template -n 96 --ack'],
    sees: '100 acknowledged · 0 pending\n',
  },
  'bus consumer next ORDERS billing --nak --delay 30s': {before: billing, sees: '1 returned · 3 pending\n'},

  // bench
  'bus bench replay --msgs 10000': {before: [], sees: 'replay: 10,000 replayed · 1.2 MiB', masks: [bytesASecond]},
  'bus bench replay --durable worker --msgs 10000': {
    before: [],
    sees: 'replay: 10,000 replayed · 1.2 MiB',
    masks: [bytesASecond],
  },
  'bus bench replay ORDERS --clients 2': {
    before: orders,
    sees: 'replay: 8 replayed · 2 clients · ',
    masks: [bytesASecond],
  },
}

/** Failures: the same exit codes on both buses, and sentences that name the same things. */
export const storedFailures: Readonly<Record<string, StoredExample>> = {
  'bus pub orders.new x --ack --expect-last-seq 77': {before: orders, code: 8, sees: 'wrong last sequence: 4'},
  'bus pub nobody.keeps x --ack': {before: orders, code: 5, sees: 'no stream'},
  'bus pub orders.new --size 2KiB --ack --json': {
    before: [`${stream} --max-msg-size 1KiB`],
    code: 8,
    sees: '"code":10054',
  },
  [`bus sub 'payments.>' --from first`]: {before: orders, code: 5, sees: 'no stream stores payments.>'},
  [`bus stream add PAID 'orders.*.paid'`]: {before: orders, code: 2, sees: 'ORDERS'},
  [`bus stream add ORDERS 'orders.>' --max-msgs 5`]: {before: orders, code: 2, sees: 'ORDERS'},
  'bus stream info NONE': {before: orders, code: 5, sees: 'NONE'},
  'bus consumer info ORDERS none': {before: orders, code: 5, sees: 'none'},
  'bus consumer add ORDERS billing --ack all': {before: billing, code: 2, sees: 'billing'},
  'bus consumer next ORDERS billing -n 5 -t 500ms': {before: billing, code: 6, sees: 'had only 4 of 5 messages'},
}
