import {BusError} from '../../core/errors.ts'
import {checkHeader, type Headers, type Outgoing, sizeOf} from '../../core/message.ts'
import {checkSubject} from '../../core/subject.ts'

/**
 * What the reply subjects of response streams begin with. A request with such a reply subject that nobody serves is
 * answered there with `noRespondersHeaders` and nothing else, as a NATS server does for every request.
 */
export const streamInboxPrefix = '_SINBOX.'

export const noRespondersHeaders: Headers = [['Status', '503']]

/** What every driver refuses before a message leaves: bad subjects, bad headers, too much payload. Throws `usage`. */
export function checkOutgoing(message: Outgoing, maxPayload: number, url: string): void {
  checkSubject(message.subject)
  if (message.reply !== undefined) checkSubject(message.reply)
  for (const [name, value] of message.headers ?? []) checkHeader(name, value)
  checkSize(message.data, maxPayload, url)
}

/** Refuses a payload over the limit; sizes in bytes. */
export function checkSize(data: Outgoing['data'], limit: number, url: string): void {
  if (data === undefined || data.length * 3 <= limit) return
  const size = sizeOf(data)
  if (size <= limit) return
  throw new BusError('usage', `the payload has ${size} bytes, ${url} takes ${limit} at most`, {data: {size, limit}})
}
