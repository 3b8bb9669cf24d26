import {BusError} from '../../core/errors.ts'
import {checkHeader, type Headers, type Outgoing, sizeOf} from '../../core/message.ts'
import {checkSubject} from '../../core/subject.ts'

/**
 * The prefix of the reply subjects of response streams. A request with such a reply subject that nobody serves is answered with
 * `noRespondersHeaders` only, as a NATS server does for every request.
 */
export const streamInboxPrefix = '_SINBOX.'

export const noRespondersHeaders: Headers = [['Status', '503']]

/** The checks of every driver before a message is sent: subject, headers, payload size. Throws `usage`. */
export function checkOutgoing(message: Outgoing, maxPayload: number, url: string): void {
  checkSubject(message.subject)
  if (message.reply !== undefined) checkSubject(message.reply)
  for (const [name, value] of message.headers ?? []) checkHeader(name, value)
  checkSize(message.data, maxPayload, url)
}

/** Refuses a payload that exceeds the limit; sizes in bytes. */
export function checkSize(data: Outgoing['data'], limit: number, url: string): void {
  if (data === undefined || data.length * 3 <= limit) return
  const size = sizeOf(data)
  if (size <= limit) return
  throw new BusError('usage', `the payload has ${size} bytes, but ${url} accepts at most ${limit}`, {
    code: 'tooLarge',
    data: {size, limit},
  })
}
