/** The errors that the shape finds in a check file, as sentences with line and column: `needs "subject"`. */
import type {core} from 'zod'
import {nearest} from '../core/text/nearest.ts'
import {shapeKeys} from './shape.ts'
import type {FileFault, Located, Path} from './yaml.ts'

type Issue = core.$ZodIssue

const emptyFile = 'the file is empty; bus check init writes a first one'

const names: Readonly<Record<string, string>> = {
  string: 'a string',
  object: 'a mapping',
  record: 'a mapping',
  array: 'a list',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
}

/** In the order of the file. */
export function faultsOf(issues: readonly Issue[], source: Located): FileFault[] {
  const faults = faultsAt(issues, [], source)
  return faults.sort((a, b) => a.line - b.line || a.column - b.column)
}

/** A mapping that has an unknown key is not said to lack another: it is mostly the same mistake. */
function faultsAt(issues: readonly Issue[], base: Path, source: Located): FileFault[] {
  const misnamed = issues.filter(({code}) => code === 'unrecognized_keys').map(({path}) => path.join('/'))
  const isLack = ({code, path}: Issue) =>
    code === 'invalid_type' && path.length > 0 && valueAt(source.value, [...base, ...path]) === undefined
  const rest = issues.filter((issue) => !isLack(issue) || !misnamed.includes(issue.path.slice(0, -1).join('/')))
  return rest.flatMap((issue) => faultsOfIssue(issue, base, source))
}

function faultsOfIssue(issue: Issue, base: Path, source: Located): FileFault[] {
  const path = [...base, ...issue.path]
  if (issue.code === 'unrecognized_keys') {
    const faults = issue.keys.map((key) => ({key, ...unknownKey(key, path, source.value)}))
    const [first, ...others] = faults.filter(({isOther}) => isOther)
    const each = faults.filter(({isOther}) => !isOther)
    const all =
      first === undefined ? each : [...each, {...first, sentence: `${manyKeys(first, others)}${first.sentence}`}]
    return all.map(({key, sentence}) => ({...source.keyAt([...path, key]), sentence}))
  }
  const value = valueAt(source.value, path)
  const isDuration = typeof value === 'number' && durations.has(String(path.at(-1)))
  if (isDuration)
    return [{...source.at(path), sentence: `${named(path)} is ${value} without a unit, such as ${value}s`}]
  if (issue.code === 'invalid_union') return faultsOfUnion(issue.errors, value, path, source)
  if (path.length === 0 && (value === null || value === undefined)) return [{...source.at(path), sentence: emptyFile}]
  if (issue.code === 'invalid_type' && value === undefined && path.length > 0) {
    return [{...source.at(path.slice(0, -1)), sentence: `needs ${JSON.stringify(String(path.at(-1)))}`}]
  }
  if (value === null) return [{...source.at(path), sentence: `${named(path)} has no value`}]
  const isJson = path.at(-1) === 'body' && value !== null && typeof value === 'object'
  const more = isJson ? '; "json" takes a mapping or a list' : ''
  return [{...source.at(path), sentence: `${named(path)} ${complaint(issue)}${more}`}]
}

/** Of several possible forms, the one whose type the value has is the intended one. */
function faultsOfUnion(branches: readonly Issue[][], value: unknown, path: Path, source: Located): FileFault[] {
  const isOtherType = ({code, path}: Issue) => code === 'invalid_type' && path.length === 0
  const intended = branches.find((issues) => !issues.some(isOtherType))
  if (intended !== undefined) return faultsAt(intended, path, source)
  if (value === undefined) return [{...source.at(path.slice(0, -1)), sentence: `needs ${named(path)}`}]
  if (value === null) return [{...source.at(path), sentence: `${named(path)} has no value`}]
  const expected = branches
    .flat()
    .flatMap((issue) => (issue.code === 'invalid_type' ? [names[issue.expected] ?? issue.expected] : []))
  return [{...source.at(path), sentence: `${named(path)} is not ${[...new Set(expected)].join(' or ')}`}]
}

function complaint(issue: Issue): string {
  if (issue.code === 'invalid_type') return `is not ${names[issue.expected] ?? issue.expected}`
  if (issue.code === 'invalid_value') return `is not ${issue.values.map((value) => JSON.stringify(value)).join(' or ')}`
  return issue.message
}

/** Keys whose values are durations. */
const durations: ReadonlySet<string> = new Set([
  ...['within', 'timeout', 'eventually', 'for', 'every', 'idle', 'until-idle', 'fresh', 'active', 'settle'],
  ...['p50', 'p90', 'p99', 'p999', 'p9999', 'max'],
])

/** Keys of other tools and long forms, with the keys used here. */
const synonyms = new Map([
  ['request', 'req'],
  ['publication', 'pub'],
  ['message', 'body'],
  ['data', 'body'],
])

function manyKeys({key}: {readonly key: string}, others: readonly {readonly key: string}[]): string {
  const all = [key, ...others.map((other) => other.key)].map((name) => JSON.stringify(name))
  return `unknown ${all.length === 1 ? 'key' : 'keys'} ${all.join(', ')}`
}

/**
 * Says where a misplaced key belongs, or suggests the most similar key; for any other key of a kind of check the end of a
 * sentence that says which keys it has.
 */
function unknownKey(key: string, path: Path, file: unknown): {sentence: string; isOther?: boolean} {
  const found = placeOf(key, path, file)
  if (found !== undefined) return {sentence: found}
  const last = path.at(-1)
  const kind = typeof last === 'string' ? shapeKeys.kinds.get(last) : undefined
  if (kind === undefined) return {sentence: '', isOther: true}
  const plain = last === 'publish' ? '; to publish on a subject, use "pub"' : ''
  return {sentence: `; ${JSON.stringify(last)} takes ${kind.join(', ')}${plain}`, isOther: true}
}

function placeOf(key: string, path: Path, file: unknown): string | undefined {
  const unknown = `unknown key ${JSON.stringify(key)}`
  const last = path.at(-1)
  const kind = typeof last === 'string' ? shapeKeys.kinds.get(last) : undefined
  const isCheck = typeof last === 'number'
  const here = kind ?? (isCheck ? shapeKeys.check : path.length === 0 ? shapeKeys.file : [])
  const meant = synonyms.get(key) ?? nearest(key, here)
  if (meant !== undefined && here.includes(meant)) return `${unknown}; did you mean ${JSON.stringify(meant)}?`
  if (isCheck) {
    const used = Object.keys(valueAt(file, path) as object).find((each) => shapeKeys.kinds.get(each)?.includes(key))
    if (used !== undefined) return `${JSON.stringify(key)} belongs inside ${JSON.stringify(used)}`
    if (shapeKeys.file.includes(key)) return `${JSON.stringify(key)} belongs at the top of the file`
  }
  if (kind !== undefined && shapeKeys.check.includes(key) && !shapeKeys.kinds.has(key))
    return `${JSON.stringify(key)} belongs beside ${JSON.stringify(last)}, not inside it`
  if (path.length === 0 && shapeKeys.check.includes(key)) return `${JSON.stringify(key)} belongs inside one of "checks"`
  return undefined
}

function named(path: Path): string {
  const last = path.at(-1)
  if (last === undefined) return 'the file'
  return typeof last === 'number' ? `item ${last + 1} of ${named(path.slice(0, -1))}` : JSON.stringify(String(last))
}

function valueAt(value: unknown, path: Path): unknown {
  let found = value
  for (const key of path) found = (found as Record<PropertyKey, unknown> | null | undefined)?.[key]
  return found
}
