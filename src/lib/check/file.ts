/** A check file: read, checked against its shape, its expressions compiled. All that is wrong in it is found here, before anything runs. */
import {durationMs} from '../duration.ts'
import {BusError} from '../errors.ts'
import {compileExpectation, type Miss} from '../expectation.ts'
import {compileJsonata, type Expression} from '../jsonata.ts'
import {checkHeader} from '../message.ts'
import {checkPattern} from '../subject.ts'
import {type CheckKind, type CheckPlan, checkKinds, type Part} from './events.ts'
import {faultsOf} from './faults.ts'
import {type CheckShape, type FileShape, fileShape, type Shapes, shortMembers} from './shape.ts'
import {unknownName} from './variables.ts'
import {type Fault, type Located, type Path, parseYaml} from './yaml.ts'

export interface CheckFile {
  readonly path: string
  readonly name: string
  readonly shape: FileShape
  readonly checks: readonly Check[]
  readonly always: readonly Check[]
}

/** One check, with what of it is compiled. */
export interface Check {
  readonly plan: CheckPlan
  readonly spec: Spec
  readonly shape: CheckShape
  readonly expectations: readonly Expected[]
  readonly captures: readonly {readonly name: string; readonly line: number; readonly read: Expression}[]
  readonly skipIf: Expression | undefined
  /** Of `messages`: its filter, its order, and the steps of `do`. */
  readonly where: Expression | undefined
  readonly order: readonly {readonly source: string; readonly read: Expression}[]
  readonly steps: readonly Check[]
}

/** What is done, in its long form. */
export type Spec = {[Kind in CheckKind]: {readonly kind: Kind} & Shapes[Kind]}[CheckKind]

/** JSONata that must be true, or, with `wanted`, have exactly this value. */
export interface Expected {
  readonly source: string
  readonly line: number
  readonly missOf: (context: object) => Promise<Miss | undefined>
  readonly read?: Expression | undefined
  readonly wanted?: unknown
}

/** Texts in which `{name}` is not a placeholder: JSONata has braces of its own. */
const expressions: ReadonlySet<PropertyKey> = new Set(['where', 'order', 'skip-if', 'capture', 'do'])

/**
 * Reads a check file. `given` are names of variables that the command line sets. Fails with `usage`: the sentence begins
 * with `path:line:column:`, and `data.faults` has all that is wrong, in the order of the file.
 */
export async function loadFile(path: string, text: string, given: readonly string[] = []): Promise<CheckFile> {
  const source = parseYaml(text)
  if (source.faults.length > 0) throw wrong(path, source.faults)
  const parsed = fileShape.safeParse(source.value)
  if (!parsed.success) throw wrong(path, faultsOf(parsed.error.issues, source))
  const loader = new Loader(path, source, parsed.data, given)
  const file = await loader.load()
  if (loader.faults.length > 0) throw wrong(path, loader.faults)
  return file
}

class Loader {
  readonly faults: Fault[] = []
  readonly #path: string
  readonly #source: Located
  readonly #shape: FileShape
  readonly #names: ReadonlySet<string>

  constructor(path: string, source: Located, shape: FileShape, given: readonly string[]) {
    this.#path = path
    this.#source = source
    this.#shape = shape
    const all = [...shape.checks, ...(shape.always ?? [])]
    this.#names = new Set([...given, ...Object.keys(shape.vars ?? {}), ...all.flatMap(capturedBy)])
  }

