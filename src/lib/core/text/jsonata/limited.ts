/**
 * JSONata whose evaluations end within limits: the evaluator reports each step through its options, the functions of the
 * library are replaced, and the size of results is counted. Loaded with the first expression.
 */
import jsonata, {type Expression as Parsed} from 'jsonata'
import {BusError} from '../../errors.ts'
import {hasLongNumbers, isRounded} from '../long-numbers.ts'
import {loadRegexEngine, type RegexEngine, RegexError, regexHint} from '../regex.ts'
import {inexact} from './arithmetic.ts'
import {exactFunctions, exactOperators} from './exact.ts'
import {limitedFunctions, stringOf} from './functions.ts'
import {type Definition, type Environment, type Focus, isFunction, type Library, type SyntaxNode} from './library.ts'
import {EvaluationLimits, LimitError} from './limits.ts'
import {concatName, libraryNames, prepareSyntax, rootName, type Syntax, targetsName} from './syntax.ts'

/** JSONata calls the function bound to this name after it has evaluated a node. */
const exitHook = Symbol.for('jsonata.__evaluate_exit')
/** Nodes that create a value from others. */
const making = new Set(['unary', 'path', 'function', 'apply'])
const longestEvaluated = 10_000
const deepestEvaluated = 100

/** A part of an expression that is not accepted; its message is the reason. */
class RefusedPart extends Error {
  readonly position: number | undefined
  readonly hint: string | undefined

  constructor(reason: string, position: number | undefined, options: {hint?: string; cause?: Error} = {}) {
    super(reason, {cause: options.cause})
    this.position = position
    this.hint = options.hint
  }
}

/** Compiles `source`; `flag` is its origin. Fails with `usage` and the position (1-based). */
export async function compileLimited(source: string, flag: string): Promise<(context: object) => Promise<unknown>> {
  try {
    const evaluate = await parseLimited(source)
    return async (context) => {
      try {
        return await evaluate(context)
      } catch (error) {
        throw fault(error, source, flag, 'fails on a message')
      }
    }
  } catch (error) {
    throw fault(error, source, flag, error instanceof RefusedPart ? 'is refused' : 'is not JSONata')
  }
}

/** Parses an expression. Throws as JSONata does, or a `RefusedPart`. */
async function parseLimited(source: string): Promise<(context: object) => Promise<unknown>> {
  const limits = new EvaluationLimits()
  const quick = await parse(source, {limits, depth: 0, isExact: false})
  let exact: Promise<Prepared> | undefined
  const evaluateExactly = async (context: object) => {
    exact ??= parse(source, {limits, depth: 0, isExact: true})
    return await evaluateWith(await exact, limits, context)
  }
  const evaluate = async (context: object) => {
    limits.start()
    const isKnown = hasLongNumbers in context && !quick.syntax.hasLong
    // After one long number, others are likely.
    if (!isKnown || exact !== undefined) return await evaluateExactly(context)
    try {
      const value = await evaluateWith(quick, limits, context)
      if (!context[hasLongNumbers]) return value
    } catch (error) {
      if (!(error instanceof LongNumberSignal) && !context[hasLongNumbers]) throw error
    }
    return await evaluateExactly(context)
  }
  let turn: Promise<unknown> = Promise.resolve()
  // Evaluations run one after the other: each has its own time and memory.
  return (context) => {
    const result = turn.then(() => evaluate(context))
    turn = result.catch(() => undefined)
    return result
  }
}

async function evaluateWith({parsed, syntax}: Prepared, limits: EvaluationLimits, context: object): Promise<unknown> {
  const value: unknown = await parsed.evaluate(context)
  return syntax.makesValues ? limits.checkValue(value) : value
}

interface Prepared {
  readonly parsed: Parsed
  readonly syntax: Syntax
}

interface Mode {
  readonly limits: EvaluationLimits
  /** The number of enclosing calls of `$eval`. */
  readonly depth: number
  /** Uses operators for numbers beyond 2^53, which are slower. */
  readonly isExact: boolean
}

