/** Checks that send: `pub`, and the steps `publish` and `subscribe` of a broker. */

import type {Outgoing} from '../../transport/contract.ts'
import {storeHeaders} from '../../transport/streams-contract.ts'
import type {Ground, Outcome} from '../environment.ts'
import {headersOf, payloadOf} from '../payload.ts'
import type {Shapes} from '../shape.ts'
import type {Variables} from '../variables.ts'

export async function checkPub(spec: Shapes['pub'], ground: Ground): Promise<Outcome> {
  const {bus, signal} = ground
  const {count = 1, ack, within} = spec
  let stored: object = {}
  for (let n = 1; n <= count && !signal.aborted; n++) {
    const message = messageOf(spec, ground.variables.with('n', n), ground.folder)
    if (ack) stored = await bus.streams.publish(message, {timeoutMs: ground.waitMs(within)})
    else bus.publish(message)
  }
  await bus.flush()
  return {result: {...stored, published: count}}
}

export async function checkPublish(spec: Shapes['publish'], {bus, tools, variables}: Ground): Promise<Outcome> {
  const {topic, payload, stream = streamOf(topic), jetstream = true} = variables.json(spec)
  return {result: await tools.publish(bus, {topic, payload, stream, jetstream})}
}

export async function checkSubscribe(spec: Shapes['subscribe'], ground: Ground): Promise<Outcome> {
  const {bus, tools, variables} = ground
  const {topic, consumer_name, stream = streamOf(topic)} = variables.json(spec)
  const timeoutMs = ground.waitMs(spec.within)
  const output = await tools.subscribe(bus, {topic, consumer_name, timeoutMs, stream, jetstream: true})
  return {result: {...output, json: output.payload}}
}

function messageOf(spec: Shapes['pub'], variables: Variables, folder: string): Outgoing {
  const id = spec['msg-id']
  return {
    subject: variables.text(spec.subject),
    data: payloadOf(spec, variables, folder),
    headers: [
      ...headersOf(spec.headers, variables),
      ...(id === undefined ? [] : [[storeHeaders.msgId, variables.text(id)] as const]),
    ],
    reply: spec.reply === undefined ? undefined : variables.text(spec.reply),
  }
}

/** A broker's stream keeps `<stream>.>`. */
function streamOf(topic: string): string {
  return topic.split('.')[0] ?? topic
}
