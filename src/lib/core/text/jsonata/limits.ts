/**
 * The limits of one evaluation of an expression: time, memory, nested calls, values and text. The evaluator reads its options
 * at each step, and the functions of the library report what they are about to create.
 */
import {getHeapStatistics, setFlagsFromString} from 'node:v8'
import {runInNewContext} from 'node:vm'

const longestMs = 2000
const mostBytes = 256 * 1024 * 1024
const deepestCalls = 10_000
const mostValues = 1_000_000
const longestText = 16 * 1024 * 1024
/** Values of a result, where repeated ones count each time; 8 characters count as one value. */
const greatestWeight = 4_000_000

/** A smaller weight is computed faster than it is looked up. */
const leastRemembered = 100

/** Steps between two checks of the clock. */
const stepsOfLook = 16
/** Time between two checks of the heap, in which too much may be allocated. */
const msOfSample = 5

/** An evaluation that exceeds a limit; its message is the reason. */
export class LimitError extends Error {}

export class EvaluationLimits {
  /** Options of JSONata, which reads them again at each step. */
  readonly options: {readonly timeout: number; readonly stack: number; readonly sequence: number}
  #steps = 0
  #began = 0
  #sampled = 0
  #bytesBefore: number | undefined
  #mayCache = true
  #weights: Map<object, number> | undefined

  constructor() {
    const step = () => this.step()
    this.options = {
      // The time is limited by `step`.
      timeout: 0,
      get stack() {
        step()
        return deepestCalls
      },
      get sequence() {
        step()
        return mostValues
      },
    }
  }

  /** Values may change after they were created, so no weight is cached. */
  forbidCache(): void {
    this.#mayCache = false
  }

  /** Called before each evaluation. */
  start(): void {
    this.#began = performance.now()
    this.#sampled = this.#began
    this.#bytesBefore = undefined
    this.#weights = undefined
  }

  /** Called at each step. Throws if the time or the memory is exceeded. */
  step(): void {
    if (++this.#steps % stepsOfLook === 0) this.look()
  }

  /** Like `step`, before work that takes long. */
  look(): void {
    const now = performance.now()
    if (now - this.#began > longestMs) throw {code: 'D1012', value: longestMs}
    if (now - this.#sampled < msOfSample) return
    this.#sampled = now
    this.#sample()
  }

  #sample(): void {
    const {used_heap_size: used, external_memory: external, heap_size_limit: limit} = getHeapStatistics()
    const bytes = used + external
    this.#bytesBefore = Math.min(this.#bytesBefore ?? bytes, bytes)
    const most = Math.min(mostBytes, Math.max(0, limit - this.#bytesBefore) / 2)
    if (bytes - this.#bytesBefore <= most) return
    // Part of it may be garbage.
    collectGarbage()
    const {used_heap_size: kept, external_memory: keptOutside} = getHeapStatistics()
    this.#bytesBefore = Math.min(this.#bytesBefore, kept + keptOutside)
    if (kept + keptOutside - this.#bytesBefore > most) throw new LimitError('it needs more than 256 MiB of memory')
  }

  /** Throws if a string of this many characters is too long. */
  checkText(length: number): void {
    this.step()
    if (length > longestText) {
      throw new LimitError(`it creates a string of more than ${longestText} characters`)
    }
  }

  /** Throws if a list of this many values is too long. */
  checkList(length: number): void {
    this.step()
    if (length > mostValues) throw {code: 'D2015', value: length}
  }

  /** Throws if a value has too many parts to be traversed, for example because it contains the same part repeatedly. */
  checkValue<Value>(value: Value): Value {
    if (typeof value === 'object' && value !== null) this.weightOf(value)
    return value
  }

  /** Like `checkValue`, for a value that was created from others. */
  checkSum<Value extends object>(value: Value, ...parts: readonly unknown[]): Value {
    let weight = 1
    for (const part of parts) weight += this.#weigh(part)
    if (weight > greatestWeight) throw tooGreat()
    this.#remember(value, weight)
    return value
  }

  weightOf(value: unknown): number {
    const weight = this.#weigh(value)
    if (weight > greatestWeight) throw tooGreat()
    return weight
  }

  #remember(value: object, weight: number): void {
    if (weight < leastRemembered || !this.#mayCache) return
    this.#weights ??= new Map()
    this.#weights.set(value, weight)
  }

  #weigh(value: unknown): number {
    if (typeof value === 'string') return 1 + value.length / 8
    if (typeof value !== 'object' || value === null || '_jsonata_lambda' in value) return 1
    const known = this.#weights?.get(value)
    if (known !== undefined) return known
    this.step()
    let weight = 1
    const add = (part: unknown) => {
      weight += typeof part === 'number' ? 1 : this.#weigh(part)
      if (weight > greatestWeight) throw tooGreat()
    }
    if (Array.isArray(value)) for (const part of value) add(part)
    else for (const part of Object.values(value)) add(part)
    this.#remember(value, weight)
    return weight
  }
}

function tooGreat(): LimitError {
  return new LimitError(`it creates a value with more than ${greatestWeight} parts`)
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
}
