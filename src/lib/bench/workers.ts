import type {Client} from './client.ts'
import type {Tally} from './meter.ts'

export interface Crew {
  /** They listen, and are live before the others begin. */
  readonly listening: readonly Client[]
  /** They send; when they have ended, the listening ones end as soon as nothing comes. */
  readonly sending: readonly Client[]
}

/** Leads both sides of a measurement from the first to the last. Fails as the first client that fails. */
export async function lead(
  {listening, sending}: Crew,
  {signal, onReady}: {readonly signal: AbortSignal; readonly onReady?: (() => void) | undefined},
): Promise<{listening: Tally[]; sending: Tally[]}> {
  const all = [...listening, ...sending]
  const stop = () => {
    for (const client of all) client.stop()
  }
  signal.addEventListener('abort', stop)
  if (signal.aborted) stop()
  const ends = Promise.all(all.map(({ended}) => ended))
  try {
    await Promise.race([Promise.all(all.map(({ready}) => ready)), ends])
    onReady?.()
    for (const client of all) client.go()
    const sent = Promise.all(sending.map(({ended}) => ended))
    await Promise.race([sent, ends])
    if (sending.length > 0) for (const client of listening) client.quiet()
    await ends
    return {listening: await Promise.all(listening.map(({ended}) => ended)), sending: await sent}
  } catch (error) {
    stop()
    await Promise.allSettled(all.map(({ended}) => ended))
    throw error
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
