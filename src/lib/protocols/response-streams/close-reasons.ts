/** How response streams end: the codes of the close frame. */

/** The reason why a response stream ended. */
export interface Close {
  readonly code: number
  readonly text: string
  /** Made on this side: a client got no valid close frame, or a service closed it instead of its producer. */
  readonly isOwn?: boolean | undefined
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
export function closeJson({code, text, isOwn}: Close): object {
  return {code, name: closeName(code), text, ...(isOwn && {own: true})}
}

/** `nats stream: close 5000 (internal server error): disk full`, the wording of all clients of the protocol. */
export function closeText({code, text}: Close): string {
  const name = closeName(code)
  return `nats stream: close ${code}${name === undefined ? '' : ` (${name})`}${text === '' ? '' : `: ${text}`}`
}
