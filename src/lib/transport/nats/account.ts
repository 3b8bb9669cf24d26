/** The JetStream limits and usage of this login's account. */

import {BusError} from '../../core/errors.ts'
import {objectIn} from '../../core/text/json-text.ts'
import type {Facts, Transport, Usage} from '../contract.ts'

/** Usage of a tier or of the whole account; a limit of -1 means unlimited. */
interface Tier {
  readonly memory?: number
  readonly storage?: number
  readonly streams?: number
  readonly consumers?: number
  readonly limits?: {
    readonly max_memory?: number
    readonly max_storage?: number
    readonly max_streams?: number
    readonly max_consumers?: number
  }
}

interface AccountInfo extends Tier {
  readonly error?: {readonly description?: string} | null
  /** By number of replicas, if limits depend on it. */
  readonly tiers?: Readonly<Record<string, Tier | null>> | null
}

/** Asks the server. Returns `missing` if the account has no JetStream or the login may not ask. */
export async function jetStreamFacts(bus: Pick<Transport, 'request'>, apiPrefix: string): Promise<Facts['jetstream']> {
  try {
    const reply = await bus.request({subject: `${apiPrefix}.INFO`})
    const info = objectIn(reply.text) as AccountInfo | undefined
    if (info === undefined) return {missing: 'not known: the reply is not from JetStream'}
    if (info.error) return {missing: `none: ${info.error.description ?? 'the server gives no reason'}`}
    const tiers = [info, ...Object.values(info.tiers ?? {})]
    return {
      memory: usage(
        info.memory,
        tiers.map((tier) => tier?.limits?.max_memory),
      ),
      storage: usage(
        info.storage,
        tiers.map((tier) => tier?.limits?.max_storage),
      ),
      streams: usage(
        info.streams,
        tiers.map((tier) => tier?.limits?.max_streams),
      ),
      consumers: usage(
        info.consumers,
        tiers.map((tier) => tier?.limits?.max_consumers),
      ),
    }
  } catch (error) {
    if (!(error instanceof BusError)) throw error
    if (error.kind === 'noResponders') return {missing: 'none: not enabled on this server'}
    if (error.kind === 'denied') return {missing: 'not known: this login has no permission to request it'}
    if (error.kind === 'timeout') return {missing: 'not known: no answer'}
    throw error
  }
}

/** Limits of tiers add up; a tier without a limit makes the sum unlimited. An account with tiers reports zeros for itself. */
function usage(used = 0, limits: readonly (number | undefined)[]): Usage {
  const [own, ...tiers] = limits
  const known = (tiers.length > 0 ? tiers : [own]).map((limit) => limit ?? -1)
  return known.some((limit) => limit < 0) ? {used} : {used, limit: known.reduce((sum, limit) => sum + limit, 0)}
}
