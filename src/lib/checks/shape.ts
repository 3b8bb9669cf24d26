/**
 * The format of a check file: one source for its types, its validation and the JSON Schema for editors (`bus check
 * --schema`). Nothing is transformed here: a duration stays `2s` until it is used, so that the schema describes the file
 * as written.
 */
import * as z from 'zod'

const duration = z
  .string()
  .regex(/^(\d+(\.\d+)?(us|ms|s|m|h|d))+$/, 'is not a duration such as 100ms, 5s or 1m30s')
  .meta({description: 'a duration: 100ms, 5s, 1m30s'})
const whole = z.int('is not a whole number').min(0, 'is below 0')
const several = z.int('is not a whole number').min(1, 'is below 1')
const text = z.string()
const scalar = z.union([z.string(), z.number(), z.boolean()])
const jsonata = (description: string) =>
  z
    .string()
    .min(1, 'is empty')
    .meta({description: `${description} (JSONata)`})
const anyJson = z.json().meta({description: 'any JSON value; {name} in its strings is replaced'})

const headers = z
  .record(z.string(), z.union([scalar, z.array(scalar)]))
  .meta({description: 'header lines; a list of values repeats the name'})
const body = {
  body: text.optional().meta({description: 'the payload as text'}),
  json: anyJson.optional().meta({description: 'the payload as JSON'}),
  base64: text.optional().meta({description: 'the payload in base64'}),
  file: text.optional().meta({description: 'a file with the payload; the path is relative to the check file'}),
}
const subject = text.min(1, 'is empty').meta({description: 'a subject; {name} is replaced'})
const within = duration
  .optional()
  .meta({description: 'how long to wait (default: the "within" of the file, else --timeout)'})

/** Allows the short form `req: orders.get` for a subject or name alone. */
const short = <S extends z.ZodType>(shape: S) => z.union([text.min(1, 'is empty'), shape])

const req = z.strictObject({
  subject,
  ...body,
  headers: headers.optional(),
  within,
  replies: several.optional().meta({description: 'how many replies to expect'}),
  'until-idle': duration.optional().meta({description: 'collect replies until none has arrived for this long'}),
  'until-empty': z.boolean().optional().meta({description: 'collect replies until an empty one'}),
})

const rpc = z
  .strictObject({
    subject: subject.optional(),
    service: text.optional(),
    method: text.optional(),
    instance: text.optional().meta({description: 'instance of the service (default: any that can be found)'}),
    payload: anyJson.optional(),
    caller: text.optional(),
    'trace-id': text.optional(),
    prefix: text.optional().meta({description: 'prefix of method subjects (default: loom.rpc)'}),
    within,
  })
  .meta({description: 'an RPC call, by subject or by service and method'})

const open = z.strictObject({
  subject,
  ...body,
  dialect: z.enum(['first', 'later']).optional(),
  frames: several
    .optional()
    .meta({description: 'stop after this many frames (default: when the response stream is closed)'}),
  idle: duration.optional().meta({description: 'fail if no frame arrives for this long'}),
  within,
})

const pub = z.strictObject({
  subject,
  ...body,
  headers: headers.optional(),
  reply: text.optional().meta({description: 'reply subject'}),
  ack: z.boolean().optional().meta({description: 'wait until a stream has stored the message'}),
  'msg-id': text.optional().meta({description: 'message id, by which a stream detects duplicates; needs ack'}),
  count: several.optional().meta({description: 'how many messages to publish; {n} counts from 1'}),
  within,
})

const broker = {
  topic: subject,
  stream: text.optional().meta({description: 'stream of the broker (default: first token of the topic)'}),
}
const publish = z
  .strictObject({
    ...broker,
    payload: anyJson.optional().meta({description: 'a string unchanged, nothing as {}, anything else as JSON'}),
    jetstream: z.boolean().optional().meta({description: 'store it in the stream (default: true)'}),
  })
  .meta({description: 'the step broker_publish; creates its stream if it is missing'})
