/**
 * What one evaluation of an expression may use: time, memory, calls within calls, values and text. The evaluator reads
 * its options at each step, and the functions of the library report what they are about to make.
 */
import {getHeapStatistics, setFlagsFromString} from 'node:v8'
import {runInNewContext} from 'node:vm'

const longestMs = 2000
const mostBytes = 256 * 1024 * 1024
const deepestCalls = 10_000
const mostValues = 1_000_000
const longestText = 16 * 1024 * 1024
/** Values of a result, with those that it contains several times counted several times; 8 characters count as one. */
const greatestWeight = 4_000_000

/** A lesser weight is found again faster than remembered. */
const leastRemembered = 100

/** Steps between two looks at the clock. */
const stepsOfLook = 16
/** Time between two looks at the heap: what is allocated in it may be too much. */
const msOfSample = 5

/** An evaluation that needs more than it may use; its message is the reason. */
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

  /** Values may change after they were made: no weight is remembered. */
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

  /** Called at each step. Throws when the time or the memory is used up. */
  step(): void {
    if (++this.#steps % stepsOfLook === 0) this.look()
  }

  /** As `step`, before what takes long. */
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

  /** Throws when a text of this many characters may not be made. */
  checkText(length: number): void {
    this.step()
    if (length > longestText) {
      throw new LimitError(`it makes a text of more than ${longestText} characters`)
    }
  }

  /** Throws when a list of this many values may not be made. */
  checkList(length: number): void {
    this.step()
    if (length > mostValues) throw {code: 'D2015', value: length}
  }

  /** Throws when a value contains too much to be walked through, as one that contains the same part again and again. */
  checkValue<Value>(value: Value): Value {
    if (typeof value === 'object' && value !== null) this.weightOf(value)
    return value
  }

  /** As `checkValue`, for a value that was made of others. */
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
  return new LimitError(`it makes a value of more than ${greatestWeight} parts`)
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
}
