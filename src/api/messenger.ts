/** Five operations on any bus: publish, stream, request, serve and close. There are four errors. */
export {
  Messenger,
  MessengerError,
  type MessengerOptions,
  messengerErrors,
  openMessenger,
  type Receiver,
  type Responder,
  type Unsubscribe,
} from '../lib/protocols/messenger/messenger.ts'
