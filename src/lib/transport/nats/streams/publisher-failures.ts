import {BusError} from '../../../errors.ts'

/** The failure of the message with this place among those pushed. */
export function placed(error: unknown, index: number): BusError {
  if (!(error instanceof BusError)) throw error
  const {kind, message, cause, data} = error
  return new BusError(kind, message, {cause, try: error.try, data: {...data, index}})
}

export function neverSent(url: string, count: number): BusError {
  return new BusError('connect', `${count} messages are not acknowledged: there is no connection to ${url}`, {
    data: {unconfirmed: count},
  })
}

export function fateUnknown(url: string, count: number): BusError {
  const what = count === 1 ? 'a message was' : `${count} messages were`
  return new BusError('connect', `the connection to ${url} broke while ${what} on the way, stored or not`, {
    try: ['a Nats-Msg-Id in each message: they are then sent again and stored once'],
    data: {unconfirmed: count},
  })
}
