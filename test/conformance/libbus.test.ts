import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import type {OpenOptions} from '../../src/lib/transport/contract.ts'
import {open} from '../../src/lib/transport/open.ts'
import {type Bus, conformance, type Harness} from './suite.ts'

const libbus: Harness = {
  features: {
    wildcards: false,
    headers: false,
    queues: false,
    keepsForSlow: true,
    noResponders: false,
    requestsAreMessages: false,
    streams: false,
    failures: false,
  },
  async fresh(): Promise<Bus> {
    const folder = await mkdtemp(join(tmpdir(), 'busline-'))
    const url = `libbus:${join(folder, 'local.db')}?create&poll=5ms`
    return {
      open: (options?: OpenOptions) => open(url, options),
      [Symbol.asyncDispose]: () => rm(folder, {recursive: true}),
    }
  },
}

conformance('libbus', libbus)
