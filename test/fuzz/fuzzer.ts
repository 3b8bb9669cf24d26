/**
 * A coverage-guided fuzzer for one target, in a process of its own: `fuzzer.ts TARGET SECONDS [SEED]`. Inputs that reach new
 * code are mutated further; at the end the smallest set that reaches all of it is stored. Jazzer.js, the only maintained fuzzer
 * of this kind on npm, brings a hundred packages and a binary that not every Linux can load.
 */
import {createHash} from 'node:crypto'
import {mkdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {Worker} from 'node:worker_threads'
import {corpusFolder, keepCorpus, readCorpus} from './corpus.ts'
import {Coverage} from './coverage.ts'
import {mutate, randomFrom} from './mutate.ts'
import type {Target} from './target.ts'
import {targets} from './targets.ts'

const batchSize = 100
const stuckMs = 60_000
/** Largest number of inputs stored with the sources. */
const mostKept = 36
const longestKept = 4096

class Fuzzer {
  readonly #name: string
  readonly #target: Target
  readonly #coverage = new Coverage()
  readonly #corpus: Uint8Array[]
  readonly #seen = new Set<string>()
  readonly #found = new Set<string>()
  readonly #watched = new SharedArrayBuffer(16 + 65_536)
  runs = 0

  constructor(name: string, target: Target, corpus: readonly Uint8Array[]) {
    this.#name = name
    this.#target = target
    this.#corpus = [...corpus]
    const workerData = {shared: this.#watched, path: findingPath(name, 'stuck'), stuckMs}
    new Worker(new URL('watchdog.ts', import.meta.url), {workerData}).unref()
  }

  get report(): string {
    return `${this.#name}: ${this.runs} inputs, ${this.#seen.size} blocks, ${this.#corpus.length} of use, ${this.#found.size} findings`
  }

  async work(seconds: number, seed: number): Promise<boolean> {
    const random = randomFrom(seed)
    const until = performance.now() + seconds * 1000
    await this.#keepNew(this.#corpus.splice(0))
    for (let told = performance.now(); performance.now() < until; ) {
      const batch = Array.from({length: batchSize}, () => {
        // The newer half more often, because it reached the new code.
        const from = random(2) === 0 ? random(this.#corpus.length) : this.#corpus.length - 1 - random(8)
        return mutate(this.#corpus[Math.max(0, from)] ?? new Uint8Array(), this.#corpus, this.#target.words, random)
      })
      for (const input of batch) await this.#run(input)
      const fresh = this.#fresh(this.#coverage.take())
      if (fresh.size > 0) await this.#keepNew(batch)
      if (performance.now() - told < 60_000) continue
      told = performance.now()
      console.log(this.report)
    }
    keepCorpus(this.#name, await this.#fewest())
    return this.#found.size === 0
  }

  async #keepNew(inputs: readonly Uint8Array[]): Promise<void> {
    for (const input of inputs) {
      const fresh = this.#fresh(await this.#coverageOf(input))
      if (fresh.size === 0) continue
      const small = await this.#smaller(input, fresh)
      for (const block of await this.#coverageOf(small)) this.#seen.add(block)
      for (const block of fresh) this.#seen.add(block)
      this.#corpus.push(small)
    }
  }

  /** The input with as much removed as possible while it reaches these blocks. */
  async #smaller(input: Uint8Array, blocks: ReadonlySet<string>): Promise<Uint8Array> {
    let small = input
    let tries = 0
    for (let size = small.length >> 1; size > 0 && tries < 60; size >>= 1) {
      for (let at = 0; at + size <= small.length && tries < 60; tries++) {
        const less = new Uint8Array(Buffer.concat([small.subarray(0, at), small.subarray(at + size)]))
        const reached = await this.#coverageOf(less)
        if ([...blocks].every((block) => reached.has(block))) small = less
        else at += size
      }
    }
    return small
  }

  /** The smallest set of inputs that reaches everything that was reached, small inputs first. */
  async #fewest(): Promise<Uint8Array[]> {
    const measured: {input: Uint8Array; reached: Set<string>}[] = []
    for (const input of this.#corpus.filter(({length}) => length <= longestKept))
      measured.push({input, reached: await this.#coverageOf(input)})
    const kept: Uint8Array[] = []
    const reached = new Set<string>()
    const gain = ({reached: more}: {reached: Set<string>}) => [...more].filter((block) => !reached.has(block)).length
    while (kept.length < mostKept) {
      const [best] = measured
        .map((one) => ({...one, gain: gain(one)}))
        .sort((a, b) => b.gain - a.gain || a.input.length - b.input.length)
      if (best === undefined || best.gain === 0) break
      kept.push(best.input)
      for (const block of best.reached) reached.add(block)
    }
    return kept
  }

  #fresh(reached: ReadonlySet<string>): Set<string> {
    return new Set([...reached].filter((block) => !this.#seen.has(block)))
  }

  async #coverageOf(input: Uint8Array): Promise<Set<string>> {
    this.#coverage.take()
    await this.#run(input)
    return this.#coverage.take()
  }

  async #run(input: Uint8Array): Promise<void> {
    this.#watch(input)
    const began = performance.now()
    try {
      await this.#target.run(input)
    } catch (error) {
      this.#tell(input, error)
    }
    const most = this.#target.slowMs ?? 1000
    if (performance.now() - began > most && (await this.#quickest(input)) > most)
      this.#tell(input, new Error(`took more than ${most} ms`))
  }

  /** A stalled machine is not the fault of the input. */
  async #quickest(input: Uint8Array): Promise<number> {
    let quickest = Number.POSITIVE_INFINITY
    for (let tries = 0; tries < 3; tries++) {
      const began = performance.now()
      this.#watch(input)
      await (async () => this.#target.run(input))().catch(() => undefined)
      quickest = Math.min(quickest, performance.now() - began)
    }
    return quickest
  }

  #watch(input: Uint8Array): void {
    const [counters, room] = [new Int32Array(this.#watched, 0, 2), new Uint8Array(this.#watched, 16)]
    room.set(input.subarray(0, room.length))
    counters[1] = input.length
    Atomics.store(counters, 0, ++this.runs)
  }

  #tell(input: Uint8Array, error: unknown): void {
    const {message, stack = message} = error instanceof Error ? error : new Error(String(error))
    const where = stack.split('\n').find((line) => /^ +at .*\/(src|targets)\//.test(line)) ?? ''
    const key = where.trim() || message.slice(0, 80)
    if (this.#found.has(key)) return
    this.#found.add(key)
    const path = findingPath(this.#name, createHash('sha1').update(input).digest('hex').slice(0, 12))
    writeFileSync(path, input)
    console.error(`${this.#name}: ${stack.slice(0, 1500)}\n  by ${path}`)
  }
}

function findingPath(name: string, id: string): string {
  const folder = join(corpusFolder, '..', 'found')
  mkdirSync(folder, {recursive: true})
  return join(folder, `${name}-${id}`)
}

const [name = '', seconds = '60', seed = String(Date.now())] = process.argv.slice(2)
const load = targets[name]
if (load === undefined) throw new Error(`there is no target ${name}: ${Object.keys(targets).join(', ')}`)
const {target} = await load()
console.log(`${name}: seed ${seed}`)
const fuzzer = new Fuzzer(name, target, readCorpus(name, target))
const isSound = await fuzzer.work(Number(seconds), Number(seed))
console.log(`${fuzzer.report}, over`)
process.exit(isSound ? 0 : 1)
