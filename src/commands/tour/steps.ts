/** The steps of the tour. */

export interface TourStep {
  readonly title: string
  readonly args: readonly string[]
  /** Runs in the background under this name until `show` names it. */
  readonly background?: string
  /** The background step with this name has ended now: its output is shown and checked against `shown`. */
  readonly show?: string
  readonly shown?: RegExp
  readonly stdout?: RegExp | undefined
  readonly exitCode?: number
  /** Ends with kill -9 after this many lines. */
  readonly crash?: {readonly as: string; readonly lines: number}
  /** Its output together with that of the crashed step with this name has all these lines. */
  readonly completes?: {readonly crashed: string; readonly lines: readonly string[]}
  /** Left out on a bus without streams. */
  readonly needsStreams?: boolean
}

const events = Array.from({length: 20}, (_, i) => `{"n":${i + 1}}`)

export const steps: readonly TourStep[] = [
  {
    title: 'one terminal subscribes to every order and waits for two messages',
    args: ['sub', 'tour.orders.>', '--count', '2', '--raw'],
    background: 'subscriber',
  },
  {
    title: 'another terminal publishes one message',
    args: ['pub', 'tour.orders.created', '{"id":1,"total":42}'],
    stdout: /^$/,
  },
  {
    title: 'and a second one; this is what the first terminal received',
    args: ['pub', 'tour.orders.paid', '{"id":1}'],
    stdout: /^$/,
    show: 'subscriber',
    shown: /^\{"id":1,"total":42\}\n\{"id":1\}\n$/,
  },
  {
    title: 'a service answers requests with a JSONata expression',
    args: ['serve', 'tour.greet', '--expr', '"hello " & text'],
    background: 'service',
  },
  {title: 'a request gets a reply', args: ['req', 'tour.greet', 'world'], stdout: /^hello world\n$/},
  {
    title: 'a smoke check: the exit code says whether the reply is as expected',
    args: ['req', 'tour.greet', 'world', '--expect', 'text = "hello moon"'],
    stdout: /hello world/,
    exitCode: 9,
  },
  {
    title: 'a response stream: each line that a program prints is sent as a frame immediately',
    args: ['serve', 'tour.countdown', '--stream', '--exec', '--', 'sh', '-c', 'for n in 3 2 1; do echo $n; done'],
    background: 'producer',
  },
  {
    title: 'a client that opens it sees the frames as they arrive, until the response stream is closed',
    args: ['stream', 'open', 'tour.countdown', '--raw'],
    stdout: /^3\n2\n1\n$/,
  },
  {
    title: 'an RPC method with Loom RPC envelopes',
    args: ['rpc', 'serve', 'tour', 'add', '--expr', 'json.a + json.b', '--instance', 'one'],
    background: 'method',
  },
  {
    title: 'a call prints the payload of the answer',
    args: ['rpc', 'call', 'tour', 'add', '{"a":1,"b":2}', '--instance', 'one'],
    stdout: /^3\n$/,
  },
  {
    title: 'a request that nobody serves fails immediately, with its own exit code',
    args: ['req', 'tour.nobody', 'hello?'],
    stdout: /^$/,
    exitCode: 7,
  },
  {
    title: 'a stream stores messages',
    args: ['stream', 'add', 'TOUR', 'tour.events', '--if-missing'],
    needsStreams: true,
  },
  {
    title: 'twenty messages, each acknowledged by the stream',
    args: ['pub', 'tour.events', '{"n":{n}}', '--template', '--count', '20', '--ack'],
    needsStreams: true,
  },
  {
    title: 'a durable consumer created afterwards still gets the first message',
    args: ['consumer', 'add', 'TOUR', 'late', '--ack-wait', '1s'],
    needsStreams: true,
  },
  {
    title: 'it is replayed at a steady rate, and the replay crashes halfway',
    args: ['consumer', 'replay', 'TOUR', 'late', '--raw', '--rate', '20/s'],
    crash: {as: 'crashed', lines: 5},
    needsStreams: true,
  },
  {
    title: 'the next replay resumes with the first unacknowledged message: nothing is lost',
    args: ['consumer', 'replay', 'TOUR', 'late', '--raw'],
    completes: {crashed: 'crashed', lines: events},
    needsStreams: true,
  },
  {
    title: 'finally the stream is removed',
    args: ['stream', 'rm', 'TOUR', '--yes'],
    needsStreams: true,
  },
]
