/**
 * Regular expressions that end. V8 tries one way after the other, which for `(a+)+$` and a text of forty letters takes
 * years; here it is stopped after a second. To be watched costs a third of a millisecond, so only those are that could
 * take long: by what they repeat, and how long the text is.
 */
import type {Context} from 'node:vm'
import {BusError} from '../errors.ts'

const longestMs = 1000
/** Steps that are few enough not to be watched. */
const fewSteps = 1e7

/** As `RegExp`, but `exec` and `test` throw `usage` where they take too long. */
export class BoundedRegExp extends RegExp {
  readonly #degree: number
  #room: Context | undefined

  constructor(pattern: string | RegExp, flags?: string) {
    super(pattern, flags)
    this.#degree = degreeOf(this.source)
  }

  override exec(text: string): RegExpExecArray | null {
    const run = () => super.exec(text)
    return String(text).length ** this.#degree <= fewSteps ? run() : this.#watched(run)
  }

  #watched<T>(run: () => T): T {
    const vm = process.getBuiltinModule('node:vm')
    this.#room ??= vm.createContext({})
    this.#room['run'] = run
    try {
      return vm.runInContext('run()', this.#room, {timeout: longestMs})
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error
      throw new BusError('usage', `the pattern /${this.source}/ takes more than ${longestMs} ms on a text`, {
        try: ['repeat nothing that is repeated within'],
      })
    }
  }
}

/**
 * The power of the text's length that bounds the steps: one for where it begins, one for each part that is repeated. None
 * does where something is repeated that can itself be read in several ways, nor with back references.
 */
function degreeOf(source: string): number {
  if (/\\[1-9k]/.test(source)) return Number.POSITIVE_INFINITY
  let plain = source.replace(/\\.|\[(?:\\.|[^\]])*\]/gs, 'x')
  for (let before = ''; before !== plain; ) {
    before = plain
    plain = plain.replace(/\((?:\?(?:[:=!]|<[=!]|<\w+>))?[^()*+?{|]*\)/g, 'x')
  }
  return /\)[*+?{]/.test(plain) ? Number.POSITIVE_INFINITY : 1 + (plain.match(/[*+?{]/g)?.length ?? 0)
}
