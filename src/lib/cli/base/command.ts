/** What every command has: the global flags, the chosen bus, stdout and stderr, Ctrl-C, and one shape for failures. */
import type {Command} from '@oclif/core/command'
import type {ArgInput, FlagInput, Input} from '@oclif/core/interfaces'
import type {ChalkInstance} from 'chalk'
import {BusError, firstFailure, isFailure} from '../../core/errors.ts'
import {Timer} from '../../core/time/timer.ts'
import type {Notice, OpenOptions, Transport} from '../../transport/contract.ts'
import {open} from '../../transport/open.ts'
import {schemeOf, shownBus} from '../../transport/schemes.ts'
import {globalFlags} from '../flags/global.ts'
import {Output} from '../io/output.ts'
import {endEchoedLine, isTerminal, tell, wantsColour, writeAll} from '../io/terminal.ts'
import {printableJson, printableLines, terminalText} from '../render/printable.ts'
import type {Column} from '../render/table.ts'
import {formatCount} from '../render/units.ts'
import {type BusFlags, chooseBus, findBus, prepareBus} from '../target/bus.ts'
import {parseArguments} from './arguments.ts'
import {report, withoutTyped} from './error-report.ts'
import {stopOnSignal} from './signals.ts'

type Values = Record<string, unknown>

interface Globals extends BusFlags {
  readonly quiet: boolean
  readonly 'no-color': boolean
  readonly 'read-only': boolean
  readonly timeout?: number | undefined
}

/** A file of src/commands. */
export interface CommandModule {
  readonly default: {id: string; start(argv: string[], about: About): Promise<unknown>}
}

interface About {
  /** Of busline. */
  readonly version: string
}

interface OpenBusOptions extends OpenOptions {
  /** The command runs until it is stopped, so it waits for a lost connection; otherwise it fails immediately. */
  readonly stream?: boolean | undefined
  /** The command publishes or changes something: it fails with `denied` if that is not possible. */
  readonly writes?: boolean | undefined
  /** The name of a context, as given to `--context`. */
  readonly context?: string | undefined
  /** A URL or the name of a context, which replaces the flags. */
  readonly bus?: string | undefined
}

/** What fits into a pipe, in characters. */
const longText = 32 * 1024

/** How long after the end of --for a bus may still respond. */
const graceMs = 500

type Startable = new (argv: string[], about: About) => BusCommand<unknown>

/**
 * `Result` is what `--json` prints at the end; a command that writes continuously returns nothing. The static properties are
 * those that oclif reads for help and the manifest. oclif's own `Command` loads much that running a command does not need.
 */
export abstract class BusCommand<Result = void> {
  static id: string
  static summary: string
  static description: string | undefined
  static examples: Command.Example[]
  static hidden: boolean
  static args: ArgInput = {}
  static flags: FlagInput = {}
  static baseFlags = globalFlags

  /** On a command with `--exec`: the program and its arguments after `--`. */
  protected program: readonly string[] = []
  /** How long the bus may keep the command waiting, if `--timeout` or the context says so. */
  protected timeoutMs: number | undefined
  protected readonly version: string
  readonly #argv: string[]
  readonly #stop = new AbortController()
  #signals: Disposable | undefined
  #output: Output | undefined
  #isRaw = false
  #globals: Globals = {quiet: false, 'no-color': false, 'read-only': false}
  #forMs: number | undefined
  #late: Timer | undefined
  #isLate = false
  /** The bus is being opened, or open. */
  #isAsking = false
  #starting: AbortSignal | undefined

  constructor(argv: string[], {version}: About) {
    this.#argv = argv
    this.version = version
  }

  /** Runs this command with the words after its name. Reports failures and sets the exit code. */
  static start(this: Startable, argv: string[], about: About): Promise<unknown> {
    return new this(argv, about).#start()
  }

  abstract run(): Promise<Result>

