/** The documented examples of stored messages, like `examples.ts`; on NATS each has its own server with JetStream. */
import type {Example} from './examples.ts'

export interface StoredExample extends Example {
  /** Command lines that run to their end, one after the other, before the example. */
  readonly before: readonly string[]
  /** The oldest server that has what it shows. */
  readonly since?: readonly [major: number, minor: number]
}

const stream = `bus stream add ORDERS 'orders.>'`
const orders = [stream, `bus pub orders.new '{"id":{n}}' --template -n 3 --ack`, 'bus pub orders.7.paid paid --ack']
const billing = [...orders, 'bus consumer add ORDERS billing']
const config = [
  'bus kv add config --history 5',
  'bus kv put config log.level info',
  'bus kv put config log.level warn',
  'bus kv put config log.file a.log',
  'bus kv put config color red',
]
const exported = '{"key":"color","text":"blue"}\n{"key":"size","json":7}\n'
const builds = [
  'bus object add builds',
  'printf built | bus object put builds - --name app.tar --quiet',
  'mkdir src; tar c src | bus object put builds - --name src.tar --quiet',
]
const objectId = [/^(id +)\w{22}$/gm, '$1ID'] as const
const ago = [/just now|\d[\d.]* (ms|s) ago/g, 'AGO'] as const
/** Each bus counts the bytes of a stream differently. */
const size = [/ +(\d[\d.]* (Ki)?B|size)/g, ' SIZE'] as const

const took = [/(?<=· )\d[\d.,]* (µs|ms|s)$/gm, 'TIME'] as const
const bytesASecond = [/[\d.]+ ([KMG]i)?B\/s/g, 'BYTES'] as const