/** Thrown by the quick operators for a number beyond 2^53. */
class LongNumberSignal extends Error {}

async function parse(source: string, mode: Mode): Promise<Prepared> {
  const {limits, isExact} = mode
  const options: {RegexEngine?: RegExpConstructor} = Object.create(limits.options)
  const parsed = jsonata(source, options)
  const syntax = prepareSyntax(parsed.ast(), source, isExact)
  refuseSignature(syntax)
  if (syntax.regexes.length > 0 || syntax.isOpen) {
    const Engine = await loadRegexEngine()
    for (const literal of syntax.regexes) refuseUnusable(literal, Engine)
    // JSONata reads the global regular-expression engine when it evaluates.
    options.RegexEngine = steppingEngine(Engine, limits) as unknown as RegExpConstructor
  }
  if (syntax.hasTransform) limits.forbidCache()
  watch(parsed, syntax, mode)
  const library = await loadLibrary()
  const names = syntax.isOpen ? Object.keys(library) : syntax.names
  for (const [name, definition] of limitedFunctions(library, names, limits)) {
    parsed.assign(name, calculating.has(name) ? unrounded(name, definition, isExact) : definition)
  }
  parsed.assign(concatName, native(concatenation(limits)))
  parsed.assign(targetsName, native(refuseFunctions))
  if (syntax.isOpen) parsed.assign('eval', {...library['eval'], implementation: evaluation(mode)})
  if (isExact) assignExact(parsed, library, limits)
  return {parsed, syntax}
}

function assignExact(parsed: Parsed, library: Library, limits: EvaluationLimits): void {
  for (const [name, definition] of exactOperators()) parsed.assign(name, definition)
  for (const [name, {call, signature}] of Object.entries(exactFunctions(library))) {
    const limited = function (this: Focus, ...given: never[]) {
      limits.look()
      return call.apply(this, given)
    }
    parsed.registerFunction(name, limited as (...given: unknown[]) => unknown, signature)
  }
}

/** Checks the result of each node, if it may be too large or a rounded number. */
function watch(parsed: Parsed, {mayRepeat, hasArithmetic}: Syntax, {limits, isExact}: Mode): void {
  const signals = hasArithmetic && !isExact
  if (!mayRepeat && !signals) return
  const look = ({type}: SyntaxNode, _input: unknown, _environment: unknown, result: unknown) => {
    if (mayRepeat && making.has(type ?? '')) limits.checkValue(result)
    if (signals && type === 'binary' && typeof result === 'number' && isRounded(result)) throw new LongNumberSignal()
  }
  parsed.assign(exitHook as unknown as string, look)
}

/** Functions that calculate. */
const calculating = new Set(['sum', 'average', 'power', 'number', 'parseInteger'])

/** The number of values in an argument: 0 without one, 1 for a value that is no array. */
function countOf(argument: unknown): number {
  if (Array.isArray(argument)) return argument.length
  return argument === undefined ? 0 : 1
}

/** Returns the function with a check that throws if its result may have been rounded. */
function unrounded(name: string, definition: Definition, isExact: boolean): Definition {
  const implementation = function (this: Focus, ...given: never[]) {
    const result = definition.implementation.apply(this, given)
    const total = name === 'average' ? Number(result) * countOf(given[0]) : result
    if (typeof total === 'number' && isRounded(total)) throw isExact ? inexact() : new LongNumberSignal()
    return result
  }
  Object.defineProperty(implementation, 'length', {value: definition.implementation.length})
  Object.defineProperty(implementation, 'toString', {value: () => String(definition.implementation)})
  return {...definition, implementation}
}

function native(implementation: (...given: never[]) => unknown): Definition {
  return {_jsonata_function: true, implementation}
}

let loading: Promise<Library> | undefined

/** The functions of JSONata, as it keeps them. */
async function loadLibrary(): Promise<Library> {
  loading ??= Promise.all(
    [...libraryNames].map(async (name) => [name, await jsonata(`$${name}`).evaluate(undefined)] as const),
  ).then((functions) => Object.assign(Object.create(null), Object.fromEntries(functions)))
  return loading
}

