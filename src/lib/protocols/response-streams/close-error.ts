import {BusError} from '../../core/errors.ts'
import {type Close, closeCodes, closeJson, closeText} from './close-reasons.ts'
import type {Dialect} from './dialects.ts'

/** The failure for any close except a normal one: kind `remote`. */
export class CloseError extends BusError {
  readonly close: Close

  constructor(close: Close, {subject, token, dialect}: Closed) {
    const what = close.isOwn ? 'was closed by this client, not by its producer' : 'ended'
    const isOther = close.code === closeCodes.badRequest && dialect === 'first'
    super('remote', `the response stream of "${subject}" ${what}: ${closeText(close)}`, {
      try: isOther ? ['--dialect later, if it is bacalhau 1.3.2 or newer'] : [],
      data: {...closeJson(close), stream: token},
    })
    this.close = close
  }
}

/** A response stream that was closed. */
interface Closed {
  readonly subject: string
  readonly token: string
  readonly dialect: Dialect
}
