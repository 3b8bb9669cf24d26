/** How failures are reported: one format on stderr, and an exit code for each kind. */
import {BusError, exitCodeOf, exitCodes, firstFailure} from '../../core/errors.ts'
import {withoutSecrets} from '../../core/secrets.ts'
import {shellWord} from '../../core/text/shell-word.ts'
import {shownBus} from '../../transport/schemes.ts'
import {tell} from '../io/terminal.ts'
import {printable, printableJson, printableLines} from '../render/printable.ts'

/** Writes a failure to stderr and returns the exit code for it. */
export function report(thrown: unknown, json: boolean): number {
  const error = firstFailure(thrown)
  tell(json ? `${printableJson(withoutTyped(JSON.stringify(errorJson(error))))}\n` : errorText(error))
  return exitCodeOf(error)
}

/** What `--json` writes for a failure; see docs/json-output.md. */
export function errorJson(thrown: unknown): object {
  const error = firstFailure(thrown)
  if (error instanceof BusError) {
    const {kind, exitCode, message, data} = error
    return {error: {kind, exitCode, message, try: hintsOf(error), ...(data && {data})}}
  }
  const {message, stack} = error instanceof Error ? error : new Error(String(error))
  return {error: {kind: 'bug', exitCode: exitCodes.bug, message, try: [bugHint], stack}}
}

const bugHint = 'this is a bug in busline, not something you did: please report it'

function hintsOf(error: BusError): readonly string[] {
  return onGivenBus(error.try)
}

/**
 * Hints that are command lines, `bus …` or `REASON: bus …`, get the bus and the login files of this command, unless it copies to
 * another bus.
 */
export function onGivenBus(hints: readonly string[]): readonly string[] {
  const target = process.argv.includes('--into') ? '' : givenBus(process.argv.slice(2))
  if (target === '') return hints
  return hints.map((hint) => hint.replace(onBus, `$1bus ${target.replaceAll('$', '$$$$')}`))
}

const onBus = /^([^"'`]*: )?bus(?= (?!context |tour|.*--(help|schema)|(?:.* )?(-b|--bus|--context) )[a-z])/

/** `-b ./a.db`, `--context stage`, `-b tls://host --creds my.creds`; empty without a bus, and for a URL with a secret. */
function givenBus(argv: readonly string[]): string {
  const given: string[] = []
  for (const [i, word] of argv.entries()) {
    if (word === '--') break
    const [, flag = '', joined] = /^(--[a-z-]+)(?:=(.*))?$/s.exec(word) ?? /^(-[bs])=?(.+)?$/s.exec(word) ?? []
    const value = joined ?? argv[i + 1] ?? ''
    if (busFlags.has(flag)) {
      if (shownBus(value) !== value) return ''
      given.unshift(flag === '--context' ? flag : '-b', shellWord(value))
    } else if (loginFiles.has(flag)) given.push(flag, shellWord(value))
    else if (flag === '--tls-first' || flag === '--insecure') given.push(flag)
  }
  return given.join(' ')
}

const busFlags = new Set(['-b', '-s', '--bus', '--server', '--context'])
/** The parts of a login that are no secrets themselves. */
const loginFiles = new Set([
  '--creds',
  '--nkey',
  '--tls-ca',
  '--tls-cert',
  '--tls-key',
  '--inbox-prefix',
  '--js-domain',
  '--js-api-prefix',
])

function errorText(error: unknown): string {
  if (error instanceof BusError) {
    const hints = hintsOf(error).map((hint) => `  try: ${printable(withoutTyped(hint))}`)
    return [`bus: ${printable(withoutTyped(error.message))}`, ...hints, ''].join('\n')
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return `bus: ${printableLines(withoutTyped(stack))}\n  try: ${bugHint}\n`
}

/**
 * The text without secrets in URLs. Those on the command line and in the environment are known as a whole, so that they are found
 * with any character in their password.
 */
export function withoutTyped(text: string): string {
  let shown = text
  // Each of these URLs has one of the two characters.
  for (const url of /[@?]/.test(text) ? typedUrls() : []) {
    for (const form of new Set([url, JSON.stringify(url).slice(1, -1)]))
      shown = shown.replaceAll(form, () => shownBus(url))
  }
  return withoutSecrets(shown)
}

/** Arguments and variables with what may be a login or a query. */
function typedUrls(): string[] {
  const {BUS_URL = '', NATS_URL = ''} = process.env
  const words = process.argv.slice(2).flatMap((word) => [word, word.replace(/^--?[a-z-]+=?/, '')])
  return [BUS_URL, NATS_URL, ...words].filter((word) => /^[^\s{["']*:.*[@?]/s.test(word) && shownBus(word) !== word)
}
