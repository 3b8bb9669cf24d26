/** Checks that publish: `pub`, and the broker steps `publish` and `subscribe`; and the payloads that other checks send. */
import {resolve} from 'node:path'
import {BusError} from '../../core/errors.ts'
import {checkHeader, type Headers} from '../../core/message.ts'
import {decode, textWherePossible} from '../../core/text/encoding.ts'
import {readTrusted} from '../../core/trusted-file.ts'
import type {Outgoing} from '../../transport/contract.ts'
import {storeHeaders} from '../../transport/streams-contract.ts'
import type {CheckEnvironment, CheckOutcome} from '../check.ts'
import type {Shapes} from '../shape.ts'
import type {Variables} from '../variables.ts'

export async function checkPub(spec: Shapes['pub'], environment: CheckEnvironment): Promise<CheckOutcome> {
  const {bus, signal} = environment
  const {count = 1, ack, within} = spec
  let stored: object = {}
  for (let n = 1; n <= count && !signal.aborted; n++) {
    const message = messageOf(spec, environment.variables.with('n', n), environment.folder)
    if (ack) stored = await bus.streams.publish(message, {timeoutMs: environment.waitMs(within)})
    else bus.publish(message)
  }
  await bus.flush()
  return {result: {...stored, published: count}}
}

export async function checkPublish(
  spec: Shapes['publish'],
  {bus, protocols, variables}: CheckEnvironment,
): Promise<CheckOutcome> {
  const {topic, payload, stream = streamOf(topic), jetstream = true} = variables.json(spec)
  return {result: await protocols.publish(bus, {topic, payload, stream, jetstream})}
}

export async function checkSubscribe(spec: Shapes['subscribe'], environment: CheckEnvironment): Promise<CheckOutcome> {
  const {bus, protocols, variables} = environment
  const {topic, consumer_name, stream = streamOf(topic)} = variables.json(spec)
  const timeoutMs = environment.waitMs(spec.within)
  const output = await protocols.subscribe(bus, {topic, consumer_name, timeoutMs, stream, jetstream: true})
  return {result: {...output, json: output.payload}}
}

function messageOf(spec: Shapes['pub'], variables: Variables, folder: string): Outgoing {
  const id = spec['msg-id']
  return {
    subject: variables.text(spec.subject),
    data: bodyOf(spec, variables, folder),
    headers: [
      ...headersOf(spec.headers, variables),
      ...(id === undefined ? [] : [[storeHeaders.msgId, variables.text(id)] as const]),
    ],
    reply: spec.reply === undefined ? undefined : variables.text(spec.reply),
  }
}

/** A broker's stream stores `<stream>.>`. */
function streamOf(topic: string): string {
  return topic.split('.')[0] ?? topic
}

type Bodies = Pick<Shapes['pub'], 'body' | 'json' | 'base64' | 'file' | 'headers'>
type HeaderLines = NonNullable<Bodies['headers']>

/** The payload that a check sends, with its variables filled in. Fails with `usage` for a file that cannot be read. */
export function bodyOf(spec: Bodies, variables: Variables, folder: string): Uint8Array | string {
  if (spec.json !== undefined) return JSON.stringify(variables.json(spec.json))
  if (spec.base64 !== undefined) return decode(variables.text(spec.base64), 'base64', 'the payload')
  if (spec.file !== undefined) return contentOf(resolve(folder, variables.text(spec.file)))
  return spec.body === undefined ? '' : variables.text(spec.body)
}

export function headersOf(headers: HeaderLines | undefined, variables: Variables): Headers {
  return Object.entries(headers ?? {}).flatMap(([name, values]) =>
    [values].flat().map((value) => checkHeader(name, variables.text(String(value)))),
  )
}

function contentOf(path: string): Uint8Array | string {
  try {
    return textWherePossible(readTrusted(path))
  } catch (cause) {
    if (cause instanceof BusError) throw cause
    throw new BusError('usage', `cannot read ${path}: ${(cause as Error).message}`, {cause})
  }
}
