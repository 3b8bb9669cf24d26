/**
 * Subjects and patterns by the rules of NATS (docs.nats.io, "Subject-Based Messaging") on every bus: tokens separated by `.`;
 * in a pattern `*` matches one token and a final `>` one or more.
 */
import {BusError} from './errors.ts'

/** Checks a subject to publish to. Throws `usage` with the fault and its position (1-based). */
export function checkSubject(subject: string): string {
  checkTokens(subject)
  const wildcard = findWildcard(subject)
  if (wildcard >= 0) {
    throw fault(subject, wildcard, `wildcard "${subject[wildcard]}"`, 'wildcards are only for subscribing: bus sub')
  }
  return subject
}

/** Checks a pattern to subscribe to. Throws `usage` with the fault and its position (1-based). */
export function checkPattern(pattern: string): string {
  checkTokens(pattern)
  const rest = pattern.search(/(^|\.)>\./)
  if (rest >= 0) {
    const at = pattern[rest] === '>' ? rest : rest + 1
    throw fault(pattern, at, '">" before the last token', 'use "*" for one token in the middle')
  }
  return pattern
}

/** Whether it belongs to the bus itself (`$JS.`, `$SYS.`, `$KV.`): what is published there has effects, such as a purge. */
export function isSystemSubject(subject: string): boolean {
  return subject.startsWith('$')
}

/** Whether the pattern has a wildcard token. */
export function hasWildcard(pattern: string): boolean {
  return findWildcard(pattern) >= 0
}

/** Whether `pattern` matches `subject`. For many patterns use `SubjectTrie`. */
export function matches(pattern: string, subject: string): boolean {
  if (pattern === subject || pattern === '>') return true
  return covers(pattern, subject)
}

/** Whether `wide` matches every subject that `narrow` matches. Both may be patterns. */
export function covers(wide: string, narrow: string): boolean {
  const want = wide.split('.')
  const have = narrow.split('.')
  for (let i = 0; i < want.length; i++) {
    if (want[i] === '>') return have.length > i
    if (have[i] === undefined || have[i] === '>') return false
    if (want[i] !== '*' && want[i] !== have[i]) return false
  }
  return want.length === have.length
}

/** Whether some subject matches both patterns. */
export function overlaps(one: string, other: string): boolean {
  const a = one.split('.')
  const b = other.split('.')
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    if (a[i] === undefined || b[i] === undefined) return false
    if (a[i] === '>' || b[i] === '>') return true
    if (a[i] !== b[i] && a[i] !== '*' && b[i] !== '*') return false
  }
  return true
}

/**
 * The valid patterns of one subscription without those that another one covers, so that each message arrives once. Throws
 * `usage` for an invalid pattern and if there is none.
 */
export function checkPatterns(patterns: string | readonly string[]): string[] {
  const unique = [...new Set([patterns].flat().map(checkPattern))]
  if (unique.length === 0) throw new BusError('usage', 'a subscription needs a subject', {code: 'subject'})
  return unique.filter((narrow) => !unique.some((wide) => wide !== narrow && covers(wide, narrow)))
}

/**
 * Values stored under patterns. The time to find the matches of a subject depends on its tokens, not on the number of patterns.
 */
export class SubjectTrie<T> {
  readonly #root = new Node<T>()
  #size = 0

  get size(): number {
    return this.#size
  }

  add(pattern: string, value: T): void {
    let node = this.#root
    for (const token of pattern.split('.')) {
      let next = node.children.get(token)
      if (next === undefined) {
        next = new Node<T>()
        node.children.set(token, next)
      }
      node = next
    }
    node.values.push(value)
    this.#size++
  }

  /** Removes one entry of `value` under `pattern`, and branches that become empty. */
  remove(pattern: string, value: T): void {
    const path: [Node<T>, string][] = []
    let node = this.#root
    for (const token of pattern.split('.')) {
      const next = node.children.get(token)
      if (next === undefined) return
      path.push([node, token])
      node = next
    }
    const at = node.values.indexOf(value)
    if (at < 0) return
    node.values.splice(at, 1)
    this.#size--
    for (const [parent, token] of path.reverse()) {
      const child = parent.children.get(token)
      if (child === undefined || child.values.length > 0 || child.children.size > 0) return
      parent.children.delete(token)
    }
  }

  /** The values of all matching patterns, in no particular order; a value stored twice is returned twice. */
  match(subject: string): T[] {
    const found: T[] = []
    collect(this.#root, subject.split('.'), 0, found)
    return found
  }
}

class Node<T> {
  readonly children = new Map<string, Node<T>>()
  readonly values: T[] = []
}

function collect<T>(node: Node<T>, tokens: readonly string[], at: number, found: T[]): void {
  const token = tokens[at]
  if (token === undefined) {
    for (const value of node.values) found.push(value)
    return
  }
  const rest = node.children.get('>')
  // Not `push(...values)`: a call accepts at most about 120,000 arguments.
  for (const value of rest?.values ?? []) found.push(value)
  const any = node.children.get('*')
  if (any !== undefined) collect(any, tokens, at + 1, found)
  const same = node.children.get(token)
  if (same !== undefined && same !== any && same !== rest) collect(same, tokens, at + 1, found)
}

function checkTokens(text: string): void {
  if (text === '') {
    const hint = "orders.created, or '>' to see everything"
    throw new BusError('usage', 'the subject is empty', {code: 'subject', try: [hint]})
  }
  const bad = text.search(/[\p{Cc} \u00a0\u2028\u2029\p{Cs}]/u)
  if (bad >= 0)
    throw fault(text, bad, nameOf(text.charCodeAt(bad)), 'subjects are tokens separated by ".", without spaces')
  if (text.startsWith('.')) throw fault(text, 0, 'a leading "."', 'remove it')
  if (text.endsWith('.')) throw fault(text, text.length - 1, 'a trailing "."', 'remove it, or end with ".>"')
  const empty = text.indexOf('..')
  if (empty >= 0) throw fault(text, empty + 1, 'an empty token', 'tokens between "." must not be empty')
}

function findWildcard(subject: string): number {
  if (!subject.includes('*') && !subject.includes('>')) return -1
  const at = subject.search(/(^|\.)[*>](\.|$)/)
  return at < 0 || subject[at] !== '.' ? at : at + 1
}

function nameOf(code: number): string {
  const names: Record<number, string> = {9: 'a tab', 10: 'a newline', 13: 'a carriage return', 32: 'a space'}
  if (code >= 0xd800 && code <= 0xdfff) return 'half a surrogate pair'
  const kind = code < 0xa0 ? 'control character' : 'space'
  return names[code] ?? `the ${kind} U+${code.toString(16).toUpperCase().padStart(4, '0')}`
}

function fault(text: string, at: number, found: string, hint: string): BusError {
  const sentence = `subject ${JSON.stringify(text)} has ${found} at position ${at + 1}`
  return new BusError('usage', sentence, {code: 'subject', try: [hint], data: {position: at + 1}})
}
