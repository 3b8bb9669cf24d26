/** How response streams end: the codes of the close frame, and the corresponding failures. */
import {BusError} from '../../core/errors.ts'

/** The reason why a response stream ended. */
export interface Close {
  readonly code: number
  readonly text: string
}

/** The codes with which a response stream is closed; 1000 means success, all others failures. */
export const closeCodes = {
  normal: 1000,
  goingAway: 1001,
  unsupportedData: 1003,
  abnormal: 1006,
  badRequest: 4000,
  internalError: 5000,
} as const

const names = new Map<number, string>([
  [1000, 'normal'],
  [1001, 'going away'],
  [1003, 'unsupported data'],
  [1006, 'abnormal closure'],
  [4000, 'bad request'],
  [5000, 'internal server error'],
])

/** `normal`, `going away`; undefined for a code without a name. */
export function closeName(code: number): string | undefined {
  return names.get(code)
}

/** A close in JSON output. */
export function closeJson({code, text}: Close): {code: number; name: string | undefined; text: string} {
  return {code, name: closeName(code), text}
}

/** `nats stream: close 5000 (internal server error): disk full`, the wording of all clients of the protocol. */
export function closeText({code, text}: Close): string {
  const name = closeName(code)
  return `nats stream: close ${code}${name === undefined ? '' : ` (${name})`}${text === '' ? '' : `: ${text}`}`
}

/** The failure for any close except a normal one. */
export function closeError(close: Close, subject: string, stream: string): BusError {
  const {code, text} = close
  return new BusError('remote', `the response stream of "${subject}" ended: ${closeText(close)}`, {
    data: {code, name: closeName(code), text, stream},
  })
}
