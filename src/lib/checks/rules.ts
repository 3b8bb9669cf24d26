/** What a shape cannot say of what a check does: keys that exclude each other, subjects, placeholders. */
import {BusError} from '../core/errors.ts'
import {checkHeader} from '../core/message.ts'
import {checkPattern} from '../core/subject.ts'
import type {Spec} from './file.ts'
import type {Shapes} from './shape.ts'
import {unknownName} from './variables.ts'
import type {Path} from './yaml.ts'

/** A place in what was looked at, and what is wrong there. */
export type Objection = readonly [path: Path, sentence: string]

/** Texts in which `{name}` is not a placeholder: JSONata has braces of its own, and steps are looked at by themselves. */
const notFilled: ReadonlySet<PropertyKey> = new Set(['where', 'order', 'do'])

/** `names` are those that stand for something. */
export function* objectionsTo(spec: Spec, names: ReadonlySet<string>): Generator<Objection> {
  const [body, second] = ['body', 'json', 'base64', 'file'].filter((name) => name in spec)
  if (second !== undefined) yield [[second], `"${second}" is a second payload, after "${body}"`]
  for (const [path, subject] of subjectsOf(spec)) {
    const isFixed = !/\{[a-z]/i.test(subject)
    if (isFixed) yield* refusal(path, () => checkPattern(subject))
  }
  if ('headers' in spec) {
    for (const [name, value] of Object.entries(spec.headers ?? {}))
      yield* refusal(['headers', name], () => checkHeader(name, String(value)))
  }
  // In a message that is sent several times, {n} is its number.
  const known = spec.kind === 'pub' ? new Set([...names, 'n']) : names
  for (const [key, value] of Object.entries(spec)) if (!notFilled.has(key)) yield* unknownNames(value, known, [key])
  if (spec.kind === 'messages') yield* objectionsToMessages(spec)
  if (spec.kind === 'rpc' && spec.subject === undefined && (spec.service === undefined || spec.method === undefined))
    yield [[], '"rpc" needs "subject", or "service" and "method"']
  if (spec.kind === 'pub' && spec['msg-id'] !== undefined && !spec.ack) yield [['msg-id'], '"msg-id" needs "ack: true"']
}

/** Every placeholder in the texts of a value for which there is nothing among these names. */
export function* unknownNames(value: unknown, names: ReadonlySet<string>, path: Path): Generator<Objection> {
  if (typeof value === 'string') {
    try {
      const unknown = unknownName(value, names)
      if (unknown === undefined) return
      const {name} = unknown
      yield [path, `there is nothing that {${name}} stands for; write {{${name}}} if the braces are meant`]
    } catch (error) {
      yield [path, sentenceOf(error)]
    }
  } else if (value !== null && typeof value === 'object') {
    for (const [key, item] of Object.entries(value))
      yield* unknownNames(item, names, [...path, Array.isArray(value) ? Number(key) : key])
  }
}

/** The subjects and patterns of a check, and where they stand in it. */
export function* subjectsOf(spec: Spec): Generator<readonly [Path, string]> {
  if ('subject' in spec && spec.subject !== undefined) yield [['subject'], spec.subject]
  if ('topic' in spec) yield [['topic'], spec.topic]
  if (spec.kind !== 'messages') return
  for (const [at, subject] of (spec.subjects ?? []).entries()) yield [['subjects', at], subject]
}

function* objectionsToMessages(spec: Shapes['messages']): Generator<Objection> {
  if ((spec.subject === undefined) === (spec.subjects === undefined))
    yield [[], '"messages" needs "subject" or "subjects", one of them']
  const exact = ['exactly', 'none'].filter((name) => name in spec)
  const bounds = ['at-least', 'at-most'].filter((name) => name in spec)
  if (exact.length > 1 || (exact.length > 0 && bounds.length > 0))
    yield [[exact[0] ?? ''], `"${exact[0]}" says how many, and "${exact[1] ?? bounds[0]}" does too`]
  const {'at-least': least = 0, 'at-most': most = Number.POSITIVE_INFINITY} = spec
  if (least > most) yield [['at-least'], '"at-least" is more than "at-most"']
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