  async #start(): Promise<Result | undefined> {
    this.#signals = stopOnSignal(this.#stop, (signal) => {
      if (signal === 'SIGINT') endEchoedLine()
      this.#output?.whenStuck(() => process.kill(process.pid, signal))
    })
    try {
      const result = await this.run()
      if (result !== undefined && this.jsonEnabled()) this.logJson(result)
      await this.#output?.end()
      return result
    } catch (error) {
      await this.#fail(error)
      return undefined
    } finally {
      this.#signals[Symbol.dispose]()
      this.#late?.cancel()
    }
  }

  protected jsonEnabled(): boolean {
    return beforeDashes(this.#argv).includes('--json')
  }

  /** Aborts at the first Ctrl-C or SIGTERM, and when the reader of stdout is gone. */
  protected get stop(): AbortSignal {
    return this.#stop.signal
  }

  /** stdout for many messages. Its buffer is written when the command ends. */
  protected get output(): Output {
    if (!this.#output) {
      this.#output = new Output(1, {raw: this.#isRaw})
      this.#output.closed.addEventListener('abort', () => this.#stop.abort())
    }
    return this.#output
  }

  /** Opens the chosen bus. Prints warnings first, and on a terminal which bus it is and why. */
  protected async openBus({
    stream = false,
    writes = false,
    context,
    bus: other,
    ...options
  }: OpenBusOptions = {}): Promise<Transport> {
    const wanted = other === undefined ? {...this.#globals, ...(context !== undefined && {context})} : otherBus(other)
    const {url, why, server, warnings} = await findBus(wanted, process.env)
    for (const warning of warnings) tell(`warning: ${talk(warning)}\n`)
    prepareBus({url, why})
    this.#isAsking = true
    const bus = await open(url, {
      name: this.#name,
      signal: stream ? this.startSignal : this.stop,
      timeoutMs: this.timeoutMs,
      notify: (notice) => this.tellNotice(notice),
      ...(other === undefined && this.#globals['read-only'] && {readOnly: true}),
      ...(!stream && {maxReconnects: 0}),
      ...server,
      ...options,
    })
    if (writes) await closeUnlessWritable(bus)
    if (isTerminal(2) && !this.jsonEnabled()) {
      this.say(`${shownBus(url)}${jetStreamText(server.jetStream)} (${why})`, (await this.paint(2))?.dim)
    }
    return bus
  }

  /** Writes a line to stderr, escaped; nothing with --quiet. */
  protected say(line: string, paint: (text: string) => string = (text) => text): void {
    if (!this.#globals.quiet) tell(`${paint(talk(line))}\n`)
  }

  /** Reports an event of the connection; missed messages are reported with --quiet too. */
  protected tellNotice({kind, text}: Notice): void {
    if (kind === 'gap' || kind === 'slowConsumer') tell(`${talk(text)}\n`)
    else this.say(text)
  }

  /** Writes a table to stdout; on a terminal only the first rows, unless all are requested. `rows` may lack those beyond them. */
  protected async printTable(
    columns: readonly Column[],
    rows: readonly (readonly string[])[],
    all: boolean = false,
    total: number = rows.length,
  ): Promise<void> {
    const {readableRows, table} = await import('../render/table.ts')
    const isShown = isTerminal(1)
    const shown = all || !isShown ? rows : rows.slice(0, readableRows)
    // 0 on a terminal that does not know its size.
    const width = isShown && !all ? process.stdout.columns || undefined : undefined
    this.output.write(await table(columns, shown, {paint: await this.paint(1), width, signal: this.stop}))
    await this.output.end()
    if (shown.length === total) return
    const text = `${shown.length} of ${formatCount(total)} rows; to see all, use --all, --json or a pipe`
    this.say(text, (await this.paint(2))?.dim)
  }

  /** Writes to stdout immediately; for short output. */
  protected print(data: string | Uint8Array): void {
    writeAll(1, this.#isRaw || !isTerminal(1) ? data : terminalText(String(data), wantsColour(1, false, process.env)))
  }

  /** Colours for stdout (1) or stderr (2), if they are to be used. */
  protected async paint(fd: 1 | 2): Promise<ChalkInstance | undefined> {
    if (!wantsColour(fd, this.#globals['no-color'], process.env)) return undefined
    const {Chalk} = await import('chalk')
    return new Chalk({level: 1})
  }

  /** Fails with `usage`. */
  protected async parse<F extends Values, B extends Values, A extends Values>({
    flags,
    baseFlags,
    args,
  }: Input<F, B, A>): Promise<{flags: F & B; args: A; defaulted: ReadonlySet<string>}> {
    const words = this.#takeProgram(this.#argv)
    // Before flags with times are parsed; programs that the command runs get it too.
    if (beforeDashes(words).includes('--utc')) process.env['TZ'] = 'UTC'
    const grammar = {command: this.#name, flags: {...baseFlags, ...flags} as FlagInput, args: (args ?? {}) as ArgInput}
    const parsed = await parseArguments(words, grammar)
    this.#globals = globalsOf(parsed.flags, flags)
    this.#isRaw = parsed.flags['raw'] === true
    // Hides the arguments from `ps`.
    if (hasSecret(parsed.flags, parsed.args)) process.title = this.#name
    const isDefault = parsed.defaulted.has('timeout')
    const timeout = isDefault ? await this.#timeoutOfContext() : undefined
    const {for: forMs} = parsed.flags as {readonly for?: number | undefined}
    this.#forMs = forMs
    this.timeoutMs = isDefault ? timeout : this.#globals.timeout
    const own = timeout === undefined ? parsed.flags : {...parsed.flags, timeout}
    return {flags: own as F & B, args: parsed.args as A, defaulted: parsed.defaulted}
  }

  /** Aborts with `stop`, and soon after the end of --for: then the command no longer waits for its input or for a bus. */
  protected get startSignal(): AbortSignal {
    this.#starting ??= this.#startOf(this.#forMs)
    return this.#starting
  }

  #startOf(forMs: number | undefined): AbortSignal {
    if (forMs === undefined) return this.stop
    const late = new AbortController()
    this.#late = new Timer(forMs + graceMs, () => {
      this.#isLate = true
      late.abort()
    }).unref()
    return AbortSignal.any([this.stop, late.signal])
  }

  get #class(): typeof BusCommand {
    return this.constructor as typeof BusCommand
  }

  /** As typed: `bus context ls`. */
  get #name(): string {
    return `bus ${this.#class.id.replaceAll(':', ' ')}`
  }

  /** Problems of the context are reported when the command needs its bus. */
  async #timeoutOfContext(): Promise<number | undefined> {
    if (chooseBus(this.#globals, process.env).context === undefined) return undefined
    const found = await findBus(this.#globals, process.env).catch(() => undefined)
    return found?.timeoutMs
  }

  /** Removes the words after `--` if the command takes a program. */
  #takeProgram(argv: string[]): string[] {
    if (!('exec' in this.#class.flags)) return argv
    const own = beforeDashes(argv)
    const flag = own.find((word) => word === '--exec' || word === '--exec-lines')
    if (flag === undefined) return argv
    this.program = argv.slice(own.length + 1)
    if (this.program.length > 0) return own
    throw new BusError('usage', `${flag} needs a program after --`, {try: [`${flag} -- jq .total`]})
  }

  async #fail(thrown: unknown): Promise<void> {
    const first = firstFailure(thrown)
    const isLate = this.#isLate && !this.stop.aborted && isFailure(first, 'interrupted')
    const error = isLate ? notReady(this.#forMs ?? 0, this.#isAsking, first) : first
    const output = this.#output
    this.#output = undefined
    const unwritten: unknown = await output?.end().catch((failure) => failure)
    const isStopped = output?.closed.aborted && isFailure(error, 'interrupted')
    // An error of the command came first and is reported, unless the command only stopped because of its output.
    if (isStopped && unwritten === undefined) process.exitCode = 0
    else process.exitCode = report(isStopped ? unwritten : error, this.jsonEnabled())
  }

  /** Writes a line to stdout immediately; nothing with --json. */
  protected log(line: string): void {
    if (!this.jsonEnabled()) this.print(`${line}\n`)
  }

  protected logJson(json: unknown): void {
    const line = JSON.stringify(json)
    const text = `${isTerminal(1) ? printableJson(line) : line}\n`
    // A long text may have to wait for its reader, and signals must still end the command then.
    if (text.length > longText) this.output.write(text)
    else this.print(text)
  }
}

function beforeDashes(argv: string[]): string[] {
  const dashes = argv.indexOf('--')
  return dashes < 0 ? argv : argv.slice(0, dashes)
}

async function closeUnlessWritable(bus: Transport): Promise<void> {
  try {
    bus.checkWritable?.()
  } catch (error) {
    await bus.close()
    throw error
  }
}

/** Without `isAsking` the command still read its input. */
function notReady(forMs: number, isAsking: boolean, {message, try: hints}: BusError): BusError {
  const [, why] = /^interrupted while (.*)/s.exec(message) ?? []
  const what = isAsking ? 'the bus did not respond' : 'the input did not end'
  const text = `${what} before --for ended, after ${forMs} ms${why === undefined ? '' : `: ${why}`}`
  return new BusError('timeout', text, {try: hints})
}

/** The line as it may appear on a terminal and in a log. */
function talk(line: string): string {
  return printableLines(withoutTyped(line))
}

/** A command may use the name of a global flag for one of its own, whose value is not a login. */
function globalsOf(values: Values, own: object = {}): Globals {
  const globals = Object.entries(values).filter(([name]) => !(name in own))
  return Object.fromEntries(globals) as unknown as Globals
}

/** Logins, values that contain a secret, URLs with a login, webhooks, and headers and variables with secret names. */
function hasSecret(flags: Values, args: Values): boolean {
  const {bus, user, password, token, seed, jwt} = flags as BusFlags
  if (
    bus?.includes('@') ||
    'webhook' in flags ||
    [user, password, token, seed, jwt].some((value) => value !== undefined)
  )
    return true
  return Object.values({...args, ...flags})
    .flat(2)
    .some((value) => typeof value === 'string' && secretText.test(value))
}

const secretText =
  /^data:|:.*@|[?&][\w-]*(?:token|secret|password|key)=|^[\w-]*(?:auth|cookie|token|secret|passw|key|cred)[\w-]*\s*(?:[:=]|$)/is

/** A bus to which the login flags of the command do not apply: a URL, a path, or the name of a context. */
function otherBus(text: string): BusFlags {
  return /[:/]/.test(text) || schemeOf(text) !== undefined ? {bus: text} : {context: text}
}

/** ` · JetStream domain hub` */
function jetStreamText(jetStream: OpenOptions['jetStream']): string {
  if (jetStream === undefined) return ''
  return 'domain' in jetStream ? ` · JetStream domain ${jetStream.domain}` : ` · JetStream API ${jetStream.apiPrefix}`
}
