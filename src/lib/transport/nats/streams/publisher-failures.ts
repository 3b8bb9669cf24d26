import {BusError} from '../../../core/errors.ts'

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