  async load(): Promise<CheckFile> {
    const {name = this.#path, vars = {}, bus, context, always = []} = this.#shape
    if (bus !== undefined && context !== undefined)
      this.#fault(['context'], 'has a "bus" and a "context": one is enough')
    this.#checkTexts(vars, ['vars'])
    for (const key of ['bus', 'context'] as const) this.#checkTexts(this.#shape[key], [key])
    const checks = await this.#checks(this.#shape.checks, ['checks'], 'checks')
    const clean = await this.#checks(always, ['always'], 'always')
    this.#checkNames([...checks, ...clean])
    return {path: this.#path, name, shape: this.#shape, checks, always: clean}
  }

  async #checks(shapes: readonly CheckShape[], path: Path, part: Part): Promise<Check[]> {
    const checks: Check[] = []
    for (const [at, shape] of shapes.entries()) {
      const check = await this.#check(shape, [...path, at], part)
      if (check !== undefined) checks.push(check)
    }
    return checks
  }

  async #check(shape: CheckShape, path: Path, part: Part): Promise<Check | undefined> {
    const [kind, second] = checkKinds.filter((name) => shape[name] !== undefined)
    if (kind === undefined) {
      this.#fault(path, `does nothing: it needs one of ${checkKinds.join(', ')}`)
      return undefined
    }
    if (second !== undefined)
      this.#fault([...path, second], `is the second thing that this check does, after "${kind}"`)
    const spec = longForm(kind, shape)
    this.#checkTexts(shape[kind], [...path, kind])
    this.#checkSpec(spec, [...path, kind])
    const at = (...more: Path): Path => [...path, ...more]
    const {where, order, do: steps} = spec.kind === 'messages' ? spec : {}
    const file = this.#path
    return {
      plan: {
        ...{name: shape.name ?? defaultName(spec), kind, file, part, line: this.#source.at(path).line},
        tags: [...(this.#shape.tags ?? []), ...(shape.tags ?? [])],
      },
      ...{spec, shape},
      expectations: await this.#expectations(shape, at('expect')),
      captures: await this.#captures(shape.capture, at('capture')),
      skipIf: shape['skip-if'] === undefined ? undefined : await this.#compile(shape['skip-if'], at('skip-if')),
      where: where === undefined ? undefined : await this.#compile(where, at(kind, 'where')),
      order: await this.#order(order, at(kind, 'order')),
      steps: steps === undefined ? [] : await this.#checks(steps, at(kind, 'do'), part),
    }
  }

  async #expectations({expect}: CheckShape, path: Path): Promise<Expected[]> {
    const list = expect === undefined ? [] : Array.isArray(expect) ? expect : [expect]
    const found: Expected[] = []
    for (const [at, item] of list.entries()) {
      const place = Array.isArray(expect) ? [...path, at] : path
      if (typeof item === 'string') found.push(...(await this.#expected(item, place)))
      else {
        for (const [source, wanted] of Object.entries(item)) {
          this.#checkTexts(wanted, [...place, source])
          const read = await this.#compile(source, [...place, source])
          const [expected] = await this.#expected(source, [...place, source], false)
          if (expected !== undefined) found.push({...expected, read, wanted})
        }
      }
    }
    return found
  }

  async #expected(source: string, path: Path, tells = true): Promise<Expected[]> {
    const compiled = await this.#guarded(path, () => compileExpectation(source, 'expect'), tells)
    return compiled === undefined ? [] : [{...compiled, line: this.#source.at(path).line}]
  }

  async #captures(capture: CheckShape['capture'] = {}, path: Path): Promise<Check['captures']> {
    const found: {name: string; line: number; read: Expression}[] = []
    for (const [name, source] of Object.entries(capture)) {
      const place = [...path, name]
      if (!/^[a-z]\w*$/i.test(name)) this.#fault(place, `cannot be a name: letters, digits and "_", a letter first`)
      const read = await this.#compile(source, place)
      if (read !== undefined) found.push({name, line: this.#source.at(place).line, read})
    }
    return found
  }

  async #order(order: string | readonly string[] | undefined, path: Path): Promise<Check['order']> {
    const found: {source: string; read: Expression}[] = []
    for (const [at, source] of [order ?? []].flat().entries()) {
      const read = await this.#compile(source, Array.isArray(order) ? [...path, at] : path)
      if (read !== undefined) found.push({source, read})
    }
    return found
  }

  #compile(source: string, path: Path): Promise<Expression | undefined> {
    return this.#guarded(path, () => compileJsonata(source, String(path.findLast((key) => typeof key === 'string'))))
  }

  async #guarded<T>(path: Path, work: () => T | Promise<T>, tells = true): Promise<T | undefined> {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof BusError)) throw error
      if (tells) this.faults.push({...this.#source.at(path), sentence: error.message})
      return undefined
    }
  }

  /** What a shape cannot say. */
  #checkSpec(spec: Spec, path: Path): void {
    const bodies = ['body', 'json', 'base64', 'file'].filter((name) => name in spec)
    if (bodies.length > 1) this.#fault([...path, bodies[1] ?? ''], `is a second payload, after "${bodies[0]}"`)
    const fixed = [...subjectsOf(spec)].filter(([, subject]) => !/\{[a-z]/i.test(subject))
    for (const [key, subject] of fixed) void this.#try([...path, ...key], () => checkPattern(subject))
    if ('headers' in spec) {
      for (const [name, value] of Object.entries(spec.headers ?? {}))
        void this.#try([...path, 'headers', name], () => checkHeader(name, String(value)))
    }
    if (spec.kind === 'messages') this.#checkMessages(spec, path)
    if (spec.kind === 'rpc' && spec.subject === undefined && (spec.service ?? spec.method) === undefined)
      this.#fault(path, 'needs "subject", or "service" and "method"')
    if (spec.kind === 'pub' && spec['msg-id'] !== undefined && !spec.ack)
      this.#fault([...path, 'msg-id'], 'needs "ack: true"')
  }

  #checkMessages(spec: Shapes['messages'], path: Path): void {
    if ((spec.subject === undefined) === (spec.subjects === undefined))
      this.#fault(path, 'needs "subject" or "subjects", one of them')
    const exact = ['exactly', 'none'].filter((name) => name in spec)
    const bounds = ['at-least', 'at-most'].filter((name) => name in spec)
    if (exact.length > 1 || (exact.length > 0 && bounds.length > 0))
      this.#fault([...path, exact[0] ?? ''], 'says how many, and another key does too')
    if (spec['at-least'] !== undefined && spec['at-most'] !== undefined && spec['at-least'] > spec['at-most'])
      this.#fault([...path, 'at-least'], 'is more than "at-most"')
  }

  /** Every placeholder must have a name that somebody gives a value to. */
  #checkTexts(value: unknown, path: Path): void {
    if (typeof value === 'string') {
      const unknown = this.#try(path, () => unknownName(value, this.#names))
      if (unknown !== undefined) {
        const sentence = `there is nothing that {${unknown.name}} stands for; write {{${unknown.name}}} if the braces are meant`
        this.#fault(path, sentence)
      }
    } else if (value !== null && typeof value === 'object') {
      for (const [key, item] of Object.entries(value)) {
        const isExpression = path.length === 3 && expressions.has(key)
        if (!isExpression) this.#checkTexts(item, [...path, Array.isArray(value) ? Number(key) : key])
      }
    }
  }

  #try<T>(path: Path, work: () => T): T | undefined {
    try {
      return work()
    } catch (error) {
      if (!(error instanceof BusError)) throw error
      this.#fault(path, error.message)
      return undefined
    }
  }

  /** Two checks of one name could not be told apart. */
  #checkNames(checks: readonly Check[]): void {
    const seen = new Map<string, number>()
    for (const {plan, shape} of checks) {
      const line = seen.get(plan.name)
      if (line !== undefined && shape.name !== undefined) {
        this.faults.push({
          line: plan.line,
          column: 1,
          sentence: `${JSON.stringify(plan.name)} is also the name of the check in line ${line}`,
        })
      }
      seen.set(plan.name, plan.line)
    }
  }

