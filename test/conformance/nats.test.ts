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
/** Older servers have no TTL per message, keep the retention of a stream, and check the consumers of a work queue in another way. */
const older = await lacks(2, 11)
const lacking = {
  'TTLs can be allowed later, but not be turned off again': older,
  'a message is removed when its TTL is over, and other messages stay': older,
  'a message that never expires outlives the maximum age of its stream, and one with a longer TTL does not': older,
  'a stream that does not allow TTLs refuses them, and every stream refuses an invalid one': older,
  'the consumers of a work queue need explicit acks, deliver policy all, and filters that do not overlap': older,
  'a marker replaces the last message of a subject when it expires, and expires as well': older,
  'the retention of a stream can be changed between limits and interest, but not to or from workqueue': older,
  'an expired message is not delivered, even to a consumer that is older than the message': older,
  'with retention interest, a consumer needs a message that reached its limit of deliveries until it is removed': older,
  'with retention interest, a message that no consumer wants is acknowledged, and not kept': older,
  'messages beyond a new limit of a stream are removed': old,
  'a single message is erased, and the last message of its subject is another one': old,
  'an advisory is published for each message that reached the limit of deliveries or was terminated': older,
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
