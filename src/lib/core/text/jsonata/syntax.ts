/** Examines the parts of an expression, and changes those that could exceed the limits. */

import {isRounded, numberOf} from '../long-numbers.ts'
import {makeExact} from './exact.ts'
import type {SyntaxNode} from './library.ts'

const arithmetic = new Set<unknown>(['+', '-', '*'])

export interface Syntax {
  /** The regular expressions. */
  readonly regexes: readonly {readonly value: RegExp; readonly position: number | undefined}[]
  /** Variables and functions, without `$`. */
  readonly names: ReadonlySet<string>
  /** Variables that refer to the root. */
  readonly roots: readonly SyntaxNode[]
  /** It contains `$eval`, which may use any name and any regular expression. */
  readonly isOpen: boolean
  /** It calculates, so a result may be a number beyond 2^53. */
  readonly hasArithmetic: boolean
  /** It contains a number beyond 2^53. */
  readonly hasLong: boolean
  /** It contains `|…|…|`, which changes values. */
  readonly hasTransform: boolean
  /** A result may contain the same value many times. */
  readonly mayRepeat: boolean
  /** It creates lists or objects from others. */
  readonly makesValues: boolean
  /** The signature of a function whose arguments cannot be matched quickly. */
  readonly refusedSignature: {readonly definition: string; readonly position: number | undefined} | undefined
}

/** The functions of JSONata. */
export const libraryNames: ReadonlySet<string> = new Set(
  `sum count max min average string substring substringBefore substringAfter lowercase uppercase length trim pad match
  contains replace split join formatNumber formatBase formatInteger parseInteger number floor ceil round abs sqrt power
  random boolean not map zip filter single reduce sift keys lookup append exists spread merge reverse each error assert
  type sort shuffle distinct base64encode base64decode encodeUrlComponent encodeUrl decodeUrlComponent decodeUrl eval
  toMillis fromMillis clone now millis`.split(/\s+/),
)

/** Functions that replace operators; no expression can name them. */
export const concatName = '\0concat'
export const targetsName = '\0targets'
/** The root of the expression that calls `$eval`. */
export const rootName = '\0root'

/** Optional and repeatable parameters of a signature: JSONata tries all ways to match the arguments. */
const mostOpenParameters = 8

/** Examines the syntax tree of a source, and replaces some operators by functions; in an exact expression, all operators. */
export function prepareSyntax(ast: unknown, source: string, isExact: boolean): Syntax {
  const regexes: {value: RegExp; position: number | undefined}[] = []
  const names = new Set<string>()
  const roots: SyntaxNode[] = []
  let hasTransform = false
  let hasArithmetic = false
  let hasLong = false
  const repetition = new Repetition()
  const mayRepeat = repetition.isIn(ast as SyntaxNode, {})
  let refusedSignature: Syntax['refusedSignature']
  const seen = new Set<object>([ast as object])
  // A set is iterated in insertion order, so entries added during the iteration come last.
  for (const found of seen) {
    const node = found as SyntaxNode
    if (node.value instanceof RegExp) regexes.push({value: node.value, position: node.position})
    if (node.type === 'variable') names.add(String(node.value))
    if (node.type === 'variable' && node.value === '$') roots.push(node)
    if (node.type === 'transform') {
      hasTransform = true
      names.add('clone').add(targetsName)
      node['pattern'] = call(targetsName, [node['pattern']], node.position)
    }
    if (node.type === 'lambda' && isOpenSignature(node)) {
      refusedSignature ??= {definition: definitionOf(node) ?? '', position: node.position}
    }
    if (node.type === 'binary' && node.value === '&') concatenate(node)
    if (node.type === 'binary' && arithmetic.has(node.value)) hasArithmetic = true
    if (node.type === 'number' && isRounded(Number(node.value))) {
      hasLong = true
      node.value = literalOf(source, node)
    }
    if (isExact) makeExact(node, call)
    for (const child of Object.values(node)) if (typeof child === 'object' && child !== null) seen.add(child)
  }
  return {
    ...{regexes, names, roots, isOpen: names.has('eval'), hasTransform, hasArithmetic, hasLong},
    ...{mayRepeat, makesValues: repetition.makesValues, refusedSignature},
  }
}

/** The number of a literal, read from the source because JSONata rounded it; `position` is its end. */
function literalOf(source: string, {value, position = 0}: SyntaxNode): unknown {
  const literal = /\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/.exec(source.slice(0, position))?.[0]
  return literal === undefined ? value : numberOf(Number(value) < 0 ? `-${literal}` : literal)
}

