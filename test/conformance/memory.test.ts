import type {OpenOptions} from '../../src/lib/transport/contract.ts'
import {open} from '../../src/lib/transport/open.ts'
import {type Bus, conformance, type Harness} from './suite.ts'

let count = 0

const memory: Harness = {
  features: {
    wildcards: true,
    headers: true,
    queues: true,
    keepsForSlow: false,
    noResponders: true,
    requestsAreMessages: true,
    streams: true,
    failures: true,
  },
  async fresh(): Promise<Bus> {
    const url = `memory:conformance-${++count}`
    return {open: (options?: OpenOptions) => open(url, options), async [Symbol.asyncDispose]() {}}
  },
}

conformance('memory', memory)
