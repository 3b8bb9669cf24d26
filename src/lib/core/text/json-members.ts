/**
 * Members of JSON objects by the rules of Go: names are matched ignoring case, and `null` counts as absent. An error has a
 * plain sentence, which is sent to the other side.
 */

/** A member by its exact name, else ignoring case. Only own members: `__proto__` has no special meaning. */
export function member(object: object, name: string): unknown {
  if (Object.hasOwn(object, name)) return (object as Record<string, unknown>)[name]
  const isSame = (key: string) => key.length === name.length && key.toLowerCase() === name.toLowerCase()
  const key = Object.keys(object).findLast(isSame)
  return key === undefined ? undefined : (object as Record<string, unknown>)[key]
}

/** An object; null counts as an empty one. */
export function objectOf(value: unknown, what: string): object {
  if (value === null) return {}
  if (typeof value === 'object' && !Array.isArray(value)) return value
  throw new Error(`${what} is ${kindOf(value)}, not an object`)
}

/** A string; null and undefined count as an empty one. */
export function textOf(value: unknown, what: string): string {
  if (value === undefined || value === null) return ''
  if (typeof value === 'string') return value
  throw new Error(`${what} is ${kindOf(value)}, not a string`)
}

/** `a list`, `a number`. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}
