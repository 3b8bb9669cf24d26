/**
 * A failure in the background that the program was not told of in any other way becomes a warning of the process, which
 * Node writes to stderr. So nothing that a program started ends without a word.
 */
export function warnOfFailure(what: string, error: unknown): void {
  process.emitWarning(`${what}: ${error instanceof Error ? error.message : String(error)}`, 'BuslineWarning')
}
