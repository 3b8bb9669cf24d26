/**
 * Headers by which a message asks its store for something: an age, a roll-up, a schedule, an expectation. A copy should
 * not ask the same of another store, where a roll-up would remove messages. So in a copy they are data, with `Bus-` in the
 * place of `Nats-`, unless the user wants them carried out.
 */
import type {Headers} from './message.ts'

/** `Nats-Msg-Id` is none of these: it names the message. */
const directive =
  /^nats-(rollup|ttl|incr|pin-id|required-api-level|schedule(r|-.+)?|expected-.+|batch-.+|counter-sources|stream-source|stream-identity|trace-.+)$/i

/** What may be carried out again from a copy that has it as data: it says what the message is to its store. */
const restorable = /^bus-(rollup|ttl|incr|schedule(r|-.+)?)$/i

const from = 'Nats-'
const to = 'Bus-'

/** The headers without anything that a store would carry out. */
export function directivesAsData(headers: Headers): Headers {
  return renamed(headers, directive, from, to)
}

/** The headers with what an earlier copy kept as data in its own form again, to be carried out. */
export function directivesRestored(headers: Headers): Headers {
  return renamed(headers, restorable, to, from)
}

function renamed(headers: Headers, pattern: RegExp, before: string, after: string): Headers {
  if (!headers.some(([name]) => pattern.test(name))) return headers
  return headers.map(([name, value]) => [pattern.test(name) ? after + name.slice(before.length) : name, value])
}
