/** What each role does on a bus. Those of other protocols are put together here, where the folders below meet. */
import type {Work} from '../../bench/client.ts'
import type {Job, Role} from '../../bench/job.ts'

/** What a client with this job does. One that serves does so by the protocol of those who ask it. */
export async function workOf({role, asks}: Pick<Job, 'role' | 'asks'>): Promise<Work> {
  return await works[role](asks)
}

type Load = (asks: Role | undefined) => Promise<Work>

const works: Readonly<Record<Role, Load>> = {
  pub: async () => (await import('../../bench/publishing.ts')).publishing,
  sub: async () => (await import('../../bench/listening.ts')).subscribing,
  req: async () => (await import('../../bench/calling.ts')).requesting,
  replay: async () => (await import('../../bench/replaying.ts')).replaying,
  async serve(asks) {
    if (asks === 'open') return (await import('./streams.ts')).servingStreams
    if (asks === 'rpc') return (await import('./rpc.ts')).servingRpc
    return (await import('../../bench/listening.ts')).serving
  },
  open: async () => (await import('./streams.ts')).opening,
  rpc: async () => (await import('./rpc.ts')).calling,
}
