/** YAML with places: the value of a text, and for every part of it the line and column where it stands, from 1. */
import {isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument} from 'yaml'

export interface Place {
  readonly line: number
  readonly column: number
}

/** What is wrong at a place. */
export interface Fault extends Place {
  readonly sentence: string
}

export type Path = readonly PropertyKey[]

export interface Located {
  readonly value: unknown
  readonly faults: readonly Fault[]
  /** Where the value at this path begins; of what is not there, where its parent does. */
  readonly at: (path: Path) => Place
  /** Where the key of this member stands. */
  readonly keyAt: (path: Path) => Place
}

export function parseYaml(text: string): Located {
  const lines = new LineCounter()
  const document = parsed(text, lines)
  if (document === undefined) return {value: undefined, faults: [tooDeep], at: () => tooDeep, keyAt: () => tooDeep}
  const place = (offset: number): Place => {
    const {line, col} = lines.linePos(offset)
    return {line: Math.max(1, line), column: Math.max(1, col)}
  }
  const faults = [...document.errors, ...document.warnings].map(({message, pos: [offset]}) => ({
    ...place(offset),
    sentence: sentenceOf(message),
  }))
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
    // An alias that stands for too much.
    return {value: undefined, faults: [{...place(0), sentence: sentenceOf((error as Error).message)}], at, keyAt}
  }
}

const deepest = 100
const tooDeep: Fault = {line: 1, column: 1, sentence: `it is nested more than ${deepest} deep`}

/** Undefined for what is nested so deep that the parser gives up. */
function parsed(text: string, lineCounter: LineCounter) {
  try {
    // What it would say to the process itself is no sentence of ours, and has the file's text in it as it is.
    return parseDocument(text, {lineCounter, prettyErrors: false, merge: true, logLevel: 'error'})
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
  // A member without a value stands where its key does.
  return pair && (pair.value ?? pair.key)
}

function nameOf(key: unknown): string {
  return String(isScalar(key) ? key.value : key)
}

function offsetOf(node: unknown): number {
  return (node as Node | undefined)?.range?.[0] ?? 0
}

/** The library's sentences begin with a capital. */
function sentenceOf(message: string): string {
  if (message.startsWith('Maximum call stack')) return tooDeep.sentence
  return `${message.charAt(0).toLowerCase()}${message.slice(1)}`
}
