/** The stream of a mirror, or a source, with its settings: `ORDERS,filter=orders.eu,from=@-1h`. */
import {BusError} from '../../lib/core/errors.ts'
import {parsePosition} from '../../lib/core/position.ts'
import {checkPattern} from '../../lib/core/subject.ts'
import {isoTime} from '../../lib/core/time/timestamp.ts'
import {checkStoreName} from '../../lib/transport/shared/stream-settings.ts'

/** A mirrored stream or a source, with the names of the server's API. */
export interface Origin {
  readonly name: string
  readonly filter_subject?: string
  readonly subject_transforms?: readonly Mapping[]
  readonly opt_start_seq?: number
  readonly opt_start_time?: string
  readonly external?: {readonly api: string; readonly deliver?: string}
}

interface Mapping {
  readonly src: string
  readonly dest: string
}

const settings = ['filter', 'transform', 'from', 'domain', 'api', 'deliver']
const example = 'ORDERS,filter=orders.eu.>,from=@-1h'

/** Not within the functions of a transform, as in `{{partition(3,1,2)}}`. */
const comma = /,(?![^{}]*\}\})/

/** Two patterns: `orders.*,orders.{{partition(3,1)}}`. Throws `usage`. */
export function parseMapping(input: string): Mapping {
  const [src = '', dest = '', more] = input.split(comma)
  if (dest !== '' && more === undefined) return {src, dest}
  throw new BusError('usage', `${JSON.stringify(input)} is not two patterns`, {try: ['orders.>,stored.>']})
}

/** Throws `usage`. */
export function parseOrigin(input: string): Origin {
  const [name = '', ...pairs] = input.split(comma)
  checkStoreName('stream', name)
  const given = new Map<string, string>()
  const transforms: Mapping[] = []
  for (const pair of pairs) {
    const [, setting = '', value = ''] = /^([^=]*)=(.+)$/.exec(pair) ?? []
    if (!settings.includes(setting))
      throw new BusError('usage', `${JSON.stringify(input)}: ${JSON.stringify(pair)} is not a setting of a source`, {
        try: [`SETTING=VALUE with one of ${settings.join(', ')}`, example],
      })
    if (setting === 'transform') transforms.push(parseTransform(value))
    else if (given.has(setting)) throw new BusError('usage', `${JSON.stringify(input)}: ${setting} is given twice`)
    else given.set(setting, value)
  }
  const filter = given.get('filter')
  if (filter !== undefined && transforms.length > 0)
    throw new BusError('usage', `${JSON.stringify(input)}: filter and transform cannot be used together`, {
      try: [`transform=${filter}:${filter}, which filters as well`],
    })
  return {
    name,
    ...(filter !== undefined && {filter_subject: checkPattern(filter)}),
    ...(transforms.length > 0 && {subject_transforms: transforms}),
    ...startOf(given.get('from')),
    ...externalOf(given, input),
  }
}

function parseTransform(text: string): Mapping {
  const [src = '', dest = '', more] = text.split(':')
  if (dest === '' || more !== undefined)
    throw new BusError('usage', `${JSON.stringify(text)} is not two patterns`, {try: ['transform=orders.>:stored.>']})
  return {src: checkPattern(src), dest}
}

function startOf(from: string | undefined): Pick<Origin, 'opt_start_seq' | 'opt_start_time'> {
  if (from === undefined || from === 'first') return {}
  const start = parsePosition(from)
  if (typeof start === 'object' && 'seq' in start) return {opt_start_seq: start.seq}
  // In the format of the server, so that the same flags give the same configuration.
  if (typeof start === 'object' && 'timeMs' in start)
    return {opt_start_time: isoTime(start.timeMs).replace(/\.?0+Z$/, 'Z')}
  throw new BusError('usage', `a source cannot start at ${JSON.stringify(from)}`, {try: ['a sequence or a time']})
}

function externalOf(given: ReadonlyMap<string, string>, input: string): Pick<Origin, 'external'> {
  const [domain, api, deliver] = ['domain', 'api', 'deliver'].map((setting) => given.get(setting))
  if (domain !== undefined && api !== undefined)
    throw new BusError('usage', `${JSON.stringify(input)}: domain and api cannot be used together`)
  const prefix = domain === undefined ? api : `$JS.${domain}.API`
  if (prefix !== undefined) return {external: {api: prefix, ...(deliver !== undefined && {deliver})}}
  if (deliver === undefined) return {}
  throw new BusError('usage', `${JSON.stringify(input)}: deliver needs domain or api`)
}
