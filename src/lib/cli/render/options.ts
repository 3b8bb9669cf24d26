/** The less common options of streams and consumers in rows of text: by our names, or by those of the server. */
import {durationText} from '../../core/time/duration.ts'
import {counted, formatBytes, formatCount} from './units.ts'

type Options = Readonly<Record<string, unknown>>
type Rows = Readonly<Record<string, string>>
/** Text of a value under the name of its row; `allows` and `refuses` collect several options in one row. */
type Words = Readonly<Record<string, readonly [row: string, text: string | ((value: never) => string)]>>

interface Copied {
  readonly name: string
  readonly filter_subject?: string
  readonly opt_start_seq?: number
  readonly opt_start_time?: string
  readonly external?: {readonly api?: string; readonly deliver?: string} | null
  readonly subject_transforms?: readonly Transformed[] | null
}

interface Transformed {
  readonly src?: string
  readonly dest?: string
  readonly headers_only?: boolean
}

const streamWords: Words = {
  mirror: ['mirror of', copiedText],
  sources: ['sources', (sources: readonly Copied[]) => sources.map(copiedText).join(' · ')],
  subject_transform: ['stores', transformText],
  republish: ['republishes', transformText],
  max_consumers: ['max consumers', formatCount],
  consumer_limits: ['consumer limits', consumerLimits],
  discardNewPerSubject: ['discards new', 'also at the limit of a subject'],
  compression: ['compression', String],
  first_seq: ['first sequence', (seq: number) => `#${seq}`],
  no_ack: ['acknowledges', 'nothing'],
  sealed: ['refuses', 'every change (sealed)'],
  denyDelete: ['refuses', 'to delete messages'],
  denyPurge: ['refuses', 'to purge'],
  allowRollup: ['allows', 'rollup'],
  allowTtl: ['allows', 'TTL per message'],
  allow_msg_counter: ['allows', 'counters'],
  allow_msg_schedules: ['allows', 'schedules'],
  allowAtomic: ['allows', 'atomic batches'],
  allow_batched: ['allows', 'fast batches'],
  allowDirect: ['allows', 'direct reads'],
  mirror_direct: ['allows', 'direct reads for the mirrored stream'],
  markerTtlMs: ['delete markers', (ms: number) => `for ${durationText(ms)}`],
  persist_mode: ['persistence', String],
  placement: ['placement', placementText],
  metadata: ['metadata', metadataText],
}

const consumerWords: Words = {
  replay_policy: ['replay policy', String],
  rate_limit_bps: ['rate limit', (bits: number) => `${formatCount(bits)} bit/s`],
  sample_freq: ['sampling', String],
  flow_control: ['flow control', 'yes'],
  idle_heartbeat: ['heartbeats', (ns: number) => `after ${nanosText(ns)} without messages`],
  max_batch: ['limits of a pull', (most: number) => counted(most, 'message')],
  max_expires: ['limits of a pull', nanosText],
  max_bytes: ['limits of a pull', formatBytes],
  inactive_threshold: ['removed', (ns: number) => `after ${nanosText(ns)} without use`],
  mem_storage: ['storage', 'memory'],
  num_replicas: ['replicas', String],
  metadata: ['metadata', metadataText],
}

export function streamOptions({other, ...config}: Options): Rows {
  return rowsOf({...chosen(config, streamWords), ...(other as Options)}, streamWords)
}

export function consumerOptions({other, ...config}: Options): Rows {
  return rowsOf({...chosen(config, consumerWords), ...(other as Options)}, consumerWords)
}

/** The options that have words; the others have rows already. */
function chosen(config: Options, words: Words): Options {
  return Object.fromEntries(Object.entries(config).filter(([name]) => words[name] !== undefined))
}

/** Options of newer servers have a row under their own name. */
function rowsOf(options: Options, words: Words): Rows {
  const rows: Record<string, string> = {}
  for (const [name, value] of Object.entries(options)) {
    const [row, form = JSON.stringify(value)] = words[name] ?? [name]
    const text = typeof form === 'string' ? form : form(value as never)
    rows[row] = rows[row] === undefined ? text : `${rows[row]} · ${text}`
  }
  return rows
}

function copiedText({name, filter_subject: filter, opt_start_seq: seq, opt_start_time: time, ...more}: Copied): string {
  const transforms = (more.subject_transforms ?? []).map((each) => transformText(each))
  return [
    more.external?.api ? `${name} through ${more.external.api}` : name,
    ...(more.external?.deliver ? [`delivered to ${more.external.deliver}`] : []),
    ...(filter ? [filter] : []),
    ...transforms,
    ...(seq ? [`from #${seq}`] : []),
    ...(time ? [`from ${time}`] : []),
  ].join(', ')
}

function transformText({src, dest, headers_only: isHeaders}: Transformed): string {
  const text = dest && dest !== src ? `${src || '>'} as ${dest}` : src || '>'
  return isHeaders ? `${text}, headers only` : text
}

function consumerLimits(limits: {readonly inactive_threshold?: number; readonly max_ack_pending?: number}): string {
  const {inactive_threshold: ns, max_ack_pending: most} = limits
  return [
    ...(ns ? [`removed after ${nanosText(ns)} without use`] : []),
    ...(most ? [`at most ${formatCount(most)} unacknowledged`] : []),
  ].join(' · ')
}

function placementText({
  cluster,
  tags,
  preferred,
}: {
  readonly cluster?: string
  readonly tags?: readonly string[] | null
  readonly preferred?: string
}): string {
  const some = [
    cluster && `cluster ${cluster}`,
    tags?.length && `tags ${tags.join(' ')}`,
    preferred && `preferably ${preferred}`,
  ]
  return some.filter(Boolean).join(', ')
}

function metadataText(metadata: Readonly<Record<string, string>>): string {
  return Object.entries(metadata)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ')
}

function nanosText(ns: number): string {
  return durationText(ns / 1e6)
}
