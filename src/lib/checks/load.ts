/** Loads a check file: parses it, validates its shape and compiles its expressions, so that errors are found before anything runs. */
import {BusError} from '../core/errors.ts'
import {compileExpectation} from '../core/expectation.ts'
import {compileJsonata, type Expression} from '../core/text/jsonata.ts'
import type {Check, CheckFile, Expected, Spec} from './check.ts'
import {type CheckKind, checkKinds, type Part} from './events.ts'
import {faultsOf} from './faults.ts'
import {type Objection, objectionsTo, subjectsOf, unknownNames} from './rules.ts'
import {type CheckShape, type FileShape, fileShape, shortMembers} from './shape.ts'
import {type FileFault, type Located, type Path, parseYaml} from './yaml.ts'

/**
 * Loads a check file. `given` are the names of variables that the command line sets. Fails with `usage`: the sentence
 * begins with `path:line:column:`, and `data.faults` lists all errors in the order of the file.
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
  readonly faults: FileFault[] = []
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
    const {name = this.#path, vars, bus, context, always = []} = this.#shape
    if (bus !== undefined && context !== undefined)
      this.#fault(['context'], '"bus" and "context" cannot be used together')
    this.#objections(unknownNames({vars, bus, context}, this.#names, []), [])
    const checks = await this.#checks(this.#shape.checks, ['checks'], 'checks')
    const clean = await this.#checks(always, ['always'], 'always')
    return {path: this.#path, name, shape: this.#shape, checks, always: clean}
  }

  async #checks(shapes: readonly CheckShape[], path: Path, part: Part): Promise<Check[]> {
    const checks: Check[] = []
    const firsts = new Map<string, number>()
    for (const [at, shape] of shapes.entries()) {
      const check = await this.#check(shape, [...path, at], part)
      if (check !== undefined) checks.push(check)
      if (shape.name === undefined) continue
      const same = firsts.get(shape.name)
      if (same === undefined) firsts.set(shape.name, at)
      else {
        const {line} = this.#source.at([...path, same])
        this.#fault(
          [...path, at, 'name'],
          `${JSON.stringify(shape.name)} is also the name of the check on line ${line}`,
        )
      }
    }
    return checks
  }

  async #check(shape: CheckShape, path: Path, part: Part): Promise<Check | undefined> {
    const offset = (name: CheckKind) => {
      const {line, column} = this.#source.keyAt([...path, name])
      return line * 1e6 + column
    }
    const [kind, second] = checkKinds
      .filter((name) => shape[name] !== undefined)
      .sort((one, other) => offset(one) - offset(other))
    if (kind === undefined) {
      this.#fault(path, `this check does nothing: it needs one of ${checkKinds.join(', ')}`)
      return undefined
    }
    if (second !== undefined) this.#fault([...path, second], `a check does one thing: "${kind}" or "${second}"`)
    const spec = longForm(kind, shape)
    const isShort = typeof shape[kind] === 'string'
    this.#objections(objectionsTo(spec, this.#names), [...path, kind], isShort)
    const at = (...more: Path): Path => [...path, ...more]
    const {where, order, do: steps} = spec.kind === 'messages' ? spec : {}
    const skip = shape['skip-if']
    return {
      plan: {
        ...{name: shape.name ?? defaultName(spec), kind, file: this.#path, part, line: this.#source.at(path).line},
        tags: [...(this.#shape.tags ?? []), ...(shape.tags ?? [])],
      },
      ...{spec, shape},
      expectations: await this.#expectations(shape, at('expect')),
      captures: await this.#captures(shape.capture, at('capture')),
      skipIf: skip === undefined ? undefined : await this.#compile(String(skip), 'skip-if', at('skip-if')),
      where: where === undefined ? undefined : await this.#compile(where, 'where', at(kind, 'where')),
      order: await this.#order(order, at(kind, 'order')),
      steps: steps === undefined ? [] : await this.#checks(steps, at(kind, 'do'), part),
    }
  }

  async #expectations({expect = []}: CheckShape, path: Path): Promise<Expected[]> {
    const found: Expected[] = []
    for (const [at, item] of [expect].flat().entries()) {
      const place = Array.isArray(expect) ? [...path, at] : path
      if (typeof item === 'string') {
        const compiled = await this.#guarded(place, () => compileExpectation(item, 'expect'))
        if (compiled !== undefined) found.push({...compiled, line: this.#source.at(place).line})
      } else found.push(...(await this.#exact(item, place)))
    }
    return found
  }

  /** Members that must have exactly these values. */
  async #exact(members: Readonly<Record<string, unknown>>, path: Path): Promise<Expected[]> {
    this.#objections(unknownNames(members, this.#names, []), path)
    const found: Expected[] = []
    for (const [source, wanted] of Object.entries(members)) {
      const place = [...path, source]
      const read = await this.#compile(source, 'expect', place)
      if (read !== undefined) found.push({source, line: this.#source.keyAt(place).line, read, wanted})
    }
    return found
  }

  async #captures(capture: CheckShape['capture'] = {}, path: Path): Promise<Check['captures']> {
    const found: {name: string; line: number; read: Expression}[] = []
    for (const [name, source] of Object.entries(capture)) {
      const place = [...path, name]
      if (!/^[a-z]\w*$/i.test(name))
        this.#fault(place, `"${name}" is not a valid name: use letters, digits and "_", beginning with a letter`)
      const read = await this.#compile(source, 'capture', place)
      if (read !== undefined) found.push({name, line: this.#source.keyAt(place).line, read})
    }
    return found
  }

  async #order(order: string | readonly string[] = [], path: Path): Promise<Check['order']> {
    const found: {source: string; read: Expression}[] = []
    for (const [at, source] of [order].flat().entries()) {
      const read = await this.#compile(source, 'order', Array.isArray(order) ? [...path, at] : path)
      if (read !== undefined) found.push({source, read})
    }
    return found
  }

  #compile(source: string, key: string, path: Path): Promise<Expression | undefined> {
    return this.#guarded(path, () => compileJsonata(source, key))
  }

  async #guarded<T>(path: Path, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof BusError)) throw error
      this.faults.push({...this.#source.at(path), sentence: error.message})
      return undefined
    }
  }

  /** A check in its short form has a single position. */
  #objections(objections: Iterable<Objection>, path: Path, isShort = false): void {
    for (const [place, sentence] of objections) this.#fault(isShort ? path : [...path, ...place], sentence)
  }

  #fault(path: Path, sentence: string): void {
    this.faults.push({...this.#source.keyAt(path), sentence})
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

/** `req orders.get` */
function defaultName(spec: Spec): string {
  const [first] = [...subjectsOf(spec)]
  if (first !== undefined) return `${spec.kind} ${first[1]}`
  if (spec.kind === 'stream') return `stream ${spec.name}`
  if (spec.kind === 'consumer') return `consumer ${spec.stream} ${spec.name}`
  if (spec.kind === 'kv') return `kv ${spec.bucket} ${spec.key}`
  if (spec.kind === 'rpc') return `rpc ${spec.service} ${spec.method}`
  return spec.kind
}

function wrong(path: string, faults: readonly FileFault[]): BusError {
  const sorted = [...faults].sort((a, b) => a.line - b.line || a.column - b.column)
  const [first] = sorted
  const more = sorted.length > 1 ? ` (and ${sorted.length - 1} more)` : ''
  return new BusError('usage', `${placed(path, first)}${more}`, {
    try: ['validation in an editor: bus check --schema'],
    data: {file: path, faults: sorted},
  })
}

function placed(path: string, fault: FileFault | undefined): string {
  return fault === undefined ? path : `${path}:${fault.line}:${fault.column}: ${fault.sentence}`
}
