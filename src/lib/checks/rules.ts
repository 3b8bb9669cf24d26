/** Rules for checks that the shape cannot express: exclusive keys, valid subjects, known placeholders. */
import {BusError} from '../core/errors.ts'
import {checkHeader} from '../core/message.ts'
import {checkPattern} from '../core/subject.ts'
import type {Spec} from './check.ts'
import type {Shapes} from './shape.ts'
import {unknownName} from './variables.ts'
import type {Path} from './yaml.ts'

/** A path in a value and what is wrong there. */
export type Objection = readonly [path: Path, sentence: string]

/** Keys whose strings have no placeholders: JSONata uses braces itself, and steps are checked on their own. */
const notFilled: ReadonlySet<PropertyKey> = new Set(['where', 'order', 'do'])

/** `names` are the known variables. */
export function* objectionsTo(spec: Spec, names: ReadonlySet<string>): Generator<Objection> {
  const [body, second] = ['body', 'json', 'base64', 'file'].filter((name) => name in spec)
  if (second !== undefined) yield [[second], `"${second}" is a second payload besides "${body}"`]
  for (const [path, subject] of subjectsOf(spec)) {
    const isFixed = !/\{[a-z]/i.test(subject)
    if (isFixed) yield* refusal(path, () => checkPattern(subject))
  }
  if ('headers' in spec) {
    for (const [name, value] of Object.entries(spec.headers ?? {}))
      yield* refusal(['headers', name], () => checkHeader(name, String(value)))
  }
  // `pub` sets {n}, the number of the message.
  const known = spec.kind === 'pub' ? new Set([...names, 'n']) : names
  for (const [key, value] of Object.entries(spec)) if (!notFilled.has(key)) yield* unknownNames(value, known, [key])
  if (spec.kind === 'messages') yield* objectionsToMessages(spec)
  if (spec.kind === 'rpc' && spec.subject === undefined && (spec.service === undefined || spec.method === undefined))
    yield [[], '"rpc" needs "subject", or "service" and "method"']
  if (spec.kind === 'pub' && spec['msg-id'] !== undefined && !spec.ack) yield [['msg-id'], '"msg-id" needs "ack: true"']
}

/** Every placeholder in a value whose name is unknown. */
export function* unknownNames(value: unknown, names: ReadonlySet<string>, path: Path): Generator<Objection> {
  if (typeof value === 'string') {
    try {
      const unknown = unknownName(value, names)
      if (unknown === undefined) return
      const {name} = unknown
      yield [path, `{${name}} is not a known variable; write {{${name}}} for literal braces`]
    } catch (error) {
      yield [path, sentenceOf(error)]
    }
  } else if (value !== null && typeof value === 'object') {
    for (const [key, item] of Object.entries(value))
      yield* unknownNames(item, names, [...path, Array.isArray(value) ? Number(key) : key])
  }
}

/** The subjects and patterns of a check, with their paths. */
export function* subjectsOf(spec: Spec): Generator<readonly [Path, string]> {
  if ('subject' in spec && spec.subject !== undefined) yield [['subject'], spec.subject]
  if ('topic' in spec) yield [['topic'], spec.topic]
  if (spec.kind !== 'messages') return
  for (const [at, subject] of (spec.subjects ?? []).entries()) yield [['subjects', at], subject]
}

function* objectionsToMessages(spec: Shapes['messages']): Generator<Objection> {
  if ((spec.subject === undefined) === (spec.subjects === undefined))
    yield [[], '"messages" needs one of "subject" and "subjects"']
  const exact = ['exactly', 'none'].filter((name) => name in spec)
  const bounds = ['at-least', 'at-most'].filter((name) => name in spec)
  if (exact.length > 1 || (exact.length > 0 && bounds.length > 0))
    yield [[exact[0] ?? ''], `"${exact[0]}" and "${exact[1] ?? bounds[0]}" cannot be used together`]
  const {'at-least': least = 0, 'at-most': most = Number.POSITIVE_INFINITY} = spec
  if (least > most) yield [['at-least'], '"at-least" is greater than "at-most"']
}

function* refusal(path: Path, check: () => unknown): Generator<Objection> {
  try {
    check()
  } catch (error) {
    yield [path, sentenceOf(error)]
  }
}

function sentenceOf(error: unknown): string {
  if (error instanceof BusError) return error.message
  throw error
}
