/** An animal of the zoo: a stream or a consumer with an unusual option, and the command lines that meet it. */
import {setTimeout as sleep} from 'node:timers/promises'
import type {Outgoing} from '../../src/lib/core/message.ts'
import type {Transport} from '../../src/lib/transport/contract.ts'

/** A request to the API of JetStream; the response must repeat `config`, or the server does not know an option in it. */
export type ApiCall = readonly [operation: string, config?: Readonly<Record<string, unknown>>]

export interface Animal {
  readonly name: string
  /** One sentence. */
  readonly about: string
  /** What makes it. `consumer` also means that it is one. */
  readonly stream: Readonly<Record<string, unknown>> & {readonly name: string}
  readonly consumer?: Readonly<Record<string, unknown>> & {readonly name: string}
  /** Requests before the stream is created, and after its messages are stored. */
  readonly before?: readonly ApiCall[]
  readonly after?: readonly ApiCall[]
  /** Default: three, of two subjects. */
  readonly messages?: readonly Outgoing[]
  /** Further command lines, before and after those of every animal that change nothing. */
  readonly first?: readonly string[]
  readonly lines?: readonly string[]
}

/** Creates it. Returns why the server does not have this option. */
export async function create(bus: Transport, animal: Animal): Promise<string | undefined> {
  const {stream, consumer, before = [], after = [], messages = threeMessages(animal)} = animal
  const calls: ApiCall[] = [
    ...before,
    [
      `STREAM.CREATE.${stream.name}`,
      {...(stream['mirror'] === undefined && {subjects: subjectsOf(animal)}), ...stream},
    ],
  ]
  for (const call of calls) {
    const refusal = await refusalOf(bus, call)
    if (refusal !== undefined) return refusal
  }
  // Some streams refuse them, and one acknowledges nothing.
  for (const message of messages) {
    await bus.streams.publish(message, {timeoutMs: 500}).catch(() => undefined)
    // It copies each before the next one, so that the order is the same in every run.
    if (stream['mirror'] !== undefined || stream['sources'] !== undefined) await sleep(1000)
  }
  const adding: ApiCall[] =
    consumer === undefined
      ? []
      : [
          [
            `CONSUMER.CREATE.${stream.name}.${consumer.name}`,
            {...(consumer['durable_name'] === undefined && {durable_name: consumer.name}), ...consumer},
          ],
        ]
  for (const call of [...adding, ...after]) {
    const refusal = await refusalOf(bus, call)
    if (refusal !== undefined) return refusal
  }
  return undefined
}

async function refusalOf(bus: Transport, [operation, config]: ApiCall): Promise<string | undefined> {
  const isConsumer = operation.startsWith('CONSUMER.CREATE.')
  const [, , name = ''] = operation.split('.')
  const body = isConsumer
    ? {stream_name: name, config}
    : operation.startsWith('STREAM.CREATE.')
      ? {name, ...config}
      : config
  const reply = await bus.request({subject: `$JS.API.${operation}`, data: JSON.stringify(body ?? {})})
  const answer = JSON.parse(reply.text)
  if (answer.error) return `${operation}: ${answer.error.description}`
  const unknown = Object.keys(answer.config === undefined ? {} : (config ?? {})).filter(
    (key) => !(key in answer.config) && config?.[key],
  )
  return unknown.length === 0 ? undefined : `${operation}: the server does not know ${unknown.join(', ')}`
}

/** `limits.>` for the stream LIMITS. */
function subjectsOf({stream}: Animal): readonly string[] {
  return [`${stream.name.toLowerCase()}.>`]
}

function threeMessages(animal: Animal): readonly Outgoing[] {
  const [pattern = ''] = (animal.stream['subjects'] as readonly string[] | undefined) ?? subjectsOf(animal)
  const subject = pattern.replace(/\.?>$/, '')
  return ['a', 'b', 'a'].map((token, i) => ({
    subject: `${subject}.${token}`,
    data: `${i + 1}`,
    headers: [['N', `${i + 1}`]],
  }))
}

/** The files that the command lines name. */
export function filesOf(animal: Animal): Readonly<Record<string, string>> {
  const {stream, consumer} = animal
  const facts = consumer === undefined ? {stream: stream.name} : {consumer: {stream: stream.name, name: consumer.name}}
  return {
    'check.yaml': JSON.stringify({checks: [{name: 'it is there', ...facts}]}),
    'record.ndjson': JSON.stringify({subject: patternOf(animal).replace('>', 'a'), text: '5', headers: {N: '5'}}),
  }
}

function patternOf({stream}: Animal): string {
  return (stream['subjects'] as readonly string[] | undefined)?.[0] ?? `${stream.name.toLowerCase()}.>`
}

/** The command lines that can meet a stream: those that change it come last. */
export function streamLines(animal: Animal): readonly string[] {
  const {stream, first = [], lines = []} = animal
  const {name} = stream
  const pattern = patternOf(animal)
  return [
    ...first,
    `bus stream info ${name}`,
    `bus stream info ${name} --json`,
    `bus stream subjects ${name}`,
    `bus sub '${pattern}' --from first --end`,
    `bus consumer replay ${name}`,
    `bus consumer replay ${name} --from -1 --json`,
    `bus consumer replay ${name} --dry-run`,
    `bus pub ${pattern.replace('>', 'a')} 4 --ack -t 1s`,
    'bus pub --records record.ndjson --ack -t 1s',
    `bus events add ${name} app`,
    `bus events ls ${name}`,
    'bus check check.yaml',
    `bus bench replay ${name}`,
    `bus stream purge ${name}`,
    ...lines,
    `bus consumer add ${name} c`,
    `bus stream purge ${name} --keep 1 --yes`,
  ]
}

/** The command lines that can meet a consumer. */
export function consumerLines({stream: {name}, consumer, first = [], lines = []}: Animal): readonly string[] {
  const its = `${name} ${consumer?.name}`
  return [
    ...first,
    `bus consumer info ${its}`,
    `bus consumer info ${its} --json`,
    `bus consumer ls ${name}`,
    `bus consumer next ${its} --peek -n 2`,
    `bus consumer replay ${its} --peek`,
    `bus consumer reset ${its} --to 2`,
    `bus consumer next ${its} -t 1s`,
    `bus sub '${name.toLowerCase()}.>' --durable ${consumer?.name} -n 1 --for 2s`,
    'bus check check.yaml',
    ...lines,
    `bus consumer reset ${its} --to 2 --yes`,
    // At the original pace, messages may be on their way at any moment.
    ...(consumer?.['replay_policy'] === 'original'
      ? []
      : [`bus consumer replay ${its}`, `bus bench replay ${name} --durable ${consumer?.name} --for 1s`]),
    `bus consumer info ${its}`,
  ]
}
