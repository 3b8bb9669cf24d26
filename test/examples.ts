/**
 * The documented examples, each with the setup that it needs: commands that run beside it or during it, and its expected
 * output. `test/side-by-side.test.ts` runs them on both buses.
 */
export interface Example {
  /** Command lines that run beside the example; each is live before the next starts. */
  readonly beside?: readonly string[]
  /** Command lines that run, one after the other, to their end while the example is live. */
  readonly meanwhile?: readonly string[]
  readonly files?: Readonly<Record<string, string>>
  /** Ctrl-C ends the example once this many lines are on its stdout, or in this file; otherwise it ends by itself. */
  readonly endsAfter?: number | readonly [lines: number, file: string]
  /** This program in the example's pipe is ended when all commands beside it have ended. */
  readonly endsWith?: string
  /** Exit code of the example; 0 by default. */
  readonly code?: number
  /** What the example, or a command beside it, must have written. */
  readonly sees: string | RegExp
  /** Text that differs from run to run. */
  readonly masks?: readonly (readonly [pattern: RegExp, text: string])[]
}

/** Commands whose examples `help-examples.test.ts` runs: some need no bus, others need files, a gateway or a second bus. */
export const hasTestsOfItsOwn = /^(context\b|check\b|events\b|doctor$|consumer:(replay|failed)$)/
/** Commands for servers only, whose examples `cluster-examples.test.ts` runs. */
export const needsCluster = /^(server\b|account\b|(stream|consumer):step-down$|stream:peer-rm$)/

