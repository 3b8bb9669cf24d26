/**
 * Headers by which a message asks its store for something: an age, a roll-up, a schedule, an expectation. A copy should not ask
 * the same of another store, where a roll-up would remove messages. So a copy keeps them as data, with `Bus-` in place of
 * `Nats-`, unless the user wants the store to act on them.
 */
import type {Headers} from './message.ts'

/** `Nats-Msg-Id` is not one of these: it identifies the message. */
const directive =
  /^nats-(rollup|ttl|incr|pin-id|required-api-level|schedule(r|-.+)?|expected-.+|batch-.+|counter-sources|stream-source|stream-identity|trace-.+)$/i

/** Headers that may be restored from a copy: they tell a store about the message. */
const restorable = /^bus-(rollup|ttl|incr|schedule(r|-.+)?)$/i

const from = 'Nats-'
const to = 'Bus-'

/** The headers without anything that a store would act on. */
export function directivesAsData(headers: Headers): Headers {
  return renamed(headers, directive, from, to)
}

/** The headers with those that an earlier copy kept as data restored, so that a store acts on them. */
export function directivesRestored(headers: Headers): Headers {
  return renamed(headers, restorable, to, from)
}

function renamed(headers: Headers, pattern: RegExp, before: string, after: string): Headers {
  if (!headers.some(([name]) => pattern.test(name))) return headers
  return headers.map(([name, value]) => [pattern.test(name) ? after + name.slice(before.length) : name, value])
}
