/** What has to be done so that a bus is as described, and the description of a bus. */
import {BusError} from '../../core/errors.ts'
import {shellWord} from '../../core/text/shell-word.ts'
import type {Transport} from '../../transport/contract.ts'
import {
  changedConsumer,
  changedStream,
  checkStreamChange,
  settingDifferences,
  wantedSubjects,
} from '../../transport/shared/stream-settings.ts'
import {
  type ConsumerConfig,
  type ConsumerInfo,
  type ConsumerSettings,
  type StreamChanges,
  type StreamConfig,
  type StreamInfo,
  type StreamSettings,
  unlessMissing,
} from '../../transport/streams-contract.ts'
import {settingsOfConsumer, usable} from '../backup/settings.ts'
import {bucketSettings, bucketStream, kvPrefix} from '../kv/settings.ts'
import {configChanges, fixedSettings, wholeChanges} from '../stored/whole-config.ts'
import {
  checkName,
  checkPlannedConsumer,
  checkPlannedStream,
  type PlannedStream,
  type PlannedSubjects,
  plannedSubjects,
} from './check.ts'
import type {BusDescription, DescribedBucket, DescribedConsumer, DescribedStream} from './shape.ts'

/** One change of the bus. */
export interface PlanStep {
  /** `stream ORDERS` */
  readonly what: string
  readonly action: 'create' | 'change' | 'remove'
  /** The settings before and after; empty for what does not exist. */
  readonly before: object
  readonly after: object
  /** A stream that is changed or removed, which may remove messages. */
  readonly stream?: {readonly info: StreamInfo; readonly changes?: StreamChanges | undefined} | undefined
  run(): Promise<unknown>
}

export interface PlanOptions {
  /** Remove what is not described, of the kinds that are. */
  readonly prune: boolean
  readonly skipUnsupported: boolean
  /** Buckets that a program keeps for itself: they are neither removed nor described. */
  readonly ownBuckets: readonly string[]
  readonly say: (line: string) => void
}

/** In the order in which they have to be done. Fails with `usage` for what cannot be changed, or the bus does not have. */
export async function planChanges(
  bus: Transport,
  {streams, consumers = {}, kv}: BusDescription,
  options: PlanOptions,
): Promise<readonly PlanStep[]> {
  const wanted = [
    ...Object.entries(streams ?? {}).map(([name, each]) => ({what: `stream ${name}`, config: {...each, name}})),
    ...Object.entries(kv ?? {}).map(([name, each]) => ({
      what: `bucket ${name}`,
      config: bucketStream({...each, name}),
    })),
  ]
  const steps: PlanStep[] = []
  if (options.prune) steps.push(...(await pruned(bus, {streams, kv, consumers}, options)))
  const removed = new Set(steps.flatMap(({stream}) => stream?.info.config.name ?? []))
  const planned: PlannedStream[] = []
  for (const {what, config} of wanted) {
    checkName('stream', config.name, what)
    const {settings, step} = await streamStep(bus, what, config, options)
    checkPlannedStream(bus, {what, settings})
    planned.push({what, settings})
    if (step !== undefined) steps.push(step)
  }
  const subjects = await plannedSubjects(bus, planned, removed)
  for (const [stream, described] of Object.entries(consumers)) {
    await mustExist(bus, stream, {described: Object.keys(described), subjects, removed})
    for (const [name, each] of Object.entries(described)) {
      const what = consumerText(stream, name)
      checkName('consumer', name, what)
      const {settings, step} = await consumerStep(bus, {stream, name}, each, options)
      checkPlannedConsumer(bus, {what, stream, settings}, subjects)
      if (step !== undefined) steps.push(step)
    }
  }
  return steps
}

/** Fails with `usage` for consumers of a stream that neither exists nor is described. */
async function mustExist(
  bus: Transport,
  stream: string,
  {
    described,
    subjects,
    removed,
  }: {
    readonly described: readonly string[]
    readonly subjects: PlannedSubjects
    readonly removed: ReadonlySet<string>
  },
): Promise<void> {
  const [name] = described
  if (name === undefined || subjects.has(stream)) return
  if (!removed.has(stream) && (await bus.streams.info(stream).catch(unlessMissing)) !== undefined) return
  throw new BusError(
    'usage',
    `${consumerText(stream, name)}: ${bus.url} has no stream ${stream}, and no file describes it`,
    {
      try: [`streams: {${stream}: {subjects: […]}}`, 'bus stream ls'],
    },
  )
}

