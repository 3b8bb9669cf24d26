/** The operators and functions of JSONata for numbers of which some are beyond 2^53; for others they work like JSONata's own. */
import {isLong, isRounded, type LongNumber, numberOf} from '../long-numbers.ts'
import {calculate, compare, inexact, power, sum} from './arithmetic.ts'
import {type Definition, type Focus, isFunction, type Library, type SyntaxNode} from './library.ts'

type Numeric = number | LongNumber

const binary = new Set(['+', '-', '*', '/', '%', '<', '<=', '>', '>=', 'in'])
const prefix = '\0'
const negateName = `${prefix}negate`
const predicateName = `${prefix}predicate`

/** Replaces the operators of a node by functions. */
export function makeExact(
  node: SyntaxNode,
  call: (name: string, given: unknown[], position?: number) => SyntaxNode,
): void {
  const {type, value, position, lhs, rhs, expression} = node
  if (type === 'binary' && binary.has(String(value))) {
    delete node['lhs']
    delete node['rhs']
    Object.assign(node, call(prefix + String(value), [lhs, rhs], position))
  } else if (type === 'unary' && value === '-') {
    delete node['expression']
    Object.assign(node, call(negateName, [expression], position))
  } else if (type === 'descendant' || type === 'wildcard') {
    Object.assign(node, call(prefix + type, [{type: 'variable', value: '', position}], position))
  } else if (type === 'filter' && !isIndex(node['expr'] as SyntaxNode)) {
    node['expr'] = call(predicateName, [node['expr']], position)
  }
}

function isIndex({type, value}: SyntaxNode): boolean {
  return type === 'number' && typeof value === 'number' && !isRounded(value)
}

/** The functions that `makeExact` puts into the tree. */
export function exactOperators(): Map<string, Definition> {
  const operators = new Map<string, Definition>()
  const add = (name: string, implementation: Definition['implementation']) =>
    operators.set(name, {_jsonata_function: true, implementation})
  for (const operator of ['+', '-', '*', '/', '%']) {
    add(prefix + operator, (first: unknown, second: unknown) => {
      checkNumeric(first, 'T2001', operator)
      checkNumeric(second, 'T2002', operator)
      return first === undefined || second === undefined
        ? undefined
        : calculate(operator, first as Numeric, second as Numeric)
    })
  }
  for (const operator of ['<', '<=', '>', '>=']) {
    add(prefix + operator, (first: unknown, second: unknown) => compared(operator, first, second))
  }
  add(`${prefix}in`, (value: unknown, list: unknown) => {
    if (value === undefined || list === undefined) return false
    return (Array.isArray(list) ? list : [list]).some((item) => item === value || isSame(item, value))
  })
  add(negateName, (value: unknown) => {
    if (isLong(value)) return calculate('-', 0, value)
    if (value === undefined || typeof value === 'number') return value === undefined ? undefined : -value
    throw {code: 'D1002', token: '-', value}
  })
  add(`${prefix}descendant`, function (this: Focus, value: unknown) {
    const found = this.createSequence()
    collectDescendants(value, found)
    if (value === undefined) return undefined
    return found.length === 1 ? found[0] : found
  })
  add(`${prefix}wildcard`, function (this: Focus, value: unknown) {
    const found = this.createSequence()
    if (typeof value !== 'object' || value === null || isLong(value) || isFunction(value)) return found
    for (const member of Object.values(value)) collectItems(member, found)
    return found
  })
  add(predicateName, (value: unknown) => {
    if (isLong(value)) throw inexact()
    return value
  })
  return operators
}

function collectDescendants(value: unknown, found: unknown[]): void {
  if (!Array.isArray(value)) found.push(value)
  if (typeof value !== 'object' || value === null || isLong(value) || isFunction(value)) return
  for (const part of Object.values(value)) collectDescendants(part, found)
}

function collectItems(value: unknown, found: unknown[]): void {
  if (Array.isArray(value)) for (const item of value) collectItems(item, found)
  else found.push(value)
}

function isSame(one: unknown, other: unknown): boolean {
  return isLong(one) && isLong(other) && compare(one, other) === 0
}

function checkNumeric(value: unknown, code: string, token: string): void {
  if (value === undefined || isLong(value) || (typeof value === 'number' && !Number.isNaN(value))) {
    if (typeof value !== 'number' || Number.isFinite(value)) return
    throw {code: 'D1001', value}
  }
  throw {code, token, value}
}