const recorded = [
  {subject: 'orders.new', time: '2026-11-20T10:00:00.000000Z', json: {id: 1}},
  {subject: 'orders.paid', time: '2026-11-20T10:00:00.200000Z', headers: {Trace: 'a'}, text: 'paid'},
]
const records = recorded.map((record) => `${JSON.stringify(record)}\n`).join('')
const streamToken = [/response stream \w{8} on/g, 'response stream TOKEN on'] as const
const adder = `bus rpc serve math add --expr 'json.a + json.b' --instance one`
const orders = `bus serve orders.get got --service orders`
/** Ids and times of instances, and the space that they leave in a table. */
const instances = [
  [/[\da-f]{8}-[\da-f-]{27}/g, 'ID'],
  [/\d[\d.]* (µs|ms|s)( ago)?|just now/g, 'TIME'],
  [/"(ms|averageMs)":[\d.]+/g, '"$1":N'],
  [/"started":"[^"]*"/g, '"started":"TIME"'],
  [/ {2,}/g, '  '],
] as const
const clockText = /[A-Z][a-z]{2} [A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d \S+ \d{4}/g

const bytesASecond = [/[\d.]+ ([KMG]i)?B\/s/g, 'BYTES'] as const
/** Figures that depend on time: counts and rates. */
const figures = [/[\d,.]+ (published|answered|served)( · \d clients)? · [\d.]+ ([KMG]i)?B/g, 'N $1$2 · SIZE'] as const
const rows = [/^(pub,128,pub,1,10000,1280000),.*$/gm, '$1,FIGURES'] as const

/** The output of a replay until it crashes, and the messages that are redelivered after it. */
const replayed = [/^ *\{"n":\d+\}\n/gm, ''] as const

/** By the example's command line. */
export const examples: Readonly<Record<string, Example>> = {
  // pub
  [`bus pub orders.created '{"id":1}'`]: {
    beside: ['bus sub orders.created -n 1'],
    sees: 'orders.created {"id":1}',
  },
  'date | bus pub clock': {beside: ['bus sub clock -n 1'], sees: /20\d\d/, masks: [[clockText, 'DATE']]},
  'tail -f app.log | bus pub logs.app --lines': {
    files: {'app.log': 'one\ntwo\nthree\n'},
    beside: ['bus sub logs.app -n 3 --raw'],
    endsWith: 'tail',
    sees: 'one\ntwo\nthree\n',
  },
  [`bus pub 'orders.{random:1-9}' '{"id":{n},"at":"{time}"}' --template -n 1000 --rate 200/s`]: {
    beside: [`bus sub 'orders.*' -n 1000 -f '{subject} {json}\\n'`],
    sees: '"id":1000,',
    masks: [[/orders\.[1-9]/g, 'orders.N']],
  },
  'bus pub --records recording.ndjson --speed 1': {
    files: {'recording.ndjson': records},
    beside: [`bus sub 'orders.>' -n 2`],
    sees: 'Trace: a\n    paid\n',
  },

  // sub
  [`bus sub '>'`]: {
    beside: ['bus serve greet hi'],
    meanwhile: ['bus req greet hello', `bus pub orders.new '{"id":1}' -H 'Trace: a'`, 'bus pub empty ""'],
    endsAfter: 7,
    sees: '[4] ',
  },
  [`bus sub 'orders.*' -n 10 --for 1m`]: {
    meanwhile: [`bus pub orders.new '{"id":{n}}' --template -n 10`],
    sees: 'orders.new {"id":10}\n',
  },
  [`bus sub 'orders.>' --where 'json.total > 100'`]: {
    meanwhile: [`bus pub orders.new '{"total":99}'`, `bus pub orders.new '{"total":101}'`],
    endsAfter: 1,
    sees: '2 received · 1 kept',
  },
  [`bus sub orders.created -f '{json.user.id} {headers.Trace}'`]: {
    meanwhile: [`bus pub orders.created '{"user":{"id":7}}' -H 'Trace: a'`],
    endsAfter: 1,
    sees: '7 a\n',
  },
  'bus sub greet --pair': {
    beside: [`bus serve greet --expr '"hello " & text'`],
    meanwhile: ['bus req greet world'],
    endsAfter: 2,
    sees: /↳ .* hello world\n/,
  },
  [`bus sub 'orders.>' --json > recording.ndjson`]: {
    meanwhile: ['bus pub orders.new 1', 'bus pub orders.new two', 'bus pub --records recording.ndjson'],
    endsAfter: [4, 'recording.ndjson'],
    sees: '4 received',
  },

  // req
  'bus req time.now -t 2s': {beside: [`bus serve time.now 'half past two'`], sees: 'half past two\n'},
  [`bus req orders.get '{"id":1}' --expect 'json.id = 1' --expect 'ms < 100'`]: {
    beside: ['bus serve orders.get --echo'],
    sees: '{"id":1}\n',
  },
  'bus req health.ping --until-idle 300ms': {
    beside: ['bus serve health.ping ok --no-queue', 'bus serve health.ping ok --no-queue'],
    sees: 'ok\nok\n',
  },
  'bus req time.now -n 20000 -c 64': {
    beside: [`bus serve time.now 'half past two' > /dev/null`],
    sees: '20,000 requests · 20,000 ok · 0 failed',
  },

  // serve
  [`bus serve time.now 'half past two'`]: {meanwhile: ['bus req time.now ""'], endsAfter: 1, sees: 'half past two\n'},
  [`bus serve math.double --expr 'json.n * 2'`]: {
    meanwhile: [`bus req math.double '{"n":21}'`],
    endsAfter: 1,
    sees: '42\n',
  },
  'bus serve text.upper --exec -- tr a-z A-Z': {meanwhile: ['bus req text.upper hello'], endsAfter: 1, sees: 'HELLO\n'},
  'bus serve orders.get --echo --delay 50ms..200ms --fail 5%': {
    meanwhile: ['bus req orders.get "" -n 20 -c 20 2> /dev/null || true'],
    endsAfter: 20,
    sees: '20 served',
    masks: [
      [/→ 500 injected/g, '→ 0 B'],
      [/\d+ (failed|ok)( \(\d+ service errors\))?/g, 'N $1'],
    ],
  },
  'bus serve greet hello --service greeter --version 1.2.3': {
    meanwhile: ['bus req greet ""', `bus req '$SRV.STATS' --until-idle 300ms`],
    endsAfter: 1,
    sees: '"num_requests":1,"num_errors":0',
  },

  // Response streams
  'bus serve logs.app --stream --exec -- tail -f app.log': {
    files: {'app.log': 'one\ntwo\n'},
    meanwhile: ['bus stream open logs.app -n 2 --raw'],
    endsAfter: 0,
    sees: 'one\ntwo\n',
    masks: [streamToken],
  },
  'bus stream open logs.app': {
    beside: [`bus serve logs.app --stream --exec -- printf 'one\\ntwo\\n'`],
    sees: / one\n.* two\n/,
    masks: [streamToken],
  },
  [`bus stream open jobs.watch '{"job":7}' --json --idle 10s`]: {
    beside: ['bus serve jobs.watch --stream --exec -- cat'],
    sees: /"json":\{"job":7\},"responseStream":"\w{8}","frame":1\}\n.*"close":\{"code":1000,"name":"normal","text":""\}\}\n/,
    masks: [streamToken, [/"responseStream":"\w{8}"/g, '"responseStream":"TOKEN"']],
  },
  'bus stream open ticks --open 100 --raw': {
    beside: ['bus serve ticks tick --stream -n 2'],
    sees: '200 frames · 100 response streams · 100 × close 1000 (normal)',
  },

  // bench
  'bus bench pub --msgs 20000 --with-sub': {
    sees: /^pub: 20,000 published · 2\.4 MiB .*\np50 .*\nsub: 20,000 received · 2\.4 MiB .*\np50 .* · p99\.99 /,
    masks: [bytesASecond],
  },
  'bus bench pub load --clients 4 --rate 2000/s --for 2s': {
    sees: /^pub: [\d,]+ published · 4 clients · /,
    masks: [bytesASecond, figures],
  },
  'bus bench pub --msgs 10000 --csv': {sees: /^bench,size,role,clients,/, masks: [rows]},
  'bus bench sub load --msgs 1000': {
    meanwhile: ['bus bench pub load --msgs 1000 --size 16'],
    sees: 'sub: 1,000 received · 15.6 KiB',
    masks: [bytesASecond],
  },
  'bus bench req --msgs 5000 --window 64 --with-serve': {
    sees: /^req: 5,000 answered · 625 KiB .*\np50 .*\nserve: 5,000 served · 625 KiB /,
    masks: [bytesASecond],
  },
  'bus bench req orders.get --rate 500/s --for 1s': {
    beside: ['bus serve orders.get --echo > /dev/null'],
    sees: /^req: \d+ answered · /m,
    masks: [bytesASecond, figures, [/\d+ served/g, 'N served']],
  },
  'bus bench serve load --msgs 1000': {
    meanwhile: ['bus bench req load --msgs 1000 --window 16'],
    sees: 'serve: 1,000 served · 125 KiB',
    masks: [bytesASecond],
  },
  'bus bench open --msgs 200 --frames 100 --with-serve': {
    sees: /^open: 200 response streams read · 2\.4 MiB .*\np50 .*\nserve: 200 served · 2\.4 MiB /,
    masks: [bytesASecond],
  },
  'bus bench rpc --msgs 2000 --window 16 --with-serve': {
    sees: /^rpc: 2,000 calls answered .*\np50 .*\nserve: 2,000 served /,
    masks: [bytesASecond],
  },

  // RPC methods
  [`bus rpc call math add '{"a":1,"b":2}' --instance one`]: {beside: [adder], sees: '3\n'},
  [`bus rpc call loom.rpc.math.one.add '{"a":1,"b":2}'`]: {beside: [adder], sees: '3\n'},
  'bus rpc call math ping --all': {
    beside: ['bus rpc serve math ping 1 --instance one', 'bus rpc serve math ping 1 --instance two'],
    sees: '1\n1\n',
  },
  [`bus rpc call math add '{"a":1,"b":2}' --any --expect 'json = 3'`]: {beside: [adder], sees: '3\n'},
  [`bus rpc serve math add --expr 'json.a + json.b' --instance one`]: {
    meanwhile: [`bus rpc call math add '{"a":1,"b":2}' --instance one`],
    endsAfter: 1,
    sees: '3\n',
  },
  'bus rpc serve text upper --exec -- tr a-z A-Z': {
    meanwhile: [`bus rpc call text upper '"hello"' --any`],
    endsAfter: 1,
    sees: '"HELLO"\n',
  },
  'bus rpc ls': {beside: [adder], sees: /math +add +one +/},
  'bus rpc ls --watch --for 1m': {beside: [adder], endsAfter: 1, sees: 'math add one'},

  // NATS services
  'bus service ls': {beside: [orders], sees: /^orders .*\b1 +0 +0\b/m, masks: instances},
  'bus service ls --json': {beside: [orders], sees: '"subject":"orders.get"', masks: instances},
  'bus service info orders': {beside: [orders], sees: /^endpoint default +orders\.get/m, masks: instances},
  'bus service ping': {beside: [orders], sees: /^orders +0\.0\.0 /m, masks: instances},
  'bus service ping orders': {beside: [orders], sees: /^orders +0\.0\.0 /m, masks: instances},
  'bus service stats': {beside: [orders], sees: /^orders .* default +orders\.get +0 +0$/m, masks: instances},
  'bus service stats orders --watch --every 2s': {
    beside: [orders],
    endsAfter: 2,
    sees: /^orders .* default +orders\.get +0 +0$/m,
    masks: instances,
  },
  [`bus service req orders '{"id":1}'`]: {beside: [orders], sees: 'got\n'},
  [`bus service req orders '{"id":1}' --endpoint default`]: {beside: [orders], sees: 'got\n'},

  // tour
  'bus tour': {sees: 'hello world', masks: [replayed]},
  'bus tour --pause': {sees: 'hello world', masks: [replayed]},
}

