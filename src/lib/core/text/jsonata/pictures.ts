/** The functions of JSONata that read or write numbers and times by a picture: JSONata's own, with pictures that end soon. */
import {farthestMs, parseTime} from '../../time/timestamp.ts'
import type {Focus, Implementation, Library} from './library.ts'
import {type EvaluationLimits, LimitError} from './limits.ts'

/** The longest picture, and the longest string to which one is applied. */
const longestPicture = 256
const widest = 100

export function pictureFunctions(library: Library, limits: EvaluationLimits): Record<string, Implementation> {
  const call = (name: string, focus: Focus, given: readonly unknown[]) =>
    library[name]?.implementation.apply(focus, given as never[])
  return {
    formatNumber(this: Focus, value: number | undefined, picture: string, options: object | undefined) {
      if (value === undefined) return undefined
      checkPicture(picture)
      for (const [name, symbol] of Object.entries(options ?? {})) {
        if (typeof symbol === 'string' && symbol !== '' && symbol.length <= longestPicture) continue
        throw new LimitError(`${name} of $formatNumber must be a string of 1 to ${longestPicture} characters`)
      }
      return call('formatNumber', this, [value, picture, options])
    },
    formatInteger(this: Focus, value: number | undefined, picture: string) {
      checkPicture(picture)
      const isRoman = /^[iI](;|$)/.test(picture)
      if (isRoman && Math.abs(value ?? 0) > 1_000_000) throw new LimitError('Roman numerals are limited to 1000000')
      return call('formatInteger', this, [value, picture])
    },
    parseInteger(this: Focus, text: string | undefined, picture: string) {
      checkPicture(picture)
      checkParsed(text)
      return call('parseInteger', this, [text, picture])
    },
    toMillis(this: Focus, text: string | undefined, picture: string | undefined) {
      checkParsed(text)
      if (picture !== undefined) checkPicture(picture)
      if (picture !== undefined) checkParts(picture)
      else if (text !== undefined && Number.isNaN(parseTime(text)) && !Number.isNaN(Date.parse(text))) {
        throw new LimitError(`${text} is not a day`)
      }
      const millis = call('toMillis', this, [text, picture])
      if (text === undefined || millis === undefined) return millis
      if (typeof millis !== 'number' || Number.isNaN(millis)) throw new LimitError(`${text} is not a time`)
      if (picture === undefined) return millis
      const {rest, restPicture, offsetMs} = withoutZone(text, picture)
      if (!hasSameParts(rest, call('fromMillis', this, [millis + offsetMs, restPicture])))
        throw new LimitError(`${text} is not a time that this picture reads exactly`)
      return millis
    },
    fromMillis(this: Focus, millis: number | undefined, picture: string | undefined, timezone: string | undefined) {
      if (picture !== undefined) checkWidths(picture)
      checkZone(timezone)
      if (millis !== undefined && Math.abs(millis) > farthestMs) throw new LimitError(`${millis} is not a time`)
      limits.step()
      return call('fromMillis', this, [millis, picture, timezone])
    },
    millis(this: Focus) {
      return this.environment.base.timestamp.getTime()
    },
    now(this: Focus, picture: string | undefined, timezone: string | undefined) {
      if (picture !== undefined) checkWidths(picture)
      checkZone(timezone)
      return call('fromMillis', this, [this.environment.base.timestamp.getTime(), picture, timezone])
    },
  }
}

/** JSONata reads `+01:00` as one minute, and names of zones and minutes before UTC as other offsets. */
function checkZone(timezone: string | undefined): void {
  if (timezone === undefined || /^(\+?\d{4}|-\d\d00)$/.test(timezone)) return
  throw new LimitError(`${JSON.stringify(timezone)} is not an offset such as +0100 or -0800`)
}

