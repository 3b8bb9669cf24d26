import {BusError} from '../../core/errors.ts'

/** What failed, and the beginning of the sentence. */
export const messengerErrors = {
  closed: 'connection closed',
  stream: 'stream subscription failed',
  publish: 'message publishing failed',
  request: 'request failed',
  timeout: 'request timed out',
} as const

/**
 * Why it failed: nobody serves the subject, so a request was not delivered; the signal aborted; the subject is not valid; the
 * message is too large for the bus; no answer in time. For any other reason it is the operation that failed.
 */
export type MessengerErrorCode = keyof typeof messengerErrors | 'noResponders' | 'cancelled' | 'subject' | 'tooLarge'

type Operation = Exclude<keyof typeof messengerErrors, 'timeout'>

/** Every failure of a messenger. `cause` is the failure of the bus. */
export class MessengerError extends Error {
  readonly code: MessengerErrorCode
  readonly operation: Operation

  constructor(operation: Operation, cause?: unknown) {
    const own = operation !== 'closed' && cause instanceof BusError ? codes.get(cause.code) : undefined
    const isLate = operation === 'request' && (own === 'timeout' || own === 'noResponders')
    const reason = cause instanceof Error ? `: ${cause.message}` : ''
    super(`${messengerErrors[isLate ? 'timeout' : operation]}${reason}`, {cause})
    this.name = 'MessengerError'
    this.code = own ?? operation
    this.operation = operation
  }

  /** Whether libbus reports it as this error, too: a missing service is a timeout, an invalid subject a failed publish. */
  is(code: MessengerErrorCode): boolean {
    return code === this.code || code === this.operation || (code === 'timeout' && this.code === 'noResponders')
  }
}

const codes: ReadonlyMap<string, MessengerErrorCode> = new Map([
  ['timeout', 'timeout'],
  ['noResponders', 'noResponders'],
  ['interrupted', 'cancelled'],
  ['subject', 'subject'],
  ['tooLarge', 'tooLarge'],
])
