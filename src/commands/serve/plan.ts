/** From the flags of `serve` to a handler, and how served requests are shown. */
import type {ChalkInstance} from 'chalk'
import {excluding, needing} from '../../lib/cli/base/flag-rules.ts'
import {checkProgram} from '../../lib/cli/base/program.ts'
import {readBody} from '../../lib/cli/io/input.ts'
import {printable, printableJson} from '../../lib/cli/render/printable.ts'
import {type DurationRange, formatBytes, formatDuration} from '../../lib/cli/render/units.ts'
import type {Sink} from '../../lib/cli/render/view.ts'
import {BusError} from '../../lib/core/errors.ts'
import type {Headers} from '../../lib/core/message.ts'
import {recordWriter} from '../../lib/core/record.ts'
import type {Encoding} from '../../lib/core/text/encoding.ts'
import {localClock} from '../../lib/core/time/timestamp.ts'
import {
  delayed,
  echo,
  expression,
  failing,
  fixed,
  type Handler,
  program,
  withHeaders,
} from '../../lib/messaging/pubsub/handlers.ts'
import {checkIdentity, type Identity} from '../../lib/messaging/pubsub/service.ts'
import {compileTemplate, type Maker} from '../../lib/messaging/pubsub/template.ts'
import type {Served} from '../../lib/messaging/pubsub/work.ts'

export interface ServeFlags {
  readonly subject: string
  readonly body?: string | undefined
  readonly file?: string | undefined
  readonly encoding?: Encoding | undefined
  readonly echo?: boolean | undefined
  readonly expr?: string | undefined
  readonly exec?: boolean | undefined
  readonly 'exec-timeout'?: number | undefined
  readonly header?: Headers | undefined
  readonly template?: boolean | undefined
  readonly queue?: string | undefined
  readonly 'no-queue'?: boolean | undefined
  readonly service?: string | undefined
  readonly version?: string | undefined
  readonly delay?: DurationRange | undefined
  readonly fail?: number | undefined
}

export interface StreamFlags extends ServeFlags {
  readonly stream?: boolean | undefined
  readonly chunk?: number | undefined
  readonly delimiter?: string | undefined
  readonly every?: number | undefined
  readonly count?: number | undefined
  readonly concurrency?: number | undefined
  readonly for?: number | undefined
  readonly idle?: number | undefined
}

export interface ProgramWishes {
  readonly argv: readonly string[]
  readonly path: string
  /** Kills what is running. */
  readonly kill: AbortSignal
  readonly onStderr?: ((chunk: Uint8Array) => void) | undefined
}

/** Shows one request that was served. */
export type ServedView = (served: Served, sink: Sink) => void

const execTimeoutMs = 30_000

/** The handler that the flags describe, with everything read and compiled. Fails with `usage`. */
export async function chooseHandler(flags: ServeFlags, wishes: ProgramWishes, signal: AbortSignal): Promise<Handler> {
  checkFlags(flags)
  const {header = [], delay, fail, template} = flags
  const hasBody = flags.body !== undefined || flags.file !== undefined
  const data = hasBody ? await readBody(flags, signal) : undefined
  const pattern = {subject: 'reply', data, headers: header}
  const make = template ? compileTemplate(pattern) : () => pattern
  const plain = hasBody ? fixed(() => replyOf(make)) : await computed(flags, wishes)
  const headed = hasBody || header.length === 0 ? plain : withHeaders(plain, () => make().headers ?? [])
  const faulty = fail === undefined ? headed : failing(headed, fail, Math.random)
  return delay === undefined ? faulty : delayed(faulty, delay, Math.random)
}

/** The queue group that the flags ask for. */
export function queueOf(flags: Pick<ServeFlags, 'queue' | 'no-queue'>): string | undefined {
  return flags['no-queue'] ? undefined : (flags.queue ?? 'busline')
}

