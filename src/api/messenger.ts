/** Five operations on any bus: publish, stream, request, serve and close. Each kind of failure has a code of its own. */
export {
  Messenger,
  type MessengerOptions,
  openMessenger,
  type Receiver,
  type Responder,
  type Unsubscribe,
} from '../lib/protocols/messenger/messenger.ts'
export {
  MessengerError,
  type MessengerErrorCode,
  messengerErrors,
} from '../lib/protocols/messenger/messenger-error.ts'
export type {WaitBounds} from '../lib/transport/shared/bounded.ts'
