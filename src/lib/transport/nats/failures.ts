/** What nats.js, TLS, sockets and the server say, in our own sentences. */
import {
  AuthorizationError,
  type PermissionViolationError,
  TimeoutError,
  UserAuthenticationExpiredError,
} from '@nats-io/transport-node'
import {BusError, type FailureKind} from '../../core/errors.ts'
import {notNats} from './socket.ts'

interface Reason {
  readonly kind: FailureKind
  readonly text: string
  readonly try?: readonly string[]
}

/** `login` is what the login is called; undefined where none was given. Timeouts in milliseconds. */
export function connectFailure(url: string, error: unknown, login: string | undefined, timeoutMs: number): unknown {
  if (error instanceof BusError) return error
  if (isLoginError(error)) return loginFailure(url, error, login)
  const {kind, text, try: hints} = reasonOf(error, timeoutMs)
  return new BusError(kind, `cannot connect to ${url}: ${text}`, {cause: error, ...(hints && {try: hints})})
}

/** The connection is gone for good. */
export function lostFailure(url: string, error: unknown, login: string | undefined, timeoutMs: number): BusError {
  if (isLoginError(error)) return loginFailure(url, error, login)
  const reason = error === undefined ? '' : `: ${reasonOf(error, timeoutMs).text}`
  return new BusError('connect', `the connection to ${url} is lost${reason}`, {cause: error})
}

/** Messages that had left when the connection broke: the server may have them or not. */
export function fateUnknown(url: string, count: number): BusError {
  const what = count === 1 ? 'a message was' : `${count} messages were`
  return new BusError('connect', `the connection to ${url} broke while ${what} on the way and may not have arrived`, {
    data: {unconfirmed: count},
  })
}

export function unsentFailure(url: string, count: number): BusError {
  const what = count === 1 ? 'a message was' : `${count} messages were`
  return new BusError('connect', `${what} not sent: there is no connection to ${url}`, {data: {unsent: count}})
}

export function subscribeDenied(url: string, pattern: string, cause: Error): BusError {
  return new BusError('denied', `not allowed to subscribe to "${pattern}" on ${url}`, {cause})
}

export function inboxDenied(url: string, inbox: string, cause: Error): BusError {
  return new BusError('denied', `not allowed to subscribe to the inbox "${inbox}" on ${url}, so no reply can come`, {
    cause,
    try: ['--inbox-prefix with a subject that this login may subscribe to'],
  })
}

export function publishDenied(url: string, error: PermissionViolationError): BusError {
  const subject = error.subject || /"(\S+)"/.exec(error.message)?.[1]
  const what = /with reply/i.test(error.message) ? 'publish with the reply subject' : 'publish to'
  return new BusError('denied', `not allowed to ${what} "${subject}" on ${url}`, {cause: error, data: {subject}})
}

export function tooManySubscriptions(url: string, cause: Error): BusError {
  return new BusError('denied', `${url} takes no more subscriptions from this login`, {cause})
}

/** Why a connection ended, in a few words. */
export function serverSays(error: Error): string {
  return reasonOf(error, 0).text
}

/** Does the server end the connection when it says this? Then it is told with the loss. */
export function isLastWord(error: Error): boolean {
  return (
    isLoginError(error) || /stale|slow consumer|maximum (payload|connections)|revoked|shutdown/i.test(error.message)
  )
}

/** The server knows us not, or no more. */
export function isLoginError(error: unknown): boolean {
  return error instanceof AuthorizationError || error instanceof UserAuthenticationExpiredError
}

function loginFailure(url: string, error: unknown, login: string | undefined): BusError {
  const expired = /expired/i.test(String(error)) && !login?.includes('expired') ? ', which has expired' : ''
  if (login !== undefined) return new BusError('denied', `${url} refuses ${login}${expired}`, {cause: error})
  return new BusError('denied', `${url} lets nobody in without a login`, {
    cause: error,
    try: ['nats://USER:PASSWORD@HOST:PORT', '--creds FILE', '--context NAME'],
  })
}

function reasonOf(error: unknown, timeoutMs: number): Reason {
  if (error instanceof TimeoutError) {
    return {
      kind: 'connect',
      text: `no answer within ${timeoutMs} ms`,
      try: ['see host and port', '--tls-first, if the server begins with TLS', 'a longer --connect-timeout'],
    }
  }
  const text = words(error)
  const known = reasons.find(([pattern]) => pattern.test(text))
  if (known === undefined) return {kind: 'connect', text: text.replace(/^\S+: /, '')}
  const [, kind, sentence, ...hints] = known
  return {kind, text: sentence, try: hints}
}

/** Codes and messages of an error and of what is behind it. */
function words(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name
  const behind = error instanceof AggregateError ? error.errors : error.cause === undefined ? [] : [error.cause]
  return [`${code}: ${error.message}`, ...behind.map(words)].join(' · ')
}

const ownCa = ['--tls-ca FILE with the CA of the server', '--insecure, to take any certificate']
const clientCertificate = ['--tls-cert FILE --tls-key FILE']

/** First match wins. */
const reasons: readonly (readonly [RegExp, FailureKind, string, ...string[]])[] = [
  [/ECONNREFUSED|connection refused/i, 'connect', 'nothing listens there', 'see host and port, and whether it runs'],
  [/ENOTFOUND|EAI_AGAIN|EAI_/, 'connect', 'the host name is not known', 'see the host name'],
  [/ETIMEDOUT|ESOCKETTIMEDOUT/, 'connect', 'no answer', 'see host and port'],
  [/EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL/, 'connect', 'there is no way to that host'],
  [/SELF_SIGNED|UNABLE_TO_(GET|VERIFY)/, 'connect', 'its certificate comes from a CA that is not known here', ...ownCa],
  [/CERT_HAS_EXPIRED/, 'connect', 'its certificate has expired', '--insecure, to take it all the same'],
  [/CERT_NOT_YET_VALID/, 'connect', 'its certificate is not valid yet', 'see the clock of this machine'],
  [/ALTNAME_INVALID/, 'connect', 'its certificate is for another host', 'the host name that stands in the certificate'],
  [
    /ALERT_(CERTIFICATE|BAD_CERT|UNKNOWN_CA)/,
    'denied',
    'it wants a client certificate that it knows',
    ...clientCertificate,
  ],
  [/does not support 'tls'|WRONG_VERSION_NUMBER|PACKET_LENGTH/, 'connect', 'it does not speak TLS there', 'nats://…'],
  [new RegExp(notNats), 'connect', notNats, 'see the port: 4222 is the usual one'],
  [/Unexpected server response: (\d+)/, 'connect', 'what answers there takes no WebSockets', 'see port and path'],
  [/maximum connections exceeded/i, 'connect', 'it takes no more connections'],
  [/stale connection/i, 'connect', 'it took this connection for dead'],
  [/no heartbeat/, 'connect', 'it answers no more'],
  [/slow consumer/i, 'connect', 'it dropped us because we read too slowly'],
  [/maximum payload/i, 'connect', 'a message was larger than it takes'],
  [/ECONNRESET|EPIPE|closed the connection/, 'connect', 'it closed the connection'],
]
