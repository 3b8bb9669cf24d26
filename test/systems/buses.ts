/** The kinds of bus on which the ideas of the original test suites are tested, each with the URL of a new one. */
import {afterAll, beforeAll, describe, onTestFinished} from 'vitest'
import type {Transport} from '../../src/lib/transport/contract.ts'
import {open} from '../../src/lib/transport/open.ts'
import {createFile, type TestFile} from '../../src/lib/transport/testing/bus-file.ts'
import {NatsServer} from '../nats-server.ts'

export type Kind = 'memory' | 'file' | 'nats' | 'libbus'

export interface Place {
  readonly kind: Kind
  /** The URL of a bus without messages; of the same server, without streams. */
  fresh(): Promise<string>
}

const streaming: readonly Kind[] = ['memory', 'file', 'nats']
let names = 0

export function onEachBus(tests: (place: Place) => void, kinds: readonly Kind[] = streaming): void {
  let server: NatsServer
  const files: TestFile[] = []
  beforeAll(async () => {
    server = await NatsServer.start((home) => `jetstream {store_dir: "${home}"}`)
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    for (const file of files) await file[Symbol.asyncDispose]()
  })
  const fresh = async (kind: Kind) => {
    if (kind === 'memory') return `memory:system${++names}`
    if (kind === 'nats') {
      await using bus = await open(server.url())
      for (const {config} of await bus.streams.list()) await bus.streams.remove(config.name)
      return server.url()
    }
    const file = await createFile(kind === 'file' ? 'sqlite' : 'libbus')
    files.push(file)
    return kind === 'file' ? file.url : `${file.url}?poll=5ms`
  }
  describe.each(kinds)('on a bus of kind %s', (kind) => tests({kind, fresh: () => fresh(kind)}))
}

/** A connection that is closed with the test. */
export async function opened(url: string): Promise<Transport> {
  const bus = await open(url)
  onTestFinished(() => bus.close())
  return bus
}

export const textOf = (data: Uint8Array) => Buffer.from(data).toString()