/** Failures, which no example shows: the same sentences and exit codes on both buses. */
export const failures: Readonly<Record<string, Example>> = {
  'bus req nobody.here ""': {code: 7, sees: 'bus: nobody serves "nobody.here"'},
  'bus req nobody.here "" --until-idle 100ms --json': {code: 7, sees: '"kind":"noResponders"'},
  'bus req mute "" -t 300ms': {beside: ['bus sub mute -n 1 --subjects-only'], code: 6, sees: 'bus: no reply on "mute"'},
  'bus req mute "" --replies 2 -t 500ms': {beside: ['bus serve mute x'], code: 6, sees: 'only 1 of 2 replies'},
  'bus req broken ""': {beside: ['bus serve broken x --fail 100%'], code: 8, sees: 'error 500: injected'},
  [`bus req time.now "" --expect 'text = "noon"'`]: {beside: ['bus serve time.now midnight'], code: 9, sees: 'noon'},
  'bus stream open nobody.here': {code: 7, sees: 'bus: nobody serves "nobody.here"', masks: [streamToken]},
  'bus stream open broken --raw': {
    beside: [`bus serve broken --stream --exec -- sh -c 'echo one; echo "disk full" >&2; exit 3'`],
    code: 8,
    sees: 'bus: the response stream of "broken" ended: nats stream: close 5000 (internal server error): disk full',
    masks: [streamToken],
  },
  'bus rpc call math add 1 --instance none': {code: 7, sees: 'bus: nobody serves "loom.rpc.math.none.add"'},
  'bus rpc call math add 1': {beside: [adder], code: 2, sees: 'a wildcard subject is not expanded; instances: one'},
  'bus rpc call math add 1 --instance one': {
    beside: ['bus rpc serve math add x --fail 100% --instance one'],
    code: 8,
    sees: '"loom.rpc.math.one.add" answered with an error: injected',
  },
  'bus sub quiet -n 2 --for 1500ms': {meanwhile: ['bus pub quiet x'], code: 6, sees: 'got 1 of 2 messages'},
  'bus serve quiet x -n 2 --idle 300ms': {code: 6, sees: 'only 0 of 2 requests'},
  [`bus pub 'orders.*' x`]: {code: 2, sees: 'has wildcard "*" at position 8'},
  'bus sub a..b': {code: 2, sees: 'an empty token at position 3'},
  'bus pub a b --context none': {code: 5, sees: 'bus: '},
}
