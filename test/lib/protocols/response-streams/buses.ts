/** The three buses on which response streams are tested, each new. */
import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import type {Transport} from '../../../../src/lib/transport/contract.ts'
import {open} from '../../../../src/lib/transport/open.ts'
import {NatsServer} from '../../../nats-server.ts'

export interface FreshBus extends AsyncDisposable {
  /** A connection of its own. */
  open(): Promise<Transport>
}

let names = 0

export const freshBus = {
  async memory(): Promise<FreshBus> {
    const url = `memory:${++names}`
    return {open: () => open(url), async [Symbol.asyncDispose]() {}}
  },
  async sqlite(): Promise<FreshBus> {
    const folder = await mkdtemp(join(tmpdir(), 'response-stream-'))
    return {
      open: () => open(`sqlite:${join(folder, 'bus.db')}`),
      [Symbol.asyncDispose]: () => rm(folder, {recursive: true}),
    }
  },
  async nats(): Promise<FreshBus> {
    const server = await NatsServer.start()
    return {open: () => open(server.url()), [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]()}
  },
} as const

export const busNames = Object.keys(freshBus) as (keyof typeof freshBus)[]
