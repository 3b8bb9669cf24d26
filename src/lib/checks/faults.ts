/** The errors that the shape finds in a check file, as sentences with line and column: `needs "subject"`. */
import type {core} from 'zod'
import {nearest} from '../core/text/nearest.ts'
import {jsonSchema} from './shape.ts'
import type {FileFault, Located, Path} from './yaml.ts'

type Issue = core.$ZodIssue

const names: Readonly<Record<string, string>> = {
  string: 'text',
  object: 'a mapping',
  record: 'a mapping',
  array: 'a list',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
}

/** In the order of the file. */
export function faultsOf(issues: readonly Issue[], source: Located): FileFault[] {
  const faults = issues.flatMap((issue) => faultsOfIssue(issue, [], source))
  return faults.sort((a, b) => a.line - b.line || a.column - b.column)
}

function faultsOfIssue(issue: Issue, base: Path, source: Located): FileFault[] {
  const path = [...base, ...issue.path]
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({...source.keyAt([...path, key]), sentence: unknownKey(key)}))
  }
  const value = valueAt(source.value, path)
  if (issue.code === 'invalid_union') return faultsOfUnion(issue.errors, value, path, source)
  if (issue.code === 'invalid_type' && value === undefined && path.length > 0) {
    return [{...source.at(path.slice(0, -1)), sentence: `needs ${JSON.stringify(String(path.at(-1)))}`}]
  }
  return [{...source.at(path), sentence: `${named(path)} ${complaint(issue)}`}]
}

/** Of several possible forms, the one whose type the value has is the intended one. */
function faultsOfUnion(branches: readonly Issue[][], value: unknown, path: Path, source: Located): FileFault[] {
  const isOtherType = ({code, path}: Issue) => code === 'invalid_type' && path.length === 0
  const intended = branches.find((issues) => !issues.some(isOtherType))
  if (intended !== undefined) return intended.flatMap((issue) => faultsOfIssue(issue, path, source))
  if (value === undefined) return [{...source.at(path.slice(0, -1)), sentence: `needs ${named(path)}`}]
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

function unknownKey(key: string): string {
  const near = nearest(key, knownKeys())
  return `unknown key ${JSON.stringify(key)}${near === undefined ? '' : `; did you mean ${JSON.stringify(near)}?`}`
}

function knownKeys(): string[] {
  const found = new Set<string>()
  const collect = (schema: unknown): void => {
    if (schema === null || typeof schema !== 'object') return
    const {properties} = schema as {properties?: object}
    for (const key of Object.keys(properties ?? {})) found.add(key)
    for (const part of Object.values(schema)) collect(part)
  }
  collect(jsonSchema())
  return [...found]
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
