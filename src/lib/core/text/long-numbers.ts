/** Numbers beyond 2^53, which JavaScript rounds. They are kept as raw JSON, which `JSON.stringify` writes digit by digit. */

/** The digits of a number that JavaScript would round. */
export interface LongNumber {
  readonly rawJSON: string
}

/** Numbers with more digits are written with an exponent, and calculations with them are refused. */
export const mostDigits = 400

const json = JSON as typeof JSON & {rawJSON(text: string): LongNumber; isRawJSON(value: unknown): boolean}

export function isLong(value: unknown): value is LongNumber {
  return typeof value === 'object' && value !== null && json.isRawJSON(value)
}

/** The property of a context that says whether a long number has been read from it. */
export const hasLongNumbers = Symbol('hasLongNumbers')

/** Like `JSON.parse`, but returns numbers that it would round as `LongNumber`, and whether there are any. */
export function parseLongNumbers(text: string): {readonly value: unknown; readonly hasLong: boolean} {
  if (!/\d{16}|\d[eE]\+?\d/.test(text)) return {value: JSON.parse(text), hasLong: false}
  let hasLong = false
  const value: unknown = JSON.parse(text, (_key, inner: unknown, context?: {source?: string}) => {
    if (typeof inner !== 'number' || !isRounded(inner) || context?.source === undefined) return inner
    hasLong = true
    return longOf(context.source)
  })
  return {value, hasLong}
}

/** Whether JavaScript may have rounded this number. */
export function isRounded(value: number): boolean {
  return !Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))
}

/** The value of a number in JSON. */
export function numberOf(source: string): number | LongNumber {
  const value = Number(source)
  return isRounded(value) ? longOf(source) : value
}

function longOf(source: string): LongNumber {
  const {isNegative, digits, places} = decimalOf(source)
  const isShort = places > 0 && places <= mostDigits
  const fraction = digits.length > places ? `.${digits.slice(places)}` : ''
  const text = isShort ? digits.slice(0, places).padEnd(places, '0') + fraction : `${digits}e${places - digits.length}`
  return json.rawJSON(isNegative ? `-${text}` : text)
}

export interface Decimal {
  readonly isNegative: boolean
  /** Its digits without zeros at the beginning and the end. */
  readonly digits: string
  /** The number of digits before the decimal point; negative if zeros follow it. */
  readonly places: number
}

/** The parts of a JSON number. */
export function decimalOf(source: string): Decimal {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(source) ?? []
  const all = whole + fraction
  const leading = /^0*/.exec(all)?.[0].length ?? 0
  let end = all.length
  // A pattern such as /0+$/ takes time that grows with the square of the length.
  while (end > leading && all[end - 1] === '0') end--
  const digits = all.slice(leading, end)
  return {isNegative: sign === '-' && digits !== '', digits, places: whole.length - leading + Number(exponent)}
}

/** The number in JSON. */
export function digitsOf(value: number | LongNumber): string {
  return typeof value === 'number' ? String(value) : value.rawJSON
}
