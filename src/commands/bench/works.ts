/** What each role does on a bus. Those of other protocols are put together here, where the folders below meet. */
import type {Work} from '../../lib/bench/client.ts'
import type {Job, Role} from '../../lib/bench/job.ts'

/** What a client with this job does. One that serves does so by the protocol of those who ask it. */
export async function workOf({role, asks}: Pick<Job, 'role' | 'asks'>): Promise<Work> {
  return await works[role](asks)
}

type Load = (asks: Role | undefined) => Promise<Work>

const works: Readonly<Record<Role, Load>> = {
  pub: async () => (await import('../../lib/bench/publish-load.ts')).publishing,
  sub: async () => (await import('../../lib/bench/listener.ts')).subscribing,
  req: async () => (await import('../../lib/bench/call-load.ts')).requesting,
  replay: async () => (await import('../../lib/bench/replay-load.ts')).replaying,
  async serve(asks) {
    if (asks === 'open') return (await import('./stream-work.ts')).servingStreams
    if (asks === 'rpc') return (await import('./rpc-work.ts')).servingRpc
    return (await import('../../lib/bench/listener.ts')).serving
  },
  open: async () => (await import('./stream-work.ts')).opening,
  rpc: async () => (await import('./rpc-work.ts')).calling,
}