/** What the flags make it known by, if they do. Fails with `usage`. */
export function identityOf(flags: Pick<ServeFlags, 'subject' | 'service' | 'version'>): Identity | undefined {
  const {subject, service: name, version = '0.0.0'} = flags
  needing(flags, 'version', 'service')
  if (name === undefined) return undefined
  return checkIdentity({name, id: crypto.randomUUID(), version, description: `bus serve ${subject}`})
}

/** Throws `usage` for a flag that needs `--stream`, on a service that answers requests. */
export function checkNoStream(flags: StreamFlags): void {
  for (const name of ['chunk', 'delimiter', 'every'] as const) needing(flags, name, 'stream')
}

/** `listening on greet in queue busline as greeter 1.2.3, id …` */
export function liveLine(subject: string, queue: string | undefined, identity: Identity | undefined): string {
  const group = queue === undefined ? '' : ` in queue ${queue}`
  return `listening on ${subject}${group}${identity ? ` as ${identity.name} ${identity.version}, id ${identity.id}` : ''}`
}

/** `[3] 10:24:31.482 orders.new 12 B → 42 B · 1.2 ms`, or with --json the request as a record with what became of it. */
export function servedView(json: boolean, terminal: boolean, paint: ChalkInstance | undefined): ServedView {
  return json ? servedRecords(terminal) : servedLines(paint)
}

function checkFlags(flags: ServeFlags): void {
  const sources = {
    'the argument': flags.body !== undefined,
    '--file': flags.file !== undefined,
    '--echo': flags.echo,
    '--expr': flags.expr !== undefined,
    '--exec': flags.exec,
  }
  const [first, second] = Object.entries(sources).flatMap(([name, given]) => (given ? [name] : []))
  if (second !== undefined) {
    throw new BusError('usage', `the reply is given twice: by ${first} and by ${second}`, {
      try: ['leave one of them out'],
    })
  }
  if (first === undefined) {
    throw new BusError('usage', `nothing says what to reply on "${flags.subject}"`, {
      try: [`bus serve ${flags.subject} 'a reply'`, '--echo', "--expr 'json.total * 2'", '--exec -- jq .total'],
    })
  }
  excluding(flags, 'queue', 'no-queue')
  excluding(flags, 'encoding', 'echo', 'expr', 'exec', 'template')
  needing(flags, 'exec-timeout', 'exec')
}

async function computed(flags: ServeFlags, {argv, path, kill, onStderr}: ProgramWishes): Promise<Handler> {
  if (flags.expr !== undefined) return expression(flags.expr)
  if (!flags.exec) return echo()
  checkProgram(argv, path)
  return program({argv, timeoutMs: flags['exec-timeout'] ?? execTimeoutMs, signal: kill, onStderr})
}

function replyOf(make: Maker): {data: Uint8Array | string; headers: Headers | undefined} {
  const {data = '', headers} = make()
  return {data, headers}
}

function servedLines(paint: ChalkInstance | undefined): ServedView {
  const clock = localClock()
  const dim = (text: string) => paint?.dim(text) ?? text
  let n = 0
  return ({request, bytes, fault, ms}, sink) => {
    const subject = printable(request.subject)
    const asked = formatBytes(request.data.length)
    const sent = request.reply === undefined ? 'no reply wanted' : formatBytes(bytes)
    const failed = fault && printable(`${fault.code} ${fault.text}`)
    const outcome = failed === undefined ? sent : (paint?.red(failed) ?? failed)
    const lead = dim(`[${++n}] ${clock(request.time) ?? '--:--:--'}`)
    sink.write(`${lead} ${paint?.bold(subject) ?? subject} ${asked} → ${outcome} ${dim(`· ${formatDuration(ms)}`)}\n`)
  }
}

function servedRecords(safe: boolean): ServedView {
  const write = recordWriter()
  return ({request, bytes, fault, ms}, sink) => {
    const became = {ms: Math.round(ms * 1000) / 1000, ...(fault === undefined ? {replyBytes: bytes} : {error: fault})}
    const line = `${write(request).slice(0, -1)},${JSON.stringify(became).slice(1)}`
    sink.write(`${safe ? printableJson(line) : line}\n`)
  }
}
