/**
 * What a check file may say. One source for the types, the faults with their lines, and the JSON Schema by which editors
 * complete (`bus check --schema`). Nothing is transformed here: a duration stays `2s` until it is used, so that the
 * schema describes what is written.
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
const anyJson = z.json().meta({description: 'any JSON value; {name} in its texts is filled in'})

const headers = z
  .record(z.string(), z.union([scalar, z.array(scalar)]))
  .meta({description: 'header lines; a list of values repeats the name'})
const body = {
  body: text.optional().meta({description: 'the payload as text'}),
  json: anyJson.optional().meta({description: 'the payload as JSON'}),
  base64: text.optional().meta({description: 'the payload in base64'}),
  file: text.optional().meta({description: 'the payload from a file, relative to this one'}),
}
const subject = text.min(1, 'is empty').meta({description: 'a subject; {name} in it is filled in'})
const within = duration.optional().meta({description: 'how long to wait; default the file’s within, else --timeout'})

/** `req: orders.get` for what needs nothing but a subject (or a name). */
const short = <S extends z.ZodType>(shape: S) => z.union([text.min(1, 'is empty'), shape])

const req = z.strictObject({
  subject,
  ...body,
  headers: headers.optional(),
  within,
  replies: several.optional().meta({description: 'how many replies must come'}),
  'until-idle': duration.optional().meta({description: 'take replies until none came for so long'}),
  'until-empty': z.boolean().optional().meta({description: 'take replies until an empty one'}),
})

const rpc = z
  .strictObject({
    subject: subject.optional(),
    service: text.optional(),
    method: text.optional(),
    instance: text.optional().meta({description: 'which instance of the service; default any that can be found'}),
    payload: anyJson.optional(),
    caller: text.optional(),
    'trace-id': text.optional(),
    prefix: text.optional().meta({description: 'what subjects of methods begin with; default loom.rpc'}),
    within,
  })
  .meta({description: 'an RPC call by its subject, or by service and method'})

const open = z.strictObject({
  subject,
  ...body,
  dialect: z.enum(['first', 'later']).optional(),
  frames: several.optional().meta({description: 'leave the stream after so many frames; default when it is closed'}),
  idle: duration.optional().meta({description: 'fail when no frame came for so long'}),
  within,
})

const pub = z.strictObject({
  subject,
  ...body,
  headers: headers.optional(),
  reply: text.optional().meta({description: 'subject that replies should go to'}),
  ack: z.boolean().optional().meta({description: 'wait until a stream has stored it'}),
  'msg-id': text.optional().meta({description: 'message id, by which a stream knows what it has already; needs ack'}),
  count: several.optional().meta({description: 'so many times, {n} counts from 1'}),
  within,
})

const broker = {
  topic: subject,
  stream: text.optional().meta({description: 'the stream of the broker; default the first token of the topic'}),
}
const publish = z
  .strictObject({
    ...broker,
    payload: anyJson.optional().meta({description: 'text as it is, nothing as {}, anything else as JSON'}),
    jetstream: z.boolean().optional().meta({description: 'keep it in the stream; default true'}),
  })
  .meta({description: 'the step broker_publish; as every broker it makes its stream if it is missing'})
const subscribe = z
  .strictObject({
    ...broker,
    consumer_name: text.meta({description: 'the durable consumer; made if it is missing, and it goes on next time'}),
    within,
  })
  .meta({description: 'the step broker_subscribe: the next message of a durable consumer, acknowledged'})

const stream = z.strictObject({
  name: text,
  subjects: z.array(text).optional().meta({description: 'exactly these subjects'}),
  fresh: duration.optional().meta({description: 'the last message is not older'}),
  'at-least': whole.optional().meta({description: 'it has so many messages or more'}),
  'at-most': whole.optional().meta({description: 'it has so many messages or fewer'}),
})

const consumer = z.strictObject({
  stream: text,
  name: text,
  'max-lag': whole.optional().meta({description: 'so many messages, at most, are not acknowledged'}),
  'max-redelivered': whole.optional(),
  active: duration.optional().meta({description: 'it delivered, or something was acknowledged, not longer ago'}),
})

const interest = z
  .strictObject({
    subject,
    probe: z
      .boolean()
      .optional()
      .meta({description: 'on a server, if no service announces it: send an empty request, with Bus-Probe: interest'}),
    within,
  })
  .meta({
    description:
      'does anybody listen to requests on this subject? A bus file knows who listens, and is asked. A server cannot be asked: there the services that announce themselves ($SRV.INFO) are, which disturbs nobody, and others are found only with probe: true, an empty request that whoever listens there gets. A probe passes when nobody refuses it, even without an answer; on a bus that refuses nothing (libbus) only an answer counts.',
  })