function refuseSignature({refusedSignature}: Syntax): void {
  if (refusedSignature === undefined) return
  const {definition, position} = refusedSignature
  throw new RefusedPart(`too many optional or repeated parameters in ${definition}`, position)
}

function refuseUnusable({value, position}: Syntax['regexes'][number], Engine: RegexEngine): void {
  try {
    new Engine(value)
  } catch (cause) {
    if (!(cause instanceof RegexError)) throw cause
    throw new RefusedPart(`${cause.message} in /${value.source}/`, position, {hint: regexHint, cause})
  }
}

function steppingEngine(Engine: RegexEngine, limits: EvaluationLimits): RegexEngine {
  return class extends Engine {
    override exec(text: string): RegExpExecArray | null {
      limits.look()
      return super.exec(text)
    }
  }
}

function concatenation(limits: EvaluationLimits): (first: unknown, second: unknown) => string {
  return (first, second) => {
    const [one, other] = [stringOf(first, limits) ?? '', stringOf(second, limits) ?? '']
    limits.checkText(one.length + other.length)
    return one + other
  }
}

/** `|…|…|` may change anything except a function, because all evaluations share it. */
function refuseFunctions(targets: unknown): unknown {
  const all = Array.isArray(targets) ? targets : [targets]
  if (all.some(isFunction)) throw new LimitError('a transformation cannot change a function')
  return targets
}

/** `$eval()`, whose expression may be part of a message: it has the same limits. */
function evaluation(mode: Mode) {
  const {limits, depth, isExact} = mode
  return async function (this: Focus, source: string | undefined, focus: unknown) {
    if (source === undefined) return undefined
    if (source.length > longestEvaluated) throw new LimitError('an expression of $eval is too long')
    if (depth >= deepestEvaluated) throw new LimitError('$eval within $eval is nested too deeply')
    limits.step()
    const {parsed, syntax} = await parse(source, {...mode, depth: depth + 1}).catch((error: unknown) => {
      throw named(error, 'D3120')
    })
    if (syntax.hasLong && !isExact) throw new LongNumberSignal()
    for (const node of syntax.roots) node.value = rootName
    try {
      return await parsed.evaluate(focus ?? this.input, bindingsOf(this.environment, syntax))
    } catch (error) {
      throw named(error, 'D3121')
    }
  }
}

/** The variables of the expression that calls `$eval`, as far as they are used. */
function bindingsOf(environment: Environment, {names}: Syntax): Record<string, unknown> {
  const bindings: Record<string, unknown> = Object.create(null)
  for (const name of names) {
    const value = environment.lookup(name)
    if (value !== undefined && name !== 'eval') bindings[name] = value
  }
  bindings[rootName] = environment.lookup(rootName) ?? environment.lookup('$')
  return bindings
}

function named(error: unknown, code: string): unknown {
  if (error instanceof Error || (error as {code?: string}).code === 'D1012') return error
  return {code, value: (error as {message?: string}).message, error}
}

/** An error of JSONata may contain a value of a message. */
const longestReason = 500

/** JSONata throws plain objects with a message and the offset after the token where it stopped. */
function fault(error: unknown, source: string, flag: string, what: string): BusError {
  const {message, position} = error as {message?: string; position?: number}
  const at = position === undefined ? undefined : Math.max(1, Math.min(position, source.length))
  const where = at === undefined ? '' : ` at position ${at}`
  return new BusError('usage', `${flag} ${JSON.stringify(source)} ${what}: ${reasonOf(error, message)}${where}`, {
    cause: error,
    data: {position: at},
    try: [(error instanceof RefusedPart && error.hint) || `${flag} 'json.total > 100 and headers.Trace'`],
  })
}

function reasonOf(error: unknown, message = String(error)): string {
  // V8 throws a RangeError at the end of the stack.
  if (error instanceof RangeError && message.startsWith('Maximum call stack')) return 'it is nested too deeply'
  return message.length > longestReason ? `${message.slice(0, longestReason)}…` : message
}
