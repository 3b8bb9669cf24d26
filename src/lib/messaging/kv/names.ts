/** The names of buckets and keys, by the rules of ADR-8 and ADR-20. A key is the end of a subject. */
import {BusError} from '../../core/errors.ts'
import {checkPattern} from '../../core/subject.ts'

/** Throws `usage`. */
export function checkBucketName(name: string): string {
  if (/^[\w-]+$/.test(name)) return name
  const fault = name === '' ? 'is empty' : 'may only have letters, digits, "-" and "_"'
  throw new BusError('usage', `the bucket name ${JSON.stringify(name)} ${fault}`)
}

/** Throws `usage`. */
export function checkKey(key: string): string {
  return checked(key, /^[\w\-/=.]+$/, 'the key')
}

/** A key, or a pattern with `*` and `>`. Throws `usage`. */
export function checkKeyPattern(pattern: string): string {
  return checkPattern(checked(pattern, /^[\w\-/=.*>]+$/, 'the key or pattern'))
}

function checked(key: string, rule: RegExp, what: string): string {
  const isDotted = /^\.|\.\.|\.$/.test(key)
  if (rule.test(key) && !isDotted) return key
  const fault =
    key === ''
      ? 'is empty'
      : isDotted
        ? 'has an empty part: dots separate its parts'
        : `may only have letters, digits and - / _ = .${what === 'the key' ? '' : ' * >'}`
  throw new BusError('usage', `${what} ${JSON.stringify(key)} ${fault}`)
}