/** `a & b` becomes a call. */
function concatenate(node: SyntaxNode): void {
  const {lhs, rhs, position} = node
  delete node['lhs']
  delete node['rhs']
  Object.assign(node, call(concatName, [lhs, rhs], position))
}

function call(name: string, given: readonly unknown[], position: number | undefined): SyntaxNode {
  const procedure = {type: 'variable', value: name, position}
  return {type: 'function', value: '(', position: position as number, arguments: given, procedure}
}

function definitionOf(node: SyntaxNode): string | undefined {
  return (node['signature'] as {definition?: string} | undefined)?.definition
}

function isOpenSignature(node: SyntaxNode): boolean {
  return (definitionOf(node)?.match(/[?+-]/g)?.length ?? 0) > mostOpenParameters
}

/** Parts of one list or object, which may be nested arbitrarily. */
const mostCopies = 64
/** Nodes whose result is their input, a part of it, or a scalar. */
const passing = new Set(
  'path name binary string number value regex condition wildcard function filter sort operator block unary variable lambda'.split(
    ' ',
  ),
)
/** Functions whose arguments an expression created before. */
const repeating = new Set(['', '$', 'reduce', 'eval'])

interface Scope {
  /** Parameters of the innermost function. */
  readonly parameters?: ReadonlySet<unknown>
  /** The context is an item of an earlier result, not the context around the function. */
  readonly isItem?: boolean
}

/**
 * Whether a result may contain the same value many times: if it is looked up for each item of a list, or if something calls
 * itself. Otherwise the weight of a result is bounded by the weight of the message.
 */
class Repetition {
  /** There are lists or objects that are created from others. */
  makesValues = false
  #copies = 1

  isIn(node: SyntaxNode, scope: Scope): boolean {
    const {type, value} = node
    if (type !== undefined && (!passing.has(type) || 'focus' in node || 'index' in node || 'ancestor' in node))
      return true
    if (type === 'variable' && this.#isRepeated(value, scope)) return true
    if (type === 'function' && !this.#isOfLibrary(node['procedure'] as SyntaxNode)) return true
    if (type === 'unary' || 'group' in node) this.#count(node)
    if (this.#copies > mostCopies) return true
    if (type === 'lambda') return this.#isInLambda(node)
    if (type === 'path') return this.#isInPath(node, scope)
    return this.#isInParts(node, scope)
  }

  #isRepeated(name: unknown, {parameters, isItem}: Scope): boolean {
    if (name === '') return parameters !== undefined && !isItem
    if (repeating.has(String(name))) return true
    if (libraryNames.has(String(name))) return false
    // It would be the same value for each item.
    return isItem || parameters?.has(name) !== true
  }

  #isOfLibrary({type, value}: SyntaxNode): boolean {
    return type === 'variable' && libraryNames.has(String(value))
  }

  #count(node: SyntaxNode): void {
    const {expressions, lhs} = (node['group'] ?? node) as {expressions?: SyntaxNode[]; lhs?: unknown[]}
    if (expressions?.every(({type}) => type === 'number' || type === 'string' || type === 'value')) return
    this.makesValues ||= node['value'] !== '-'
    this.#copies *= Math.max(1, (expressions ?? lhs ?? []).length)
  }

  #isInLambda(node: SyntaxNode): boolean {
    const parameters = new Set((node['arguments'] as SyntaxNode[]).map(({value}) => value))
    // The third parameter is the whole list.
    return parameters.size > 2 || this.isIn(node['body'] as SyntaxNode, {parameters})
  }

  #isInPath(node: SyntaxNode, scope: Scope): boolean {
    const [first, ...rest] = node['steps'] as SyntaxNode[]
    const isOutside = scope.parameters !== undefined && !scope.isItem
    if (isOutside && (first?.type === 'name' || first?.type === 'wildcard')) return true
    const {steps: _, type: __, ...others} = node
    const item = {...scope, isItem: true}
    return this.#isInParts({first}, scope) || this.#isInParts({rest, others}, item)
  }

  /** A node that is not a step, such as the values of an object, is examined too. */
  #isInParts(node: object, scope: Scope): boolean {
    return Object.entries(node).some(([name, part]) => {
      if (typeof part !== 'object' || part === null || part instanceof RegExp || name === 'signature') return false
      const inner = name === 'predicate' || name === 'stages' || name === 'terms' ? {...scope, isItem: true} : scope
      return this.isIn(part as SyntaxNode, inner)
    })
  }
}
