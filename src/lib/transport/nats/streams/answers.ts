/**
 * Whether what came is an answer of the JetStream API. Anybody who may subscribe there can answer, and what a program
 * then takes for a stream must at least have the members of one.
 */

/** Each member stands for its type; `undefined` for one of any. A list has its one item. */
const stream = {
  config: {name: '', retention: '', storage: '', discard: ''},
  state: {messages: 0, bytes: 0, first_seq: 0, last_seq: 0, consumer_count: 0},
}
const place = {consumer_seq: 0, stream_seq: 0}
const consumer = {stream_name: '', name: '', config: {}, delivered: place, ack_floor: place}

const shapes: readonly (readonly [operation: RegExp, like: object])[] = [
  [/^STREAM\.(CREATE|INFO)\./, stream],
  [/^STREAM\.LIST$/, {streams: [stream]}],
  [/^STREAM\.NAMES$/, {streams: ['']}],
  [/^STREAM\.MSG\.GET\./, {message: {subject: '', seq: 0, time: ''}}],
  [/^STREAM\.PURGE\./, {purged: 0}],
  [/^CONSUMER\.(CREATE|INFO|RESET)\./, consumer],
  [/^CONSUMER\.LIST\./, {consumers: [consumer]}],
]

/** Members whose items or values are texts or numbers wherever they stand. */
const lists: Readonly<Record<string, string>> = {subjects: 'string', filter_subjects: 'string', backoff: 'number'}

export function isAnswer(operation: string, answer: object): boolean {
  const [, like] = shapes.find(([of]) => of.test(operation)) ?? []
  return like === undefined || fits(answer, like)
}

function fits(value: unknown, like: unknown): boolean {
  if (Array.isArray(like)) return value === null || (Array.isArray(value) && value.every((item) => fits(item, like[0])))
  if (typeof like !== 'object' || like === null) return typeof value === typeof like
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const has = value as Readonly<Record<string, unknown>>
  return Object.entries(like).every(([name, inner]) => fits(has[name], inner)) && Object.entries(has).every(isList)
}

function isList([name, value]: readonly [string, unknown]): boolean {
  const type = Object.hasOwn(lists, name) ? lists[name] : undefined
  return type === undefined || !Array.isArray(value) || value.every((item) => typeof item === type)
}
