/** The servers of a bus, and which of them leads a stream or consumer. */
import {setTimeout as sleep} from 'node:timers/promises'
import {BusError} from '../../core/errors.ts'
import type {Transport} from '../../transport/contract.ts'
import type {ServerRequests} from '../../transport/server-requests.ts'

/** How long to wait for an election, and between two looks at it. */
const electionMs = 5000
const lookMs = 100

/** Fails with `notFound` on a bus without servers. */
export function serversOf({servers, url}: Transport): ServerRequests {
  if (servers !== undefined) return servers
  throw new BusError('notFound', `there is no NATS server behind ${url}`)
}

/** The leader once it is another one than before, or after five seconds the one there is. */
export async function newLeader(
  look: () => Promise<{readonly leader?: string | undefined}>,
  before: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const end = performance.now() + electionMs
  for (;;) {
    const {leader} = await look()
    if ((leader !== undefined && leader !== before) || performance.now() > end || signal.aborted) return leader
    await sleep(lookMs)
  }
}
