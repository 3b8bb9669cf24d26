/** A real server with streams, and requests to its API as from another client. */
import type {Transport} from '../../../../src/lib/transport/contract.ts'
import {NatsServer} from '../../../nats-server.ts'

export function startStreams(more = ''): Promise<NatsServer> {
  return NatsServer.start((folder) => `jetstream { store_dir: "${folder}/jetstream" }\n${more}`)
}

/** The response of the API; fails if it refuses. */
export async function ask(bus: Transport, operation: string, body: object = {}): Promise<Record<string, unknown>> {
  const reply = await bus.request({subject: `$JS.API.${operation}`, data: JSON.stringify(body)})
  const answer: Record<string, unknown> = JSON.parse(reply.text)
  if (answer['error'] !== undefined) throw new Error(JSON.stringify(answer['error']))
  return answer
}

export async function addConsumer(bus: Transport, stream: string, config: {name: string; [key: string]: unknown}) {
  const operation = `CONSUMER.CREATE.${stream}.${config.name}`
  return ask(bus, operation, {stream_name: stream, config: {durable_name: config.name, ...config}})
}

/** Stores each text on the subject, in order. */
export async function store(bus: Transport, subject: string, texts: readonly string[]): Promise<void> {
  await using publisher = bus.streams.publisher()
  for (const data of texts) await publisher.push({subject, data})
  await publisher.flush()
}
