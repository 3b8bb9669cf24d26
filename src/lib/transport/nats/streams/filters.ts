import {matches} from '../../../subject.ts'

/** A pattern that matches whatever one of these does. */
export function superset(patterns: readonly string[]): string {
  const [first = [], ...others] = patterns.map((pattern) => pattern.split('.'))
  const wide: string[] = []
  for (const [i, token] of first.entries()) {
    if (token === '>' || others.some((other) => other[i] === undefined || other[i] === '>'))
      return [...wide, '>'].join('.')
    wide.push(others.every((other) => other[i] === token) ? token : '*')
  }
  return others.some((other) => other.length > first.length) ? [...wide.slice(0, -1), '>'].join('.') : wide.join('.')
}

export function matcher(patterns: readonly string[]): (subject: string) => boolean {
  return (subject) => patterns.some((pattern) => matches(pattern, subject))
}
