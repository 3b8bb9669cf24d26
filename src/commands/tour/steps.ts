/** What the tour plays, step by step. */

export interface Step {
  readonly title: string
  readonly args: readonly string[]
  /** Keeps running beside the next steps until `show` names it. */
  readonly background?: string
  /** What runs in the background under this name has ended now: its output is shown and checked against `shown`. */
  readonly show?: string
  readonly shown?: RegExp
  readonly stdout?: RegExp | undefined
  readonly exitCode?: number
  /** Ended with kill -9 after so many lines. */
  readonly crash?: {readonly as: string; readonly lines: number}
  /** What it writes, together with what the crashed one of this name wrote, has all these lines. */
  readonly completes?: {readonly crashed: string; readonly lines: readonly string[]}
  /** Left out on a bus that keeps no streams. */
  readonly needsStreams?: boolean
}

const events = Array.from({length: 20}, (_, i) => `{"n":${i + 1}}`)

export const steps: readonly Step[] = [
  {
    title: 'one terminal subscribes to every order and waits for two messages',
    args: ['sub', 'tour.orders.>', '--count', '2', '--raw'],
    background: 'subscriber',
  },
  {title: 'another terminal publishes one', args: ['pub', 'tour.orders.created', '{"id":1,"total":42}'], stdout: /^$/},
  {
    title: 'and one more; this is what the first terminal has seen',
    args: ['pub', 'tour.orders.paid', '{"id":1}'],
    stdout: /^$/,
    show: 'subscriber',
    shown: /^\{"id":1,"total":42\}\n\{"id":1\}\n$/,
  },
  {
    title: 'a service answers requests, with JSONata over the request',
    args: ['serve', 'tour.greet', '--expr', '"hello " & text'],
    background: 'service',
  },
  {title: 'a request gets its reply', args: ['req', 'tour.greet', 'world'], stdout: /^hello world\n$/},
  {
    title: 'a smoke check: the exit code says whether the reply is right',
    args: ['req', 'tour.greet', 'world', '--expect', 'text = "hello moon"'],
    stdout: /hello world/,
    exitCode: 9,
  },
  {
    title: 'a response stream: each line of a program is a frame as soon as it is there',
    args: ['serve', 'tour.countdown', '--stream', '--exec', '--', 'sh', '-c', 'for n in 3 2 1; do echo $n; done'],
    background: 'producer',
  },
  {
    title: 'who opens it sees the frames as they come, until the stream is closed',
    args: ['stream', 'open', 'tour.countdown', '--raw'],
    stdout: /^3\n2\n1\n$/,
  },
  {
    title: 'an RPC method, in the envelopes of Loom RPC',
    args: ['rpc', 'serve', 'tour', 'add', '--expr', 'json.a + json.b', '--instance', 'one'],
    background: 'method',
  },
  {
    title: 'a call shows the payload of the answer',
    args: ['rpc', 'call', 'tour', 'add', '{"a":1,"b":2}', '--instance', 'one'],
    stdout: /^3\n$/,
  },
  {
    title: 'a request that nobody serves fails at once, with an exit code of its own',
    args: ['req', 'tour.nobody', 'hello?'],
    stdout: /^$/,
    exitCode: 7,
  },
  {
    title: 'a stream keeps messages',
    args: ['stream', 'add', 'TOUR', 'tour.events', '--if-missing'],
    needsStreams: true,
  },
  {
    title: 'twenty of them, each acknowledged by the stream',
    args: ['pub', 'tour.events', '{"n":{n}}', '--template', '--count', '20', '--ack'],
    needsStreams: true,
  },
  {
    title: 'a durable consumer that is made only now still gets the first one',
    args: ['consumer', 'add', 'TOUR', 'late', '--ack-wait', '1s'],
    needsStreams: true,
  },
  {
    title: 'it is replayed at a pace, and crashes in the middle',
    args: ['consumer', 'replay', 'TOUR', 'late', '--raw', '--rate', '20/s'],
    crash: {as: 'crashed', lines: 5},
    needsStreams: true,
  },
  {
    title: 'resumed, it goes on with what was not acknowledged: nothing is lost',
    args: ['consumer', 'replay', 'TOUR', 'late', '--raw'],
    completes: {crashed: 'crashed', lines: events},
    needsStreams: true,
  },
  {
    title: 'and it is removed again',
    args: ['stream', 'rm', 'TOUR', '--yes'],
    needsStreams: true,
  },
]