const latency = z.strictObject({
  subject,
  ...body,
  headers: headers.optional(),
  count: several.optional().meta({description: 'how many requests; default 100'}),
  concurrency: several.optional().meta({description: 'how many at the same time; default 1'}),
  'warm-up': whole.optional().meta({description: 'so many before, which do not count; default 1'}),
  p50: duration.optional(),
  p90: duration.optional(),
  p99: duration.optional(),
  p999: duration.optional(),
  p9999: duration.optional(),
  max: duration.optional(),
  'max-failed': whole.optional().meta({description: 'how many may fail; default 0'}),
  within: duration.optional().meta({description: 'how long each may take; default the file’s within, else --timeout'}),
})

const messages = z.strictObject({
  subject: subject.optional(),
  subjects: z.array(subject).min(1, 'is empty').optional(),
  where: jsonata('only messages for which this is true').optional(),
  exactly: whole.optional(),
  'at-least': whole.optional().meta({description: 'default 1'}),
  'at-most': whole.optional(),
  none: z.literal(true).optional(),
  order: z
    .union([jsonata('its value never goes down from one message to the next'), z.array(jsonata('matches a message'))])
    .optional()
    .meta({description: 'a list: messages that match each of these come one after the other; others may be between'}),
  within: duration.optional().meta({
    description:
      'how long to wait once `do` is done. All of it with none and at-most; default 1s there, else the file’s within or --timeout',
  }),
  settle: duration.optional().meta({description: 'with exactly: how long to look for one too many; default 200ms'}),
  get do() {
    return z.array(checkShape).optional()
  },
})

const expectation = z.union([
  jsonata('must be true of the result'),
  z.record(z.string(), anyJson).meta({description: 'members of the result that must be exactly this'}),
])

const kinds = {
  req: short(req).optional().meta({description: 'a request and its reply'}),
  rpc: rpc.optional(),
  open: short(open).optional().meta({description: 'a response stream: its frames and how it was closed'}),
  pub: short(pub).optional().meta({description: 'a message'}),
  publish: publish.optional(),
  subscribe: subscribe.optional(),
  messages: messages.optional().meta({
    description: 'what must come on subjects while the steps of `do` run: it listens before the first of them begins',
  }),
  stream: short(stream).optional().meta({description: 'a stream and its state'}),
  consumer: consumer.optional().meta({description: 'a durable consumer and how far it is'}),
  interest: short(interest).optional(),
  latency: latency.optional().meta({description: 'how long requests take: bounds on percentiles'}),
}

export const checkShape = z
  .strictObject({
    name: text.min(1, 'is empty').optional().meta({description: 'default: what it does'}),
    ...kinds,
    expect: z
      .union([expectation, z.array(expectation)])
      .optional()
      .meta({
        description:
          'what must hold: status ("ok", "error", "timeout", "no-responders", "not-found", "denied"), error, headers, json, text, bytes, ms, messages, and vars',
      }),
    capture: z
      .record(z.string(), z.string())
      .optional()
      .meta({description: 'names and the JSONata whose value they keep for later checks'}),
    eventually: z
      .union([duration, z.strictObject({for: duration, every: duration.optional()})])
      .optional()
      .meta({description: 'try again until it holds, so long at most; default every 250ms'}),
    timeout: duration.optional().meta({description: 'for all of it, retries too; default 60s and eventually'}),
    'skip-if': jsonata('when it is true of vars, env and bus (url, features) the check is left out').optional(),
    tags: z.array(z.string()).optional(),
  })
  .meta({oneOf: Object.keys(kinds).map((kind) => ({required: [kind]}))})

export const fileShape = z
  .strictObject({
    name: text.optional(),
    bus: text.optional().meta({description: 'a URL or the path of a bus file; --bus and --context come first'}),
    context: text.optional().meta({description: 'the name of a context; --bus and --context come first'}),
    vars: z.record(z.string(), anyJson).optional().meta({
      description:
        'values for {name} in texts and for vars.name in JSONata; --var comes first. {env.NAME} {id} {time} {unix} {random:1-100} are there always',
    }),
    within: duration.optional().meta({description: 'how long answers may take, where a check does not say'}),
    tags: z.array(z.string()).optional(),
    checks: z.array(checkShape).min(1, 'is empty'),
    always: z
      .array(checkShape)
      .optional()
      .meta({description: 'clean-up: runs at the end, whatever became of the checks'}),
  })
  .meta({title: 'bus check', description: 'smoke checks for a message bus, run by bus check'})

export type FileShape = z.infer<typeof fileShape>
export type CheckShape = z.infer<typeof checkShape>
type Long<T> = Exclude<T, string | undefined>
export type Shapes = {readonly [Kind in keyof typeof kinds]: Long<CheckShape[Kind]>}

/** Where a short form `req: orders.get` has its text in the long one. */
export const shortMembers = {
  req: 'subject',
  open: 'subject',
  pub: 'subject',
  interest: 'subject',
  stream: 'name',
} as const

/** The JSON Schema of a check file. */
export function jsonSchema(): object {
  return z.toJSONSchema(fileShape, {io: 'input'})
}