function compared(token: string, first: unknown, second: unknown): boolean | undefined {
  const [one, other] = [comparedType(first), comparedType(second)]
  if (one === undefined || other === undefined) {
    throw {code: 'T2010', token, value: one === undefined ? first : second}
  }
  if (one === 'undefined' || other === 'undefined') return undefined
  if (one !== other) throw {code: 'T2009', token, value: first, value2: second}
  if (one === 'string') return isOrdered(token, String(first) < String(second) ? -1 : Number(first !== second))
  return isOrdered(token, compare(first as Numeric, second as Numeric))
}

function comparedType(value: unknown): string | undefined {
  if (isLong(value)) return 'number'
  return value === undefined || typeof value === 'string' || typeof value === 'number' ? typeof value : undefined
}

function isOrdered(token: string, order: number): boolean {
  if (token === '<') return order < 0
  if (token === '<=') return order <= 0
  return token === '>' ? order > 0 : order >= 0
}

/** Functions for long numbers, with their signatures. */
export function exactFunctions(
  library: Library,
): Record<string, {call: Definition['implementation']; signature: string}> {
  const own = (name: string, value: unknown, ...given: unknown[]) =>
    library[name]?.implementation.apply(undefined as never, [value, ...given] as never[])
  const keeping = (name: string, signature: string) => ({
    signature,
    call: (value: unknown, ...given: unknown[]) => (isLong(value) ? value : own(name, value, ...given)),
  })
  const first = (is: (order: number) => boolean) => (values: readonly unknown[] | undefined) =>
    values === undefined || values.length === 0
      ? undefined
      : numeric(values).reduce((one, other) => (is(compare(other, one)) ? other : one))
  return {
    sum: {signature: '<a:n>', call: (values: unknown[] | undefined) => values && total(numeric(values))},
    average: {
      signature: '<a:n>',
      call: (values: unknown[] | undefined) =>
        values === undefined || values.length === 0 ? undefined : calculate('/', total(numeric(values)), values.length),
    },
    max: {signature: '<a:n>', call: first((order) => order > 0)},
    min: {signature: '<a:n>', call: first((order) => order < 0)},
    number: {
      signature: '<x-:n>',
      call(value: unknown) {
        if (isLong(value)) return value
        if (typeof value === 'object') throw {code: 'T0410', index: 1, value}
        const result = own('number', value)
        const isDecimal = typeof value === 'string' && /^-?\d/.test(value) && !/^0[xob]/i.test(value)
        if (!isDecimal || typeof result !== 'number' || !isRounded(result)) return result
        return numberOf(value)
      },
    },
    abs: {
      signature: '<(no)-:n>',
      call: (value: unknown) => (isLong(value) ? numberOf(value.rawJSON.replace('-', '')) : own('abs', checked(value))),
    },
    floor: keeping('floor', '<(no)-:n>'),
    ceil: keeping('ceil', '<(no)-:n>'),
    round: keeping('round', '<(no)-n?:n>'),
    power: {
      signature: '<(no)-n:n>',
      call(base: unknown, exponent: number) {
        if (!isLong(base) && !Number.isInteger(checked(base))) return own('power', base, exponent)
        const result = isLong(base) ? Number.NaN : (base as number) ** exponent
        return Number.isNaN(result) || isRounded(result) ? power(base as Numeric, exponent) : result
      },
    },
    type: {signature: '<x:s>', call: (value: unknown) => (isLong(value) ? 'number' : own('type', value))},
  } as Record<string, {call: Definition['implementation']; signature: string}>
}

function checked(value: unknown): unknown {
  if (typeof value === 'object') throw {code: 'T0410', index: 1, value}
  return value
}

function numeric(values: readonly unknown[]): Numeric[] {
  for (const value of values) {
    if (typeof value !== 'number' && !isLong(value)) throw {code: 'T0412', index: 1, value: values, type: 'numbers'}
  }
  return values as Numeric[]
}

function total(values: readonly Numeric[]): Numeric {
  const isPlain = values.every((value) => typeof value === 'number')
  const plain = isPlain ? values.reduce((sum, value) => sum + (value as number), 0) : Number.NaN
  if (isPlain && !(isRounded(plain) && values.every(Number.isInteger))) return plain
  return sum(values)
}
