/** `pub --at`, `--after` and `--cron`: messages that a server publishes later (ADR-51). Loaded only for these flags. */
import {BusError} from '../../lib/core/errors.ts'
import {checkHeader, type Headers} from '../../lib/core/message.ts'
import {parsePosition} from '../../lib/core/position.ts'
import {checkSubject} from '../../lib/core/subject.ts'
import {shellWord} from '../../lib/core/text/shell-word.ts'
import {isoTime} from '../../lib/core/time/timestamp.ts'
import type {Transport} from '../../lib/transport/contract.ts'

export interface LaterPublish {
  readonly at?: string | undefined
  /** Milliseconds. */
  readonly after?: number | undefined
  readonly cron?: string | undefined
  /** The subject to which the message is published then. */
  readonly target?: string | undefined
}

/** The headers of a scheduled message. Throws `usage`. */
export function scheduleHeaders({at, after, cron, target}: LaterPublish, now: number = Date.now()): Headers {
  if (target === undefined)
    throw new BusError('usage', '--target is missing: the subject to which the message is published later', {
      try: ['bus pub later.1 hello --ack --after 5m --target orders.created'],
    })
  const schedule = cron ?? `@at ${isoTime(after === undefined ? timeOf(at ?? '', now) : now + after)}`
  return [checkHeader('Nats-Schedule', schedule), ['Nats-Schedule-Target', checkSubject(target)]]
}

/**
 * Fails with `usage` if the stream that stores the subject does not allow schedules: a server before 2.12 would store the message,
 * and never publish it.
 */
export async function checkSchedules(bus: Transport, subject: string): Promise<void> {
  const {streams, url} = bus
  for (const name of await streams.keeping(subject)) {
    const {config} = await streams.info(name)
    if (config.other?.['allow_msg_schedules'] === true) continue
    const {software, version = ''} = await bus.facts()
    const [major = 0, minor = 0] = version.split('.').map(Number)
    if (software === 'nats-server' && (major < 2 || (major === 2 && minor < 12)))
      throw new BusError('usage', `the server of ${url} is ${version}: publishing later needs 2.12`)
    throw new BusError('usage', `the stream ${name} on ${url} publishes nothing later: only a server of 2.12 can`, {
      try: [`bus stream edit ${shellWord(name)} --allow-schedules`],
    })
  }
}

function timeOf(input: string, now: number): number {
  const position = parsePosition(input.startsWith('@') ? input : `@${input}`, now)
  const timeMs = typeof position === 'object' && 'timeMs' in position ? position.timeMs : 0
  if (timeMs > now) return timeMs
  throw new BusError('usage', `--at: ${JSON.stringify(input)} is over`, {try: ['2030-01-01T06:00Z', '--after 1h']})
}
