/** What JSONata has in its library and in its syntax tree. */

/** A function of the library, as JSONata keeps it. */
export interface Definition {
  readonly _jsonata_function: true
  readonly implementation: Implementation
  readonly signature?: unknown
}

export type Implementation = (this: Focus, ...given: never[]) => unknown

/** A node of the syntax tree of JSONata. */
export interface SyntaxNode {
  type?: string
  value?: unknown
  position?: number
  [name: string]: unknown
}

/** `this` of a library function. */
export interface Focus {
  readonly input: unknown
  readonly environment: Environment
  createSequence(...first: unknown[]): unknown[]
}

export interface Environment {
  lookup(name: string): unknown
  readonly base: {readonly timestamp: Date}
}

export type Library = Readonly<Record<string, Definition>>

/** The argument of a user's function; it may also be a match of a regular expression. */
export type Callback = (...given: unknown[]) => unknown

export function isFunction(value: unknown): boolean {
  if (typeof value === 'function') return true
  if (typeof value !== 'object' || value === null) return false
  const {_jsonata_function: isNative, _jsonata_lambda: isLambda} = value as Record<string, unknown>
  return isNative === true || isLambda === true
}
