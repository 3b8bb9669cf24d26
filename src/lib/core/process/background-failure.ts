import {thrownText} from '../errors.ts'

/**
 * A failure in the background that is not reported in any other way becomes a warning of the process, which Node writes to
 * stderr. So no background work ends silently.
 */
export function warnOfFailure(what: string, error: unknown): void {
  process.emitWarning(`${what}: ${thrownText(error)}`, 'BuslineWarning')
}
