/**
 * Header names that a NATS server, JetStream or a NATS service knows. A server compares them case-sensitively (nats-server,
 * `server/stream.go`), so every driver writes them as the server does.
 */
import type {Headers} from '../../core/message.ts'

const names = [
  'Nats-Batch-Commit',
  'Nats-Batch-Id',
  'Nats-Batch-Sequence',
  'Nats-Counter-Sources',
  'Nats-Expected-Last-Msg-Id',
  'Nats-Expected-Last-Sequence',
  'Nats-Expected-Last-Subject-Sequence',
  'Nats-Expected-Last-Subject-Sequence-Subject',
  'Nats-Expected-Stream',
  'Nats-Incr',
  'Nats-Marker-Reason',
  'Nats-Msg-Id',
  'Nats-Pin-Id',
  'Nats-Required-Api-Level',
  'Nats-Response-Type',
  'Nats-Rollup',
  'Nats-Schedule',
  'Nats-Schedule-Next',
  'Nats-Schedule-Rollup',
  'Nats-Schedule-Source',
  'Nats-Schedule-Target',
  'Nats-Schedule-TTL',
  'Nats-Schedule-Time-Zone',
  'Nats-Scheduler',
  'Nats-Service-Error',
  'Nats-Service-Error-Code',
  'Nats-Stream-Source',
  'Nats-Trace-Dest',
  'Nats-Trace-Only',
  'Nats-TTL',
]
/** Made with the first header that may have such a name. */
let spelling: ReadonlyMap<string, string> | undefined
const dash = 45

/** The name in the server's spelling; any other name unchanged. */
export function serverSpelling(name: string): string {
  if (name.charCodeAt(4) !== dash) return name
  spelling ??= new Map(names.map((known) => [known.toLowerCase(), known]))
  return spelling.get(name.toLowerCase()) ?? name
}

/** The headers with known names in the server's spelling. */
export function withServerSpelling(headers: Headers): Headers {
  return headers.every(([name]) => serverSpelling(name) === name)
    ? headers
    : headers.map(([name, value]) => [serverSpelling(name), value])
}