/** A string and its picture without their time zone, and its offset. */
function withoutZone(text: string, picture: string): {rest: string; restPicture: string; offsetMs: number} {
  const restPicture = picture.replace(/\[\s*[Zz][^\]]*\]/, '')
  if (restPicture === picture) return {rest: text, restPicture, offsetMs: 0}
  const [zone = '', sign, hours, minutes] = /(?:GMT)?([+-])(\d\d?):?(\d\d)?(?!.*[+-]\d)|(?:Z|GMT)\b/.exec(text) ?? []
  const offset = Number(hours ?? 0) * 60 + Number(minutes ?? 0)
  return {rest: text.replace(zone, ' '), restPicture, offsetMs: (sign === '-' ? -offset : offset) * 60_000}
}

/**
 * Whether a string has the numbers and names of the time that was read from it. JSONata reads 31 February as 3 March, and ignores
 * some parts of a picture.
 */
function hasSameParts(text: string, again: unknown): boolean {
  const [one, other] = [text, String(again)].map((each) => {
    const withShortFractions = each.toLowerCase().replace(/[.,](\d*?)0+(?!\d)/g, '.$1')
    return withShortFractions.match(/\d+|\p{L}+/gu) ?? []
  })
  const same = (word: string) => word.replace(/^0+(?=\d)/, '')
  return one?.map(same).join(' ') === other?.map(same).join(' ') || one?.join('') === other?.join('')
}

function checkPicture(picture: string): void {
  if (picture.length > longestPicture) throw new LimitError(`a picture of more than ${longestPicture} characters`)
}

function checkParsed(text: string | undefined): void {
  if ((text?.length ?? 0) <= longestPicture) return
  throw new LimitError(`a string of more than ${longestPicture} characters is neither a number nor a time`)
}

/** Throws for a picture that produces a long text. */
function checkWidths(picture: string): void {
  checkPicture(picture)
  // JSONata writes 123 milliseconds as 000123 there.
  if (/\[\s*f\s*\d{4}/.test(picture))
    throw new LimitError('more than three digits for a fraction: times have milliseconds')
  for (const [, widths = ''] of picture.matchAll(/,([^,\]]*)\]/g)) {
    for (const width of widths.match(/[0-9]+/g) ?? []) {
      if (Number(width) > widest) throw new LimitError(`a width of more than ${widest} in a picture`)
    }
  }
}

type PartKind = 'digits' | 'fraction' | 'letters' | 'words' | 'zone'

/** The possible characters of a part of a time. */
const characters: Readonly<Record<PartKind, RegExp>> = {
  digits: /^[0-9]$/,
  fraction: /^[0-9]$/,
  letters: /^[a-z]$/i,
  words: /^[a-z, -]$/i,
  zone: /^[0-9:+-]$/,
}

/** JSONata turns a picture into a pattern that it matches with backtracking, so only a few parts may have an ambiguous end. */
function checkParts(picture: string): void {
  const parts = [...picture.replaceAll('[[', '').matchAll(/\[\s*([^\]\s])\s*([^\]]*)\]([^[]*)/g)].map(
    ([, component = '', presentation = '', after = '']) => ({kind: kindOf(component, presentation), after}),
  )
  const open = parts.filter(({kind, after}, at) => {
    const next = parts[at + 1]
    return next !== undefined && isOpen(kind, after, next.kind)
  })
  if (open.length > 2) throw new LimitError('a picture in which the parts of a time have ambiguous ends')
}

function kindOf(component: string, presentation: string): PartKind {
  if ('Zz'.includes(component)) return 'zone'
  if (component === 'f') return 'fraction'
  if (/^[wW]/.test(presentation)) return 'words'
  const isName = presentation === '' ? /[FP]|[CE]/.test(component) : /^[nNaAiI]/.test(presentation)
  return isName ? 'letters' : 'digits'
}

function isOpen(kind: PartKind, between: string, next: PartKind): boolean {
  if ([...between].some((character) => !characters[kind].test(character))) return false
  if (between !== '') return true
  // JSONata matches digits that precede digits with a fixed width.
  if (kind === 'digits') return false
  if (kind === 'fraction' || kind === 'zone') return next === 'digits' || next === 'fraction'
  return next === 'letters' || next === 'words' || (kind === 'words' && next === 'zone')
}
