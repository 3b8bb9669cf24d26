/** From the flags of `serve` to its queue group and identity. */
import type {ServeFlags} from '../../lib/cli/flags/reply-handler.ts'
import {checkIdentity, type Identity} from '../../lib/messaging/pubsub/service.ts'

export interface StreamFlags extends ServeFlags {
  readonly stream?: boolean | undefined
  readonly chunk?: number | undefined
  readonly delimiter?: string | undefined
  readonly every?: number | undefined
  readonly count?: number | undefined
  readonly concurrency?: number | undefined
  readonly for?: number | undefined
  readonly idle?: number | undefined
}

/** The queue group that the flags ask for. */
export function queueOf(flags: Pick<ServeFlags, 'queue' | 'no-queue'>): string | undefined {
  return flags['no-queue'] ? undefined : (flags.queue ?? 'busline')
}

/** What the flags make it known by, if they do. Fails with `usage`. */
export function identityOf(flags: Pick<ServeFlags, 'subject' | 'service' | 'version'>): Identity | undefined {
  const {subject, service: name, version = '0.0.0'} = flags
  if (name === undefined) return undefined
  return checkIdentity({name, id: crypto.randomUUID(), version, description: `bus serve ${subject}`})
}
