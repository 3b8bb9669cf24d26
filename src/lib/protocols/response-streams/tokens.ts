/**
 * Unique names: 22 characters for a connection, 8 for a response stream on it, as the protocol requires. The last two
 * characters of a busline token are computed from the others, so that a server recognises clients that accept numbered frames
 * without a change to the request. About one in 3,800 tokens of other clients matches by chance; they ignore the header.
 */
import {randomBytes} from 'node:crypto'
import {streamInboxPrefix} from '../../transport/shared/outgoing.ts'

const letters = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const inboxLetters = 22
/** Bytes from here on would make the first letters more likely. */
const fair = 256 - (256 % letters.length)

/** `_SINBOX.<22>.`, with the trailing dot. */
export function newInbox(): string {
  return `${streamInboxPrefix}${randomLetters(inboxLetters)}.`
}

export function newToken(): string {
  return signed(randomLetters(6))
}

/** Whether frames to this reply subject may carry their number in a header. */
export function takesNumbers(reply: string): boolean {
  const token = reply.slice(-8)
  return reply.startsWith(streamInboxPrefix) && token === signed(token.slice(0, 6))
}

function signed(text: string): string {
  let sum = 0
  for (const letter of text) sum = sum * 31 + letter.charCodeAt(0)
  return `${text}${letters[sum % 62]}${letters[sum % 61]}`
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
