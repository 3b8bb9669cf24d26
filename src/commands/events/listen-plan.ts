import {BusError} from '../../lib/core/errors.ts'
import type {Filter} from '../../lib/protocols/event-delivery/filter.ts'

/**
 * The `start` action that the flags of `events listen` describe; undefined when they name nothing, as the URL may. Throws
 * `usage`.
 */
export function startAction(
  flags: {
    readonly namespace?: string | undefined
    readonly name?: string | undefined
    readonly 'auto-ack'?: boolean | undefined
  },
  filter: Filter,
  options: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> | undefined {
  const {namespace, name, 'auto-ack': autoack = false} = flags
  const isGiven =
    Object.keys(filter).length > 0 || Object.values(options).some((value) => value !== undefined && value !== false)
  if (namespace === undefined) {
    if (name === undefined && !isGiven && !autoack) return undefined
    throw new BusError('usage', 'a subscription is of a stream', {try: ['--namespace ORDERS']})
  }
  if (name === undefined) return {namespace, ephemeral: true, autoack, filter, options: {...options, withData: true}}
  if (isGiven) {
    const sentence = 'a durable subscription has its filter and options where it was made'
    throw new BusError('usage', sentence, {try: ['bus events add … --replace', 'leave --name out']})
  }
  return {namespace, name, autoack}
}