function consumerText(stream: string, name: string): string {
  return `consumer ${name} of ${stream}`
}

interface Planned<S> {
  /** The settings that the stream or consumer will have. */
  readonly settings: S
  /** Undefined if nothing changes. */
  readonly step?: PlanStep | undefined
}

async function streamStep(
  bus: Transport,
  what: string,
  config: {readonly name: string},
  options: PlanOptions,
): Promise<Planned<StreamSettings>> {
  const {name} = config
  const info = await bus.streams.info(name).catch(unlessMissing)
  const edits = usable(bus, what, configChanges({...config}, info?.config), options)
  if (info === undefined) {
    const settings: StreamSettings = {...edits, name}
    const after = defined({subjects: wantedSubjects(settings), ...defined(edits)})
    return {settings, step: {what, action: 'create', before: {}, after, run: () => bus.streams.add(settings)}}
  }
  const settings = changedStream(info.config, edits)
  const defaults = {
    subjects: wantedSubjects(settings),
    storage: 'file',
    discard: 'old',
    replicas: 1,
    retention: 'limits',
  }
  const after = {...defaults, ...defined(settings)}
  if (settingDifferences(info.config, after).length === 0) return {settings}
  const {storage = 'file'} = edits
  checkStreamChange(bus.url, info.config, {
    ...info.config,
    ...settings,
    subjects: defaults.subjects,
    storage,
  } as StreamConfig)
  const run = () => bus.streams.update(name, edits)
  return {settings, step: {what, action: 'change', before: info.config, after, stream: {info, changes: edits}, run}}
}

async function consumerStep(
  bus: Transport,
  {stream, name}: {readonly stream: string; readonly name: string},
  described: DescribedConsumer,
  options: PlanOptions,
): Promise<Planned<ConsumerSettings>> {
  const what = consumerText(stream, name)
  const {consumers} = bus.streams
  const {filters = [], ack = 'explicit', deliver = 'all', backoffMs = [], ...rest} = described
  const whole = {ackWaitMs: undefined, maxAckPending: undefined, ...rest, name, filters, ack, deliver, backoffMs}
  const info = await consumers.info(stream, name).catch(unlessMissing)
  if (info === undefined) {
    const config = {...whole, durable: true} as unknown as ConsumerConfig
    const settings = usable(bus, what, settingsOfConsumer(config, deliver), options)
    const {name: _, ...after} = defined(settings)
    return {settings, step: {what, action: 'create', before: {}, after, run: () => consumers.add(stream, settings)}}
  }
  const {config} = info
  const fixed = Object.keys(rest)
    .concat('ack')
    .filter((setting) => fixedSettings.includes(setting))
  const changed = fixed.find((setting) => differs(config, whole, setting))
  if (changed !== undefined)
    throw new BusError('usage', `the ${changed} of ${what} on ${bus.url} cannot be changed`, {
      try: [`bus consumer info ${shellWord(stream)} ${shellWord(name)}`, 'a consumer with another name'],
    })
  const edits = usable(bus, what, wholeChanges({...defined(described), filters, backoffMs}, config), options)
  const [step] = backoffMs
  const defaults = ack === 'none' ? config : {ackWaitMs: step ?? 30_000, maxAckPending: 1000}
  const settings = changedConsumer(config, edits)
  const after = {...defaults, ...defined(settings)}
  if (settingDifferences(config, after).length === 0) return {settings}
  const run = () => consumers.update(stream, name, edits)
  return {settings, step: {what, action: 'change', before: config, after, run}}
}

function differs(has: object, wanted: object, setting: string): boolean {
  const [one, other] = [has, wanted].map((config) => JSON.stringify((config as Record<string, unknown>)[setting]))
  return one !== other
}

