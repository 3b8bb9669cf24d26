import {afterAll} from 'vitest'
import {open} from '../../src/lib/transport/open.ts'
import {lacks, NatsServer} from '../nats-server.ts'
import {conformance} from './suite.ts'

/** One server for all cases; each case has accounts of its own, which share nothing. */
const accounts = 600
const server = await NatsServer.start(
  (folder) => `websocket { listen: "127.0.0.1:-1", no_tls: true }
  jetstream { store_dir: "${folder}/jetstream" }
  accounts { ${Array.from({length: accounts}, (_, i) => account(i)).join('\n')} }`,
)
let used = 0

function account(i: number): string {
  return `A${i} { jetstream: enabled, users: [{user: u${i}, password: p}] }`
}

afterAll(() => server[Symbol.asyncDispose]())

/**
 * Servers before 2.10 apply a changed limit per subject with the next message only, do not find the last message of a subject after
 * an erasure, and do not answer a wrong rollup.
 */
const old = await lacks(2, 10)
const lacking = {
  'messages beyond a new limit of a stream are removed': old,
  'a single message is erased, and the last message of its subject is another one': old,
  'an advisory is published for each message that reached the limit of deliveries or was terminated': await lacks(
    2,
    11,
  ),
  'a rollup is refused by a stream that does not allow it, and with another value': old,
}

for (const scheme of ['nats', 'ws']) {
  conformance(`NATS by ${scheme}://`, {
    lacking,
    features: {
      wildcards: true,
      headers: true,
      queues: true,
      keepsForSlow: false,
      noResponders: true,
      requestsAreMessages: true,
      streams: true,
      failures: false,
    },
    async fresh() {
      const login = `u${used++}:p`
      return {
        open: (options) => open(server.url({scheme, login}), options),
        async [Symbol.asyncDispose]() {},
      }
    },
  })
}