/** By the example's command line. */
export const storedExamples: Readonly<Record<string, StoredExample>> = {
  // pub
  [`bus pub orders.created '{"id":1}' --ack --msg-id order-1`]: {
    before: [stream, `bus pub orders.created '{"id":1}' --ack --msg-id order-1`],
    sees: 'already stored: this message id is #1 of ORDERS\n',
  },
  [`bus pub orders.created --lines --file orders.txt --ack --template --msg-id 'orders-{n}'`]: {
    before: [stream],
    files: {'orders.txt': 'one\ntwo\nthree\n'},
    sees: '3 acknowledged · 11 B · last is #3 of ORDERS',
  },
  'bus pub orders.created --lines --file orders.txt --batch': {
    since: [2, 12],
    before: [`${stream} --allow-atomic`],
    files: {'orders.txt': 'one\ntwo\nthree\n'},
    sees: '3 stored together · 11 B · last is #3 of ORDERS',
  },

  // who
  'bus who orders.created': {
    before: [...billing, 'bus consumer add ORDERS paid --filter orders.*.paid'],
    beside: ['bus serve orders.created ok'],
    sees: /^consumer +ORDERS\/billing +lag 4$/m,
    masks: [[/(nats\.js|process) .*$/gm, 'CLIENT']],
  },
  [`bus who 'orders.>' --json`]: {
    before: billing,
    sees: '"consumer":"billing","filters":[],"durable":true,"pending":4,',
  },

  // advisories
  'bus advisories --kind max-deliver --kind terminated': {
    since: [2, 11],
    before: billing,
    meanwhile: ['bus consumer replay ORDERS billing -n 1 --on-error term --exec -- false || true'],
    endsAfter: 1,
    sees: 'terminated ORDERS/billing #1 · 1 delivery · false exited with 1',
  },
  'bus advisories --from first -n 10': {
    since: [2, 11],
    before: [
      ...[...billing, `bus stream add FAILED '$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.ORDERS.>'`],
      'bus consumer replay ORDERS billing -n 1 --on-error term --exec -- false || true',
    ],
    endsAfter: 1,
    sees: 'terminated ORDERS/billing #1 · 1 delivery',
  },

  // trace
  [`bus trace orders.created '{"id":1}'`]: {
    since: [2, 11],
    before: [...billing, 'bus consumer add ORDERS paid --filter orders.*.paid'],
    beside: ['bus serve orders.created ok --no-queue'],
    sees: '├─ stream ORDERS\n│  └─ consumer billing · lag 4\n└─ subscriber bus serve · orders.created',
    masks: [[/ · process \d+/g, '']],
  },
  [`bus trace orders.created '{"id":1}' --deliver`]: {
    since: [2, 11],
    before: [stream],
    beside: ['bus serve orders.created ok --no-queue'],
    sees: 'no reply wanted',
    masks: [[/ · process \d+/g, '']],
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
  'bus stream edit ORDERS --max-age 14d --dry-run': {
    before: orders,
    code: 9,
    sees: '- max-age none\n+ max-age 14d\nbus: stream ORDERS would change: max-age\n',
  },
  [`bus stream edit ORDERS 'orders.>' refunds --unset max-msgs`]: {
    before: [`${stream} --max-msgs 9`],
    sees: '- max-msgs 9\n+ max-msgs none\n',
  },
  'bus stream edit ORDERS -i': {before: orders, code: 2, sees: 'bus: an editor needs a terminal\n'},
  'bus stream backup ORDERS orders.zst': {
    before: billing,
    sees: 'saved 4 messages and 1 consumer of ORDERS in orders.zst · ',
    masks: [took],
  },
  'bus stream backup --all bus.zst': {
    before: [...orders, 'bus stream add PAID'],
    sees: 'saved 4 messages of ORDERS, PAID in bus.zst · ',
    masks: [took],
  },
  'bus stream backup --verify orders.zst': {
    before: [...orders, 'bus stream backup ORDERS orders.zst --quiet'],
    sees: 'orders.zst is complete: 4 messages of ORDERS\n',
  },
  'bus stream restore orders.zst': {
    before: [...billing, 'bus stream backup ORDERS orders.zst --quiet', 'bus stream rm ORDERS --yes --quiet'],
    sees: 'restored ORDERS: 4 messages · consumers billing\n',
  },
  'bus stream restore orders.zst --as OLD --prefix old.': {
    before: [...orders, 'bus stream backup ORDERS orders.zst --quiet'],
    sees: 'restored OLD: 4 messages\n',
  },
  [`bus stream copy ORDERS TEST 'test.orders.>'`]: {
    before: orders,
    sees: 'stream TEST has the configuration of ORDERS and stores test.orders.>\n',
  },
  [`bus stream copy ORDERS TEST 'test.orders.>' --max-age 1h`]: {before: orders, sees: 'stores test.orders.>\n'},
  'bus stream report': {
    before: billing,
    sees: /^ORDERS +4 .* 1 +4 +0 /m,
    masks: [ago, size, [/ +last message/g, ' last message']],
  },
  'bus stream report --sort bytes': {
    before: billing,
    sees: /^ORDERS +4 /m,
    masks: [ago, size, [/ +last message/g, ' last message']],
  },
  'bus stream report --sort growth --watch --every 2s': {
    before: billing,
    endsAfter: 2,
    sees: /^stream +messages +size +growth /m,
    masks: [ago, size, [/ +last message/g, ' last message']],
  },
  'bus consumer report': {before: billing, sees: /^ORDERS +billing +4 +0 +0 +never/m},
  'bus consumer report ORDERS --sort growth': {before: billing, sees: /^ORDERS +billing +4 +0\/s +0 +0 +never/m},
  'bus consumer report --watch --every 2s': {
    before: billing,
    endsAfter: 2,
    sees: /^stream +consumer +lag +growth +ack pending /m,
  },
  'bus stream grep ORDERS refund -n 1': {
    before: [...orders, 'bus pub orders.new "refund {n}" --template -n 2 --ack'],
    sees: /^#6 \S+ orders\.new refund 2\n.*1 match among 1 message/m,
    masks: [[/ · .*/g, '']],
  },
  [`bus stream grep ORDERS 'paid|refund' -C 1`]: {
    before: orders,
    sees: /orders\.7\.paid paid\n#3 .* orders\.new \{"id":3\}\n/,
    masks: [[/ · .*/g, '']],
  },
  [`bus stream grep ORDERS --where 'json.id > 1' --filter orders.new`]: {
    before: orders,
    sees: /\{"id":3\}\n.*\{"id":2\}\n/,
    masks: [[/ · .*/g, '']],
  },
  'bus stream grep ORDERS refund --from @-1h --total': {
    before: [...orders, 'bus pub orders.new "refund {n}" --template -n 2 --ack'],
    sees: '2\n',
  },
  'bus apply bus.yaml --dry-run': {
    before: [stream],
    files: {'bus.yaml': 'streams:\n  ORDERS: {subjects: [orders.>], maxMsgs: 9}\n'},
    code: 9,
    sees: '  stream ORDERS\n- max-msgs none\n+ max-msgs 9\nbus: 1 change would be made\n',
  },
  'bus apply bus.yaml --bus test.db --skip-unsupported': {
    before: [],
    files: {'bus.yaml': 'streams:\n  ORDERS: {subjects: [orders.>], replicas: 3}\n'},
    sees: 'made 1 change\n',
  },
  'bus apply --schema > bus.schema.json': {before: [], sees: ''},
  'bus export > bus.yaml': {before: billing, sees: ''},
  'bus export | bus apply - --dry-run': {before: billing, sees: 'everything is as described\n'},
  'bus stream diff orders.zst ORDERS': {
    before: [...orders, 'bus stream backup ORDERS orders.zst --quiet', 'bus pub orders.new x --ack'],
    code: 9,
    sees: '1 only in the second',
  },
  'bus stream diff ORDERS --to-bus copy.db --fix': {
    before: [...orders, 'bus consumer replay ORDERS --into copy.db --create --quiet', 'bus pub orders.new x --ack'],
    sees: 'copied 1 message to ORDERS of sqlite:copy.db\n',
  },
  'bus stream rmm ORDERS 1 --yes': {before: orders, sees: 'erased #1 of stream ORDERS\n'},
  'bus stream seal ORDERS --yes': {before: orders, sees: 'sealed stream ORDERS\n'},
  'bus consumer edit ORDERS billing --ack-wait 2m --dry-run': {
    before: billing,
    code: 9,
    sees: '- ack-wait 30s\n+ ack-wait 2m\n',
  },
  [`bus consumer edit ORDERS billing --filter 'orders.new' --unset max-deliver`]: {
    before: [...orders, 'bus consumer add ORDERS billing --max-deliver 3'],
    sees: 'changed consumer billing of ORDERS\n',
  },
  'bus consumer pause ORDERS billing --for 1h': {
    since: [2, 11],
    before: billing,
    sees: 'consumer billing of ORDERS is paused until ',
    masks: [[/until .*/g, 'until TIME']],
  },
  'bus consumer pause ORDERS billing --until 2030-01-01T06:00Z': {
    since: [2, 11],
    before: billing,
    sees: 'consumer billing of ORDERS is paused until 2030-01-01T06:00:00.000Z',
    masks: [[/ \(in .*\)/g, '']],
  },
  'bus consumer resume ORDERS billing': {
    since: [2, 11],
    before: [...billing, 'bus consumer pause ORDERS billing --for 1h'],
    sees: 'consumer billing of ORDERS delivers again and has a lag of ',
  },
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

  // kv
  'bus kv add config --history 5': {before: [], sees: 'bucket config is ready\n'},
  'bus kv add sessions --ttl 1h --if-missing': {before: [], sees: 'bucket sessions is ready\n'},
  'bus kv ls': {before: config, sees: /\nconfig +3 +4 /, masks: [ago, size]},
  'bus kv ls config': {before: config, sees: /\nlog\.level +#2 +4 B +/, masks: [ago]},
  [`bus kv ls config 'log.>' --json | jq -r '.[].key'`]: {before: config, sees: 'log.file\nlog.level\n'},
  'bus kv info config': {before: config, sees: /^history +5 changes$/m, masks: [ago, size]},
  'bus kv info config --json': {
    before: config,
    sees: '"stream":"KV_config"',
    masks: [[/^\{"bucket".*$/gm, 'DOCUMENT']],
  },
  'bus kv get config log.level': {before: config, sees: /warn$/},
  'bus kv get config log.level --revision 1': {before: config, sees: /info$/},
  [`bus kv get config 'log.>' --json`]: {before: config, sees: '"key":"log.file","revision":3,'},
  'bus kv put config log.level debug': {before: config, sees: 'set log.level in config, revision 5\n'},
  'bus kv put config tls.ca --file ca.pem': {
    before: config,
    files: {'ca.pem': 'a certificate\n'},
    sees: 'set tls.ca in config, revision 5\n',
  },
  'date | bus kv put config last.deploy': {before: config, sees: 'set last.deploy in config, revision 5\n'},
  'bus kv create config log.level info': {
    before: ['bus kv add config'],
    sees: 'created log.level in config, revision 1\n',
  },
  'bus kv create locks deploy "$HOSTNAME"': {
    before: ['bus kv add locks'],
    sees: 'created deploy in locks, revision 1\n',
  },
  'bus kv update config log.level warn --revision 1': {
    before: config.slice(0, 2),
    sees: 'updated log.level in config, revision 2\n',
  },
  'bus kv del config log.level': {before: config, sees: 'deleted 1 key of config\n'},
  'bus kv del config log.level --revision 1': {before: config.slice(0, 2), sees: 'deleted 1 key of config\n'},
  [`bus kv del config 'log.>' --yes`]: {before: config, sees: 'deleted 2 keys of config\n'},
  'bus kv purge config log.level': {before: config, sees: 'purged 1 key of config\n'},
  [`bus kv purge config 'log.>' --yes`]: {before: config, sees: 'purged 2 keys of config\n'},
  'bus kv history config log.level': {before: config, sees: /log\.level info\n.*log\.level warn\n/},
  [`bus kv history config '>' --json`]: {before: config, sees: '"key":"color","revision":4,'},
  'bus kv watch config': {
    before: config,
    meanwhile: ['bus kv put config color blue'],
    endsAfter: 4,
    sees: 'color blue\n',
  },
  [`bus kv watch config 'log.>' --new -n 1 --for 1m`]: {
    before: config,
    meanwhile: ['bus kv put config color blue', 'bus kv del config log.level'],
    sees: 'log.level (deleted)\n',
  },
  'bus kv watch config --json': {before: config, endsAfter: 3, sees: '"key":"color","revision":4,'},
  'bus kv export config > config.ndjson': {before: config, sees: '3 keys of config\n'},
  [`bus kv export config 'log.>' | jq -r '.key + "=" + .text'`]: {
    before: config,
    sees: 'log.level=warn\nlog.file=a.log\n',
  },
  'bus kv import config config.ndjson': {
    before: config,
    files: {'config.ndjson': exported},
    sees: 'imported 2 changes into config\n',
  },
  'bus kv import config config.ndjson --dry-run': {
    before: config,
    files: {'config.ndjson': exported},
    code: 9,
    sees: '~ color\n+ size\nbus: 2 keys of config would change\n',
  },
  [`echo '{"key":"log.level","text":"info"}' | bus kv import config`]: {
    before: config,
    sees: 'imported 1 change into config\n',
  },
  'bus kv rm config --yes': {
    before: config,
    sees: /removed bucket config with 3 keys \(.* B\)\n/,
    masks: [[/\(\d+ B\)/g, 'SIZE']],
  },

  // object
  'bus object add builds --max-bytes 10GiB': {before: [], sees: 'object bucket builds is ready\n'},
  'bus object add reports --ttl 7d --if-missing': {before: [], sees: 'object bucket reports is ready\n'},
  'bus object ls': {before: builds, sees: /\nbuilds +/, masks: [ago, size]},
  'bus object ls builds': {before: builds, sees: /\napp\.tar +5 B +/, masks: [ago]},
  [`bus object ls builds --json | jq -r '.[].name'`]: {before: builds, sees: 'app.tar\nsrc.tar\n'},
  'bus object info builds': {before: builds, sees: /^stream +OBJ_builds$/m, masks: [ago, size]},
  'bus object info builds app.tar': {before: builds, sees: /^chunks +1$/m, masks: [ago, objectId]},
  'bus object info builds app.tar --json | jq -r .digest': {before: builds, sees: /^SHA-256=\S{43}=$/m},
  'bus object put builds app.tar': {
    before: ['bus object add builds'],
    files: {'app.tar': 'built'},
    sees: 'stored app.tar in builds · 5 B',
    masks: [bytesASecond],
  },
  'tar c src | bus object put builds - --name src.tar': {
    before: ['bus object add builds', 'mkdir src'],
    sees: 'stored src.tar in builds · 10 KiB',
    masks: [bytesASecond],
  },
  'bus object get builds app.tar --output app.tar': {before: builds, sees: 'wrote app.tar to app.tar · 5 B'},
  'bus object get builds src.tar | tar t': {before: builds, sees: 'src/\n'},
  'bus object rm builds app.tar': {before: builds, sees: 'deleted 1 object of builds\n'},
  'bus object rm builds --yes': {
    before: builds,
    sees: /removed object bucket builds with .*B\n/,
    masks: [[/with \d.*B$/gm, 'with SIZE']],
  },
  'bus object watch builds': {before: builds, endsAfter: 2, sees: 'src.tar 10 KiB\n'},
  'bus object watch builds --new -n 1 --for 1m': {
    before: builds,
    meanwhile: ['bus object rm builds app.tar'],
    sees: 'app.tar deleted\n',
  },

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