async function pruned(
  bus: Transport,
  {streams, kv, consumers = {}}: BusDescription,
  {ownBuckets}: PlanOptions,
): Promise<readonly PlanStep[]> {
  const steps: PlanStep[] = []
  const buckets = [...Object.keys(kv ?? {}), ...ownBuckets]
  const described = new Set([...Object.keys(streams ?? {}), ...buckets.map((name) => kvPrefix + name)])
  for (const info of await bus.streams.list()) {
    const {name} = info.config
    const isBucket = name.startsWith(kvPrefix)
    if (described.has(name) || (isBucket ? kv : streams) === undefined) continue
    const what = isBucket ? `bucket ${name.slice(kvPrefix.length)}` : `stream ${name}`
    steps.push({
      what,
      action: 'remove',
      before: info.config,
      after: {},
      stream: {info},
      run: () => bus.streams.remove(name),
    })
  }
  for (const [stream, wanted] of Object.entries(consumers)) {
    for (const {config} of (await bus.streams.consumers.list(stream).catch(unlessMissing)) ?? []) {
      if (config.name in wanted || !config.durable) continue
      const run = () => bus.streams.consumers.remove(stream, config.name)
      steps.push({what: consumerText(stream, config.name), action: 'remove', before: config, after: {}, run})
    }
  }
  return steps
}

/** The description of a bus, without settings that have their defaults. */
export async function describeBus(
  bus: Transport,
  {ownBuckets}: Pick<PlanOptions, 'ownBuckets'>,
): Promise<BusDescription> {
  const streams: Record<string, DescribedStream> = {}
  const kv: Record<string, DescribedBucket> = {}
  const consumers: Record<string, Record<string, DescribedConsumer>> = {}
  for (const {config} of await bus.streams.list()) {
    const {name} = config
    if (ownBuckets.some((bucket) => kvPrefix + bucket === name)) continue
    const bucket = name.startsWith(kvPrefix) ? bucketOf(config) : undefined
    if (bucket === undefined) streams[name] = describedStream(config)
    else kv[name.slice(kvPrefix.length)] = bucket
    const durable = (await bus.streams.consumers.list(name)).filter((consumer) => consumer.config.durable)
    if (durable.length > 0)
      consumers[name] = Object.fromEntries(
        durable.map((consumer) => [consumer.config.name, describedConsumer(consumer)]),
      )
  }
  return {streams, ...(Object.keys(consumers).length > 0 && {consumers}), ...(Object.keys(kv).length > 0 && {kv})}
}

/** Undefined for a stream with settings that a bucket does not have. */
function bucketOf(config: StreamConfig): DescribedBucket | undefined {
  const {name, storage, replicas, history, ...settings} = bucketSettings(config)
  const changes = configChanges({...bucketStream({name, history, storage, replicas, ...settings})})
  const after = {...defined(changedStream(config, changes))}
  if (settingDifferences(config, after).length > 0) return undefined
  return defined({
    ...settings,
    ...(history > 1 && {history}),
    ...(storage !== 'file' && {storage}),
    ...((replicas ?? 1) > 1 && {replicas}),
  })
}

function describedStream(config: StreamConfig): DescribedStream {
  const {name, subjects, storage, discard, replicas, retention, dedupeMs, sealed: _, metadata, ...rest} = config
  const own = ownMetadata(metadata)
  return defined({
    subjects: [...subjects],
    ...(storage !== 'file' && {storage}),
    ...(retention !== 'limits' && {retention}),
    ...(discard !== 'old' && {discard}),
    ...(replicas > 1 && {replicas}),
    ...(dedupeMs !== Math.min(120_000, rest.maxAgeMs ?? Infinity) && {dedupeMs}),
    ...rest,
    ...(own && {metadata: own}),
  })
}

function describedConsumer({config}: ConsumerInfo): DescribedConsumer {
  const {
    name: _,
    durable: _durable,
    filters,
    deliver,
    ack,
    ackWaitMs,
    maxAckPending,
    backoffMs,
    metadata,
    ...rest
  } = config
  const own = ownMetadata(metadata)
  const isAcknowledged = ack !== 'none'
  return defined({
    ...(filters.length > 0 && {filters: [...filters]}),
    ...(deliver !== 'all' && {deliver}),
    ...(ack !== 'explicit' && {ack}),
    ...(isAcknowledged && ackWaitMs !== (backoffMs[0] ?? 30_000) && {ackWaitMs}),
    ...(isAcknowledged && maxAckPending !== 1000 && {maxAckPending}),
    ...(backoffMs.length > 0 && {backoffMs: [...backoffMs]}),
    ...rest,
    ...(own && {metadata: own}),
  } as DescribedConsumer)
}

/** Without what servers add. */
function ownMetadata(metadata: Readonly<Record<string, string>> = {}): Record<string, string> | undefined {
  const own = Object.entries(metadata).filter(([name]) => !name.startsWith('_nats.'))
  return own.length === 0 ? undefined : Object.fromEntries(own)
}

function defined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as T
}