const subscribe = z
  .strictObject({
    ...broker,
    consumer_name: text.meta({description: 'durable consumer; created if it is missing'}),
    within,
  })
  .meta({description: 'the step broker_subscribe: the next message of a durable consumer, acknowledged'})

const stream = z.strictObject({
  name: text,
  subjects: z.array(text).optional().meta({description: 'the stream must have exactly these subjects'}),
  fresh: duration.optional().meta({description: 'maximum age of the last message'}),
  'at-least': whole.optional().meta({description: 'minimum number of messages'}),
  'at-most': whole.optional().meta({description: 'maximum number of messages'}),
  'mirror-lag': whole
    .optional()
    .meta({description: 'maximum number of messages that a mirror or a source has not copied yet'}),
  replicas: whole.optional().meta({description: 'minimum number of servers with a current copy'}),
})

const consumer = z.strictObject({
  stream: text,
  name: text,
  'max-lag': whole.optional().meta({description: 'maximum number of messages not yet acknowledged'}),
  'max-redelivered': whole.optional(),
  failed: whole.optional().meta({
    description:
      'maximum number of failed messages; on a server they have to be recorded: bus consumer failed --record',
  }),
  paused: z.boolean().optional().meta({description: 'whether it has to be paused'}),
  active: duration.optional().meta({description: 'maximum time since the last delivery or acknowledgement'}),
})

const kv = z.strictObject({
  bucket: text,
  key: text,
  fresh: duration.optional().meta({description: 'maximum age of the value'}),
  absent: z.literal(true).optional().meta({description: 'the key must not have a value'}),
})

const interest = z
  .strictObject({
    subject,
    probe: z.boolean().optional().meta({
      description:
        'on a server, if nobody is known to listen: send an empty request with the header Bus-Probe: interest',
    }),
    within,
  })
  .meta({
    description:
      'whether anyone listens for requests on this subject. A bus file knows its subscribers. On a server only services that answer $SRV.INFO are found; others need probe: true, which sends an empty request to the subject. A probe passes unless the server reports no responders, even if no answer arrives; on a bus that does not report this (libbus) only an answer counts.',
  })

const latency = z.strictObject({
  subject,
  ...body,
  headers: headers.optional(),
  count: several.optional().meta({description: 'number of requests (default: 100)'}),
  concurrency: several.optional().meta({description: 'requests in flight at the same time (default: 1)'}),
  'warm-up': whole.optional().meta({description: 'requests to send first, which are not measured (default: 1)'}),
  p50: duration.optional(),
  p90: duration.optional(),
  p99: duration.optional(),
  p999: duration.optional(),
  p9999: duration.optional(),
  max: duration.optional(),
  'max-failed': whole.optional().meta({description: 'how many requests may fail (default: 0)'}),
  within: duration
    .optional()
    .meta({description: 'timeout of each request (default: the "within" of the file, else --timeout)'}),
})

const messages = z.strictObject({
  subject: subject.optional(),
  subjects: z.array(subject).min(1, 'is empty').optional(),
  where: jsonata('only count messages for which this is true').optional(),
  exactly: whole.optional(),
  'at-least': whole.optional().meta({description: 'minimum number of messages (default: 1)'}),
  'at-most': whole.optional(),
  none: z.literal(true).optional(),
  order: z
    .union([
      jsonata('a value that never decreases from one message to the next'),
      z.array(jsonata('matches a message')),
    ])
    .optional()
    .meta({description: 'as a list: messages match these in order; others may come in between'}),
  within: duration.optional().meta({
    description:
      'how long to wait after `do`. With none and at-most always the whole time (default: 1s there, else the "within" of the file or --timeout)',
  }),
  settle: duration
    .optional()
    .meta({description: 'with exactly: how long to wait for one message too many (default: 200ms)'}),
  get do() {
    return z.array(checkShape).optional()
  },
})

const expectation = z.union([
  jsonata('must be true for the result'),
  z.record(z.string(), anyJson).meta({description: 'members of the result with their exact values'}),
])

