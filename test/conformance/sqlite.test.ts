import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import type {OpenOptions} from '../../src/lib/transport/contract.ts'
import {open} from '../../src/lib/transport/open.ts'
import {type Bus, conformance, type Harness} from './suite.ts'

const sqlite: Harness = {
  features: {
    wildcards: true,
    headers: true,
    queues: true,
    keepsForSlow: true,
    noResponders: true,
    requestsAreMessages: true,
    streams: true,
    failures: true,
  },
  async fresh(): Promise<Bus> {
    const folder = await mkdtemp(join(tmpdir(), 'busline-'))
    return {
      open: (options?: OpenOptions) => open(`sqlite:${join(folder, 'bus.db')}`, options),
      [Symbol.asyncDispose]: () => rm(folder, {recursive: true}),
    }
  },
}

conformance('sqlite', sqlite)
