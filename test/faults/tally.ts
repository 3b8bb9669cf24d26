/** The outcome of messages under a fault: printed for each case, and checked. */
import {randomInt} from 'node:crypto'
import {setTimeout as sleep} from 'node:timers/promises'
import {onTestFinished} from 'vitest'
import type {Transport} from '../../src/lib/transport/contract.ts'
import {open} from '../../src/lib/transport/open.ts'
import {temporaryFolder} from '../lib/transport/sqlite/processes.ts'
import {NatsServer} from '../nats-server.ts'

export interface Tally {
  readonly acknowledged: number
  readonly delivered: number
  readonly duplicated: number
  readonly lost: number
}

/** FAULT_ROUNDS is how often something is killed in each case. */
export const rounds = Number(process.env['FAULT_ROUNDS'] ?? 50)

/** Compares what was acknowledged with what was delivered, and prints it. */
export function tally(name: string, acknowledged: Iterable<string>, delivered: readonly string[]): Tally {
  const wanted = new Set(acknowledged)
  const got = new Set(delivered)
  const found = {
    acknowledged: wanted.size,
    delivered: delivered.length,
    duplicated: delivered.length - got.size,
    lost: [...wanted].filter((each) => !got.has(each)).length,
  }
  const facts = Object.entries(found).map(([fact, count]) => `${fact} ${count}`)
  process.stdout.write(`${name}: ${facts.join(', ')}\n`)
  return found
}

/** A random moment. */
export function moment(mostMs: number): Promise<void> {
  return sleep(randomInt(mostMs))
}

/** Polls until it is true. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await sleep(20)
}

export interface FaultBus {
  readonly kind: string
  readonly url: string
  readonly server?: NatsServer
}

/** A new bus, removed after the test. */
export async function freshBus(kind: 'file' | 'server'): Promise<FaultBus> {
  if (kind === 'file') return {kind, url: `${temporaryFolder()}/a bus ü.db`}
  const server = await NatsServer.start((home) => `jetstream {store_dir: "${home}"}`)
  onTestFinished(() => server[Symbol.asyncDispose]())
  return {kind, url: server.url(), server}
}

/** The sequences of all messages of a stream. */
export async function sequences(bus: Transport, stream: string): Promise<string[]> {
  await using reading = await bus.streams.read(stream)
  const seqs: string[] = []
  for await (const {seq} of reading) seqs.push(String(seq))
  return seqs
}

/** A stream `S` over `s.>` with this many messages; returns their sequences. */
export async function fill(url: string, count: number, ackWaitMs = 1000): Promise<string[]> {
  await using bus = await open(url)
  await bus.streams.add({name: 'S', subjects: ['s.>']})
  await bus.streams.consumers.add('S', {name: 'c', ackWaitMs})
  const seqs: string[] = []
  await using publisher = bus.streams.publisher({onStored: (_, {seq}) => void seqs.push(String(seq))})
  for (let n = 0; n < count; n++) await publisher.push({subject: 's.a', data: String(n)})
  await publisher.flush()
  return seqs
}
