import {matches} from '../../../core/subject.ts'

/** A pattern that matches whatever one of these does. */
export function superset(patterns: readonly string[]): string {
  const all = patterns.map((pattern) => pattern.split('.'))
  const shortest = Math.min(...all.map(({length}) => length))
  const isLevel = all.every(({length}) => length === shortest)
  const wide: string[] = []
  for (let i = 0; i < shortest; i++) {
    const tokens = new Set(all.map((each) => each[i]))
    if (tokens.has('>') || (i === shortest - 1 && !isLevel)) return [...wide, '>'].join('.')
    const [token = '*'] = tokens
    wide.push(tokens.size === 1 ? token : '*')
  }
  return wide.join('.')
}

export function matcher(patterns: readonly string[]): (subject: string) => boolean {
  return (subject) => patterns.some((pattern) => matches(pattern, subject))
}
