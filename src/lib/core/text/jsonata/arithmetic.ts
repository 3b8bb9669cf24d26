/** Arithmetic with whole numbers beyond 2^53: exact, or refused. */
import {type Decimal, decimalOf, digitsOf, isRounded, type LongNumber, mostDigits, numberOf} from '../long-numbers.ts'
import {LimitError} from './limits.ts'

/** Returns a number below, equal to or above zero if the first number is less than, equal to or greater than the second. */
export function compare(first: number | LongNumber, second: number | LongNumber): number {
  if (typeof first === 'number' && typeof second === 'number') return first - second
  const [one, other] = [decimalOf(digitsOf(first)), decimalOf(digitsOf(second))]
  if (one.isNegative !== other.isNegative) return one.isNegative ? -1 : 1
  const size = magnitude(one, other)
  return one.isNegative ? -size : size
}

function magnitude(one: Decimal, other: Decimal): number {
  if (one.digits === '' || other.digits === '') return one.digits.length - other.digits.length
  if (one.places !== other.places) return one.places - other.places
  if (one.digits === other.digits) return 0
  return one.digits < other.digits ? -1 : 1
}

/** Returns the exact result for whole numbers, otherwise that of JavaScript. Throws if it would have to round a long number. */
export function calculate(
  operator: string,
  first: number | LongNumber,
  second: number | LongNumber,
): number | LongNumber {
  const isPlain = typeof first === 'number' && typeof second === 'number'
  if (isPlain && !isRounded(calculatePlain(operator, first, second))) return calculatePlain(operator, first, second)
  if (isPlain && !(Number.isInteger(first) && Number.isInteger(second) && '+-*'.includes(operator))) {
    return calculatePlain(operator, first, second)
  }
  return calculateWhole(operator, wholeOf(first), wholeOf(second))
}

function calculatePlain(operator: string, first: number, second: number): number {
  if (operator === '+') return first + second
  if (operator === '-') return first - second
  if (operator === '*') return first * second
  return operator === '/' ? first / second : first % second
}

function calculateWhole(operator: string, first: bigint, second: bigint): number | LongNumber {
  if (operator === '+') return fromWhole(first + second)
  if (operator === '-') return fromWhole(first - second)
  if (operator === '*') return fromWhole(first * second)
  if (second === 0n) return operator === '/' ? Number.POSITIVE_INFINITY : Number.NaN
  if (operator === '%') return fromWhole(first % second)
  if (first % second !== 0n) throw inexact()
  return fromWhole(first / second)
}

export function power(base: number | LongNumber, exponent: number): number | LongNumber {
  const whole = wholeOf(base)
  if (!Number.isInteger(exponent) || exponent < 0) throw inexact()
  if (exponent * String(whole).length > mostDigits * 2) throw inexact()
  return fromWhole(whole ** BigInt(exponent))
}

/** The sum of numbers if one of them, or the sum, is long. */
export function sum(values: readonly (number | LongNumber)[]): number | LongNumber {
  return fromWhole(values.reduce((total, value) => total + wholeOf(value), 0n))
}

function wholeOf(value: number | LongNumber): bigint {
  const {isNegative, digits, places} = decimalOf(digitsOf(value))
  if (places < digits.length || places > mostDigits) throw inexact()
  const whole = BigInt(digits.padEnd(places, '0') || '0')
  return isNegative ? -whole : whole
}

function fromWhole(value: bigint): number | LongNumber {
  const text = String(value)
  if (text.length > mostDigits) throw inexact()
  return numberOf(text)
}

export function inexact(): LimitError {
  return new LimitError(`it would round a number: beyond ${Number.MAX_SAFE_INTEGER}, only whole numbers are exact`)
}
