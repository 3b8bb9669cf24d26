/** The three kinds of bus with streams, each with the URL of a new one. */
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, describe, onTestFinished} from 'vitest'
import {Broker, type BrokerOptions} from '../../../../src/lib/protocols/broker/broker.ts'
import type {BrokerConfig} from '../../../../src/lib/protocols/broker/config.ts'
import type {Transport} from '../../../../src/lib/transport/contract.ts'
import {open} from '../../../../src/lib/transport/open.ts'
import {NatsServer} from '../../../nats-server.ts'

export interface Place {
  readonly kind: 'memory' | 'file' | 'nats'
  /** A bus without streams. */
  fresh(): Promise<string>
}

export function onThreeBuses(tests: (place: Place) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'broker-'))
  let server: NatsServer
  beforeAll(async () => {
    server = await NatsServer.start((home) => `jetstream {store_dir: "${home}"}`)
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    rmSync(folder, {recursive: true})
  })
  let count = 0
  describe.each(['memory', 'file', 'nats'] as const)('on a bus of kind %s', (kind) => {
    tests({
      kind,
      async fresh() {
        count++
        if (kind === 'memory') return `memory:broker${count}`
        if (kind === 'file') return join(folder, `${count}.db`)
        const bus = await opened(server.url())
        for (const {config} of await bus.streams.list()) await bus.streams.remove(config.name)
        return server.url()
      },
    })
  })
}

/** A bus that is closed with the test. */
export async function opened(url: string): Promise<Transport> {
  const bus = await open(url)
  onTestFinished(() => bus.close())
  return bus
}

/** A broker with a stream, started, which is stopped with the test. */
export async function started(config: BrokerConfig, options: BrokerOptions = {}): Promise<Broker> {
  const broker = new Broker({jetstream: true, ...config}, options)
  onTestFinished(() => broker.stop())
  await broker.start()
  return broker
}
