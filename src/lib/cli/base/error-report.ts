/** How failures are reported: one format on stderr, and an exit code for each kind. */
import {BusError, exitCodeOf, exitCodes, firstFailure} from '../../core/errors.ts'
import {withoutSecrets} from '../../core/secrets.ts'
import {tell} from '../io/terminal.ts'
import {printable, printableJson, printableLines} from '../render/printable.ts'

/** Writes a failure to stderr and returns the exit code for it. */
export function report(thrown: unknown, json: boolean): number {
  const error = firstFailure(thrown)
  tell(withoutSecrets(json ? `${printableJson(JSON.stringify(errorJson(error)))}\n` : errorText(error)))
  return exitCodeOf(error)
}

/** What `--json` writes for a failure; see docs/json-output.md. */
export function errorJson(thrown: unknown): object {
  const error = firstFailure(thrown)
  if (error instanceof BusError) {
    const {kind, exitCode, message, try: hints, data} = error
    return {error: {kind, exitCode, message, try: hints, ...(data && {data})}}
  }
  const {message, stack} = error instanceof Error ? error : new Error(String(error))
  return {error: {kind: 'bug', exitCode: exitCodes.bug, message, try: [bugHint], stack}}
}

const bugHint = 'this is a bug in busline, not something you did: please report it'

function errorText(error: unknown): string {
  if (error instanceof BusError)
    return [`bus: ${printable(error.message)}`, ...error.try.map((hint) => `  try: ${printable(hint)}`), ''].join('\n')
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return `bus: ${printableLines(stack)}\n  try: ${bugHint}\n`
}
