/** A description of a bus: streams, consumers, buckets and event subscriptions, each with the settings that `info --json` prints. */
import * as z from 'zod'
import {BusError} from '../../core/errors.ts'
import {durationMs} from '../../core/time/duration.ts'

const text = z.string()
const flag = z.boolean().optional()
const number = z.number().int().nonnegative().optional()
const milliseconds = z.union(
  [
    z.number().int().nonnegative(),
    z
      .string()
      .transform((written) => durationMs(written) ?? Number.NaN)
      .pipe(z.number().int()),
  ],
  {error: 'expected milliseconds, or a duration such as 2m or 14d'},
)
const time = milliseconds.optional().meta({description: 'milliseconds, or a duration such as 2m or 14d'})
const metadata = z.record(text, text).optional()
const other = z
  .record(text, z.unknown())
  .optional()
  .meta({description: 'options that only a NATS server has, by their names in its API'})

const stream = z.strictObject({
  subjects: z.array(text).optional().meta({description: 'default: the name'}),
  description: text.optional(),
  storage: z.enum(['file', 'memory']).optional(),
  retention: z.enum(['limits', 'interest', 'workqueue']).optional(),
  discard: z.enum(['old', 'new']).optional(),
  maxAgeMs: time,
  maxMsgs: number,
  maxBytes: number,
  maxMsgsPerSubject: number,
  maxMsgSize: number,
  dedupeMs: time.meta({description: 'how long message ids are remembered, in milliseconds or as a duration'}),
  replicas: number,
  metadata,
  discardNewPerSubject: flag,
  allowRollup: flag,
  denyDelete: flag,
  denyPurge: flag,
  allowDirect: flag,
  allowAtomic: flag,
  allowTtl: flag,
  markerTtlMs: time,
  other,
})

const start = z.union([
  z.enum(['all', 'new', 'last', 'lastPerSubject']),
  z.strictObject({seq: z.number()}),
  z.strictObject({timeMs: z.number()}),
])

const consumer = z.strictObject({
  description: text.optional(),
  filters: z.array(text).optional(),
  deliver: start.optional(),
  ack: z.enum(['explicit', 'all', 'none']).optional(),
  ackWaitMs: time,
  maxDeliver: number,
  maxAckPending: number,
  backoffMs: z.array(milliseconds).optional(),
  metadata,
  headersOnly: flag,
  maxWaiting: number,
  priority: text.optional(),
  groups: z.array(text).optional(),
  push: z.strictObject({subject: text, queue: text.optional()}).optional(),
  other,
})

const bucket = z.strictObject({
  description: text.optional(),
  history: number,
  ttlMs: time,
  maxBytes: number,
  maxValueSize: number,
  storage: z.enum(['file', 'memory']).optional(),
  replicas: number,
  markerTtlMs: time,
})

const json = z.record(text, z.unknown()).optional()
const subscription = z.strictObject({
  transport: z.enum(['websockets', 'webhooks', 'exec', 'stdout']).optional().meta({description: 'default: websockets'}),
  filter: json.meta({description: 'regular expressions that all have to match'}),
  options: json.meta({description: 'as in bus events info --json; firstEvent counts only when it is created'}),
})

const descriptionShape = z
  .strictObject({
    streams: z.record(text, stream).optional().meta({description: 'by name'}),
    consumers: z.record(text, z.record(text, consumer)).optional().meta({description: 'by stream, and by name'}),
    kv: z.record(text, bucket).optional().meta({description: 'buckets by name'}),
    events: z
      .record(text, z.record(text, subscription))
      .optional()
      .meta({description: 'durable subscriptions of bus events by stream, and by name'}),
  })
  .meta({
    title: 'bus apply',
    description: 'streams, consumers, buckets and event subscriptions of a message bus, made by bus apply',
  })

export type BusDescription = z.infer<typeof descriptionShape>
export type DescribedStream = z.infer<typeof stream>
export type DescribedConsumer = z.infer<typeof consumer>
export type DescribedSubscription = z.infer<typeof subscription>
export type DescribedBucket = z.infer<typeof bucket>

/** For editors. */
export function descriptionSchema(): object {
  return z.toJSONSchema(descriptionShape, {io: 'input'})
}

/** Joins files. Throws `usage` with the path in the file, and for a name that two of them describe. */
export function parseDescription(files: readonly {readonly path: string; readonly value: unknown}[]): BusDescription {
  const streams: Record<string, DescribedStream> = {}
  const kv: Record<string, DescribedBucket> = {}
  const consumers: Record<string, Record<string, DescribedConsumer>> = {}
  const events: Record<string, Record<string, DescribedSubscription>> = {}
  const kinds = new Set<string>()
  for (const {path, value} of files) {
    const data = checked(path, value)
    for (const kind of Object.keys(data)) kinds.add(kind)
    merge(path, 'streams', streams, data.streams)
    merge(path, 'kv', kv, data.kv)
    mergeByStream(path, 'consumers', consumers, data.consumers)
    mergeByStream(path, 'events', events, data.events)
  }
  return {
    ...(kinds.has('streams') && {streams}),
    ...(kinds.has('kv') && {kv}),
    ...(kinds.has('events') && {events}),
    consumers,
  }
}

function checked(path: string, value: unknown): BusDescription {
  const {data, error} = descriptionShape.safeParse(value)
  if (data !== undefined) return data
  const [issue] = error.issues
  const place = issue?.path.join('.') ?? ''
  throw new BusError('usage', `${path}: ${place === '' ? '' : `${place}: `}${issue?.message}`, {
    try: ['bus apply --schema', 'bus export, to see how it looks'],
  })
}

function merge<T>(path: string, kind: string, all: Record<string, T>, more: Readonly<Record<string, T>> = {}): void {
  for (const [name, each] of Object.entries(more)) {
    if (name in all) throw new BusError('usage', `${path}: ${kind}.${name} is described by another file too`)
    all[name] = each
  }
}

function mergeByStream<T>(
  path: string,
  kind: string,
  all: Record<string, Record<string, T>>,
  more: Readonly<Record<string, Readonly<Record<string, T>>>> = {},
): void {
  for (const [stream, described] of Object.entries(more)) {
    const known = all[stream] ?? {}
    all[stream] = known
    merge(path, `${kind}.${stream}`, known, described)
  }
}