const kinds = {
  req: short(req).optional().meta({description: 'a request and its reply'}),
  rpc: rpc.optional(),
  open: short(open).optional().meta({description: 'a response stream: its frames and its close'}),
  pub: short(pub).optional().meta({description: 'publish a message'}),
  publish: publish.optional(),
  subscribe: subscribe.optional(),
  messages: messages.optional().meta({
    description:
      'messages that must arrive on subjects while the steps of `do` run; the check subscribes before the first step',
  }),
  stream: short(stream).optional().meta({description: 'a stream and its state'}),
  consumer: consumer.optional().meta({description: 'a durable consumer and its state'}),
  kv: kv.optional().meta({description: 'the value of a key in a bucket: text, json, bytes, revision'}),
  interest: short(interest).optional(),
  latency: latency.optional().meta({description: 'latency of requests: bounds on percentiles'}),
}

export const checkShape = z
  .strictObject({
    name: text.min(1, 'is empty').optional().meta({description: 'default: its kind and subject'}),
    ...kinds,
    expect: z
      .union([expectation, z.array(expectation)])
      .optional()
      .meta({
        description:
          'what must hold for the result: status ("ok", "error", "timeout", "no-responders", "not-found", "denied"), error, headers, json, text, bytes, ms, messages, and vars',
      }),
    capture: z
      .record(z.string(), z.string())
      .optional()
      .meta({description: 'variables for later checks: names and the JSONata that gives their values'}),
    eventually: z
      .union([duration, z.strictObject({for: duration, every: duration.optional()})])
      .optional()
      .meta({description: 'retry until the check passes, for at most this long (default: every 250ms)'}),
    timeout: duration.optional().meta({description: 'time limit including retries (default: 60s plus eventually)'}),
    'skip-if': z
      .union([z.boolean(), jsonata('skip the check if this is true; it can use vars, env and bus (url, features)')])
      .optional(),
    tags: z.array(z.string()).optional(),
  })
  .meta({oneOf: Object.keys(kinds).map((kind) => ({required: [kind]}))})

export const fileShape = z
  .strictObject({
    name: text.optional(),
    bus: text.optional().meta({description: 'a URL or the path of a bus file; --bus and --context take precedence'}),
    context: text.optional().meta({description: 'the name of a context; --bus and --context take precedence'}),
    vars: z.record(z.string(), anyJson).optional().meta({
      description:
        'values for {name} in strings and vars.name in JSONata; --var takes precedence. {env.NAME} {id} {time} {unix} {random:1-100} are always available',
    }),
    within: duration.optional().meta({description: 'default "within" of its checks'}),
    tags: z.array(z.string()).optional(),
    checks: z.array(checkShape).min(1, 'is empty'),
    always: z
      .array(checkShape)
      .optional()
      .meta({description: 'clean-up: runs at the end, whatever the results of the checks'}),
  })
  .meta({title: 'bus check', description: 'smoke checks for a message bus, run by bus check'})

export type FileShape = z.infer<typeof fileShape>
export type CheckShape = z.infer<typeof checkShape>
type Long<T> = Exclude<T, string | undefined>
export type Shapes = {readonly [Kind in keyof typeof kinds]: Long<CheckShape[Kind]>}

/** The member of the long form that a short form `req: orders.get` sets. */
export const shortMembers = {
  req: 'subject',
  open: 'subject',
  pub: 'subject',
  interest: 'subject',
  stream: 'name',
} as const

/** The keys of a check file, of a check, and of each kind of check. */
export const shapeKeys = {
  file: Object.keys(fileShape.shape),
  check: Object.keys(checkShape.shape),
  kinds: new Map(Object.entries(kinds).map(([kind, shape]) => [kind, keysOf(shape)])),
}

function keysOf(shape: z.ZodType): readonly string[] {
  if (shape instanceof z.ZodOptional) return keysOf(shape.unwrap() as z.ZodType)
  if (shape instanceof z.ZodUnion) return shape.options.flatMap((option) => keysOf(option as z.ZodType))
  return shape instanceof z.ZodObject ? Object.keys(shape.shape) : []
}

/** The JSON Schema of a check file. */
export function jsonSchema(): object {
  return z.toJSONSchema(fileShape, {io: 'input'})
}
