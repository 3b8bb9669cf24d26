/** Why a consumer delivers nothing, as text. */
import type {Stall} from '../../messaging/stored/stall.ts'
import type {ConsumerInfo} from '../../transport/streams-contract.ts'
import {formatCount, formatMoment} from './units.ts'

/** `paused until 2026-11-20T10:24:31.482Z (in 2 min 5 s)` */
export function stallText(stall: Stall): string {
  switch (stall.reason) {
    case 'paused':
      return `paused until ${formatMoment(stall.until)}`
    case 'pinned':
      return `pinned to another client (${stall.client} in the priority group ${stall.group})`
    case 'no-interest':
      return `no client is subscribed to "${stall.subject}", to which its messages are sent`
    case 'max-ack-pending':
      return `max ack pending is reached: ${formatCount(stall.unacknowledged)} unacknowledged`
    case 'max-waiting':
      return `max waiting is reached: ${formatCount(stall.waiting)} pull requests`
  }
}

/** `consumer billing of ORDERS delivers nothing: paused until …` */
export function stallLine(stall: Stall, {stream, config}: ConsumerInfo): string {
  return `consumer ${config.name} of ${stream} delivers nothing: ${stallText(stall)}`
}

/** `pinned to the client D475U3cX in the priority group A` */
export function pinnedTexts({pinned = []}: ConsumerInfo): readonly string[] {
  return pinned.map(({group, client}) => `pinned to the client ${client} in the priority group ${group}`)
}
