/** Both buses with streams, for tests of stored messages: each scene has its own bus. */
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, describe} from 'vitest'
import type {Transport} from '../src/lib/transport/contract.ts'
import {open} from '../src/lib/transport/open.ts'
import {type BusOptions, bus, type Ended, type Running, start} from './bus.ts'
import {NatsServer} from './nats-server.ts'

export interface StoredScene extends AsyncDisposable {
  readonly url: string
  /** The same bus for the test itself. */
  readonly transport: Transport
  run(args: readonly string[], options?: BusOptions): Promise<Ended>
  start(args: readonly string[], options?: BusOptions): Running
}

/** Runs the same tests on a bus file and on a server. Each scene has no streams yet. */
export function onBothBuses(tests: (newScene: () => Promise<StoredScene>) => void): void {
  describe('on a bus file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'bus-stored-'))
    afterAll(() => rmSync(folder, {recursive: true}))
    let files = 0
    tests(() => sceneOn(join(folder, `${++files}.db`)))
  })

  describe('on a server', () => {
    let server: NatsServer
    beforeAll(async () => {
      server = await NatsServer.start((home) => `jetstream {store_dir: "${home}"}`)
    })
    afterAll(() => server[Symbol.asyncDispose]())
    tests(() => sceneOn(server.url()))
  })
}

async function sceneOn(url: string): Promise<StoredScene> {
  const transport = await open(url)
  const clear = async () => {
    for (const {config} of await transport.streams.list()) await transport.streams.remove(config.name)
  }
  // Removes what an interrupted scene left behind.
  await clear()
  const withBus = (args: readonly string[]) => [...args, '-b', url]
  return {
    url,
    transport,
    run: (args, options) => bus(withBus(args), options),
    start: (args, options) => start(withBus(args), options),
    async [Symbol.asyncDispose]() {
      await clear()
      await transport.close()
    },
  }
}
