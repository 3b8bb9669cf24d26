import {BusError} from '../../core/errors.ts'
import {durationMs} from '../../core/time/duration.ts'

/** The parts of a `libbus:` URL. */
export interface LibbusAddress {
  readonly path: string
  /** Create the file and its tables if they do not exist. */
  readonly create: boolean
  /** Milliseconds between two polls: for events, and for requests and replies. */
  readonly eventsMs: number
  readonly requestsMs: number
}

/** Parses `libbus:PATH`, and after `?`, separated by `&`: `create`, and `poll=20ms` for both intervals. Throws `usage`. */
export function parseLibbusUrl(url: string): LibbusAddress {
  const [path = '', query = ''] = url.slice('libbus:'.length).split(/\?(.*)/s)
  if (path === '') throw bad(url, 'has no path')
  const options = new URLSearchParams(query)
  for (const name of options.keys()) {
    if (name !== 'create' && name !== 'poll') throw bad(url, `has the unknown option ${JSON.stringify(name)}`)
  }
  const poll = options.get('poll')
  const pollMs = poll === null ? undefined : durationMs(poll)
  if (poll !== null && !(pollMs !== undefined && pollMs >= 1 && pollMs <= 60_000)) {
    throw bad(url, `has a poll of ${JSON.stringify(poll)}, which is not a duration from 1ms to 1m`)
  }
  const create = options.get('create') ?? undefined
  if (create !== undefined && create !== '') throw bad(url, 'has a value for create, which takes no value')
  return {path, create: create !== undefined, eventsMs: pollMs ?? 50, requestsMs: pollMs ?? 20}
}

function bad(url: string, what: string): BusError {
  return new BusError('usage', `the bus ${JSON.stringify(url)} ${what}`, {
    try: ['libbus:.contenox/local.db', 'libbus:./bus.db?create', 'libbus:./bus.db?poll=5ms'],
  })
}
