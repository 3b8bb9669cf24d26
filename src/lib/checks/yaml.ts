/** YAML with positions: the value of a string, and the line and column of every part of it, from 1. */
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  parseDocument,
  stringify,
  visit,
} from 'yaml'
import {isRounded} from '../core/text/long-numbers.ts'

export interface FilePosition {
  readonly line: number
  readonly column: number
}

/** An error at a position of a file. */
export interface FileFault extends FilePosition {
  readonly sentence: string
}

export type Path = readonly PropertyKey[]

export interface Located {
  readonly value: unknown
  readonly faults: readonly FileFault[]
  /** Where the value at this path begins; for a missing value, where its parent begins. */
  readonly at: (path: Path) => FilePosition
  /** The position of the key of this member. */
  readonly keyAt: (path: Path) => FilePosition
}

/** Size of a file in bytes; a longer one is not read. */
export const longestYaml = 4 * 1024 * 1024

export function parseYaml(text: string): Located {
  const lines = new LineCounter()
  if (isTooLong(text)) return refused(tooLong)
  const document = parsed(text, lines)
  if (document === undefined) return refused(tooDeep)
  const {found, hasManyAliases} = survey(document)
  if (hasManyAliases) return refused(tooManyAliases)
  const place = (offset: number): FilePosition => {
    const {line, col} = lines.linePos(offset)
    return {line: Math.max(1, line), column: Math.max(1, col)}
  }
  // Later errors are mostly caused by the first one.
  const faults = [...document.errors.slice(0, 1), ...document.warnings].map(({message, pos: [offset]}) => ({
    ...place(offset),
    sentence: sentenceOf(message),
  }))
  faults.push(...found.map(({offset, sentence}) => ({...place(offset), sentence})))
  const resolved = (node: unknown): unknown => (isAlias(node) ? node.resolve(document) : node)
  const nodeAt = (path: Path): unknown => {
    let node: unknown = document.contents
    for (const key of path) {
      const next = childOf(resolved(node), key)
      if (next === undefined) return node
      node = next
    }
    return node
  }
  const at = (path: Path) => place(offsetOf(nodeAt(path)))
  const keyAt = (path: Path) => {
    const parent = resolved(nodeAt(path.slice(0, -1)))
    const pair = isMap(parent) ? parent.items.find(({key}) => nameOf(key) === String(path.at(-1))) : undefined
    return pair === undefined ? at(path) : place(offsetOf(pair.key))
  }
  if (faults.length > 0) return {value: undefined, faults, at, keyAt}
  try {
    const value: unknown = document.toJS()
    return isDeeper(value, deepest) ? {value: undefined, faults: [tooDeep], at, keyAt} : {value, faults, at, keyAt}
  } catch (error) {
    // An alias that expands to too much.
    return {value: undefined, faults: [{...place(0), sentence: sentenceOf((error as Error).message)}], at, keyAt}
  }
}

const deepest = 100
const tooDeep: FileFault = {line: 1, column: 1, sentence: `it is nested more than ${deepest} levels deep`}
/** Keys, values and punctuation, each with the spaces around it: parsing takes about 2 µs for each. */
const mostTokens = 500_000
const tooLong: FileFault = {
  line: 1,
  column: 1,
  sentence: `it is too long: more than ${longestYaml / 1024 / 1024} MiB or ${mostTokens} tokens`,
}
/** The parser searches all nodes for the anchor of each alias. */
const mostAliasNodes = 5_000_000
const tooManyAliases: FileFault = {line: 1, column: 1, sentence: 'it has too many aliases for its length'}

function refused(fault: FileFault): Located {
  return {value: undefined, faults: [fault], at: () => fault, keyAt: () => fault}
}

function isTooLong(text: string): boolean {
  if (text.length > longestYaml) return true
  // A token has at least one character.
  if (text.length <= mostTokens) return false
  let tokens = 0
  for (const _ of new Lexer().lex(text)) if (++tokens > mostTokens) return true
  return false
}

interface Found {
  readonly offset: number
  readonly sentence: string
}

/** Repeated keys, numbers that would be rounded, and whether the aliases take too long. */
function survey(document: Document): {readonly found: readonly Found[]; readonly hasManyAliases: boolean} {
  const found: Found[] = []
  let nodes = 0
  let aliases = 0
  visit(document, {
    Node: (_key, node) => {
      nodes++
      if (isAlias(node)) aliases++
      if (
        isScalar(node) &&
        typeof node.value === 'number' &&
        /^-?\d/.test(node.source ?? '') &&
        isRounded(node.value)
      ) {
        const shown = String(node.source).slice(0, 40)
        const sentence = `the number ${shown} would be rounded; write it in an expression, or in quotes as a string`
        found.push({offset: offsetOf(node), sentence})
      }
      if (!isMap(node)) return
      for (const offset of repeatedKeys(node.items)) found.push({offset, sentence: 'map keys must be unique'})
    },
  })
  return {found, hasManyAliases: aliases * nodes > mostAliasNodes}
}

function repeatedKeys(pairs: readonly {readonly key: unknown}[]): number[] {
  const seen = new Set<unknown>()
  return pairs.flatMap(({key}) => {
    if (!isScalar(key) || key.value === '<<') return []
    if (seen.has(key.value)) return [offsetOf(key)]
    seen.add(key.value)
    return []
  })
}

/** Undefined if the text is nested so deeply that the parser gives up. */
function parsed(text: string, lineCounter: LineCounter) {
  try {
    // With logLevel error the parser emits no process warnings, which would contain raw text of the file.
    // Its own search for repeated keys takes time that grows with the square of their number.
    const options = {lineCounter, prettyErrors: false, merge: true, logLevel: 'error', uniqueKeys: false} as const
    return parseDocument(text, options)
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1))
}

function childOf(node: unknown, key: PropertyKey): unknown {
  if (isSeq(node)) return node.items[Number(key)]
  if (!isMap(node)) return undefined
  const pair = node.items.find((item) => nameOf(item.key) === String(key))
  // A member without a value has the position of its key.
  return pair && (pair.value ?? pair.key)
}

function nameOf(key: unknown): string {
  return String(isScalar(key) ? key.value : key)
}

function offsetOf(node: unknown): number {
  return (node as Node | undefined)?.range?.[0] ?? 0
}

/** The library's messages begin with a capital letter. */
function sentenceOf(message: string): string {
  if (message.startsWith('Maximum call stack')) return tooDeep.sentence
  if (message.startsWith('Unexpected flow-map-start'))
    return 'unexpected "{": quote a string that has braces, such as \'orders.{id}\''
  if (/^(Alias cannot be|Unresolved alias)/.test(message))
    return 'unexpected "*": quote a string that begins with it, such as \'*.created\''
  const [, first] = /^Plain value cannot start with (?:reserved character )?(\S)/.exec(message) ?? []
  if (first !== undefined) return `unexpected "${first}": quote a string that begins with it`
  if (message.startsWith('Nested mappings are not allowed')) return 'unexpected ": ": quote a string that contains it'
  if (message.startsWith('Sequence item without')) return 'a line of a list is indented differently from the others'
  if (message.startsWith('Source contains multiple documents'))
    return 'the file has several documents, separated by "---"'
  return `${message.charAt(0).toLowerCase()}${message.slice(1)}`
}

/** A value as YAML. Here, because the package is CommonJS: in a bundle, a dynamic import of it has no names. */
export function yamlText(value: unknown): string {
  return stringify(value)
}
