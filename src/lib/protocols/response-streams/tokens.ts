/** Unique names: 22 characters for a connection, 8 for a response stream on it, as the protocol requires. */
import {randomBytes} from 'node:crypto'
import {streamInboxPrefix} from '../../transport/shared/outgoing.ts'

const letters = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const inboxLetters = 22
const tokenLetters = 8
/** Bytes from here on would make the first letters more likely. */
const fair = 256 - (256 % letters.length)

/** `_SINBOX.<22>.`, with the trailing dot. */
export function newInbox(): string {
  return `${streamInboxPrefix}${randomLetters(inboxLetters)}.`
}

export function newToken(): string {
  return randomLetters(tokenLetters)
}

function randomLetters(count: number): string {
  let text = ''
  while (text.length < count) {
    for (const byte of randomBytes(2 * count)) {
      if (byte < fair && text.length < count) text += letters[byte % letters.length]
    }
  }
  return text
}