  #fault(path: Path, sentence: string): void {
    const key = path.at(-1)
    const named =
      typeof key === 'string' && !sentence.startsWith('there') ? `${JSON.stringify(key)} ${sentence}` : sentence
    this.faults.push({...this.#source.keyAt(path), sentence: named})
  }
}

function capturedBy({capture = {}, messages}: CheckShape): string[] {
  return [...Object.keys(capture), ...(messages?.do ?? []).flatMap(capturedBy)]
}

function longForm(kind: CheckKind, shape: CheckShape): Spec {
  const given = shape[kind]
  const members = typeof given === 'string' ? {[shortMembers[kind as keyof typeof shortMembers]]: given} : given
  return {kind, ...(members as object)} as Spec
}

/** The subjects and patterns of a check, and where they stand in it. */
function* subjectsOf(spec: Spec): Generator<readonly [Path, string]> {
  if ('subject' in spec && spec.subject !== undefined) yield [['subject'], spec.subject]
  if ('topic' in spec) yield [['topic'], spec.topic]
  if (spec.kind !== 'messages') return
  for (const [at, subject] of (spec.subjects ?? []).entries()) yield [['subjects', at], subject]
}

/** `req orders.get` */
function defaultName(spec: Spec): string {
  const [first] = [...subjectsOf(spec)]
  if (first !== undefined) return `${spec.kind} ${first[1]}`
  if (spec.kind === 'stream') return `stream ${spec.name}`
  if (spec.kind === 'consumer') return `consumer ${spec.stream} ${spec.name}`
  if (spec.kind === 'rpc') return `rpc ${spec.service} ${spec.method}`
  return spec.kind
}

/** Milliseconds of a duration that its shape has checked. */
export function msOf(duration: string): number {
  return durationMs(duration) ?? 0
}

function wrong(path: string, faults: readonly Fault[]): BusError {
  const sorted = [...faults].sort((a, b) => a.line - b.line || a.column - b.column)
  const [first] = sorted
  const more = sorted.length > 1 ? ` (and ${sorted.length - 1} more)` : ''
  return new BusError('usage', `${placed(path, first)}${more}`, {
    try: ['bus check --schema, for an editor that knows what may stand there'],
    data: {file: path, faults: sorted},
  })
}

function placed(path: string, fault: Fault | undefined): string {
  return fault === undefined ? path : `${path}:${fault.line}:${fault.column}: ${fault.sentence}`
}
