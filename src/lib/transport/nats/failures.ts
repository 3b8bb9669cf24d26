/** Translates errors of nats.js, TLS, sockets and the server into our own sentences. */
import {
  AuthorizationError,
  type PermissionViolationError,
  TimeoutError,
  UserAuthenticationExpiredError,
} from '@nats-io/transport-node'
import {BusError, type FailureKind} from '../../core/errors.ts'
import {PublishRefused} from '../shared/publish-refused.ts'
import {unanswered} from '../shared/stream-errors.ts'
import {ProtocolFault} from './socket.ts'

interface Reason {
  readonly kind: FailureKind
  readonly text: string
  readonly try?: readonly string[]
}

/** `login` is its name in errors, undefined without one. Timeouts in milliseconds. */
export function connectFailure(url: string, error: unknown, login: string | undefined, timeoutMs: number): unknown {
  if (error instanceof BusError) return error
  if (isLoginError(error)) return loginFailure(url, error, login)
  const {kind, text, try: hints} = reasonOf(error, timeoutMs)
  return new BusError(kind, `cannot connect to ${url}: ${text}`, {cause: error, ...(hints && {try: hints})})
}

/** The connection is lost for good. */
export function lostFailure(url: string, error: unknown, login: string | undefined, timeoutMs: number): BusError {
  if (isLoginError(error)) return loginFailure(url, error, login)
  const reason = error === undefined ? '' : `: ${reasonOf(error, timeoutMs).text}`
  return new BusError('connect', `the connection to ${url} is lost${reason}`, {cause: error})
}

export function notConfirmed(url: string, timeoutMs: number): BusError {
  return new BusError(
    'connect',
    `${url} does not respond: it has not confirmed the subscription within ${timeoutMs} ms`,
  )
}

/** Messages sent before the connection broke: the server may or may not have received them. */
export function unconfirmedFailure(url: string, count: number): BusError {
  const [what, they] = count === 1 ? ['a message was', 'it'] : [`${count} messages were`, 'they']
  return new BusError(
    'connect',
    `the connection to ${url} broke while ${what} in flight: ${they} may not have arrived`,
    {
      data: {unconfirmed: count},
    },
  )
}

export function unsentFailure(url: string, count: number): BusError {
  const what = count === 1 ? 'a message was' : `${count} messages were`
  return new BusError('connect', `${what} not sent: there is no connection to ${url}`, {data: {unsent: count}})
}

/** A request that waited for a connection until its timeout. */
export function neverSent(url: string, timeoutMs: number): BusError {
  return new BusError('timeout', `the request was not sent within ${timeoutMs} ms: there is no connection to ${url}`, {
    data: unanswered,
  })
}

export function subscribeDenied(url: string, pattern: string, cause: Error): BusError {
  return new BusError('denied', `not allowed to subscribe to "${pattern}" on ${url}`, {cause})
}

export function inboxDenied(url: string, inbox: string, cause: Error): BusError {
  return new BusError(
    'denied',
    `not allowed to subscribe to the inbox "${inbox}" on ${url}, so replies cannot arrive`,
    {
      cause,
      try: ['--inbox-prefix with a subject that this login is allowed to subscribe to'],
    },
  )
}

export function publishDenied(url: string, error: PermissionViolationError): PublishRefused {
  const subject = error.subject || /"(\S+)"/.exec(error.message)?.[1]
  const what = /with reply/i.test(error.message) ? 'publish with the reply subject' : 'publish to'
  return new PublishRefused(`not allowed to ${what} "${subject}" on ${url}`, subject, error)
}

export function tooManySubscriptions(url: string, cause: Error): BusError {
  return new BusError('denied', `${url} accepts no more subscriptions from this login`, {cause})
}

/** Whether the error is about a command that would be refused again after a reconnect; the server then closes the connection. */
export function isOurFault(error: Error): boolean {
  return /maximum control line/i.test(error.message)
}

export function tooLong(url: string, cause: Error): BusError {
  const sentence = `${url} closed the connection: a subject, queue group or reply subject is longer than it accepts`
  return new BusError('usage', sentence, {
    cause,
    try: ['a shorter subject', 'max_control_line in the configuration of the server'],
  })
}

/** The reason of an error, in a few words. */
export function serverSays(error: Error): string {
  return reasonOf(error, 0).text
}

/** Whether the server closes the connection after this error. It is then reported with the loss. */
export function endsConnection(error: Error): boolean {
  return (
    isLoginError(error) || /stale|slow consumer|maximum (payload|connections)|revoked|shutdown/i.test(error.message)
  )
}

/** The server does not accept the login, or no longer does. */
export function isLoginError(error: unknown): boolean {
  return error instanceof AuthorizationError || error instanceof UserAuthenticationExpiredError
}

function loginFailure(url: string, error: unknown, login: string | undefined): BusError {
  const expired = /expired/i.test(String(error)) && !login?.includes('expired') ? ', which has expired' : ''
  if (login !== undefined) return new BusError('denied', `${url} refuses ${login}${expired}`, {cause: error})
  return new BusError('denied', `${url} requires a login`, {
    cause: error,
    try: ['nats://USER:PASSWORD@HOST:PORT', '--creds FILE', '--context NAME'],
  })
}

function reasonOf(error: unknown, timeoutMs: number): Reason {
  if (error instanceof TimeoutError) {
    return {
      kind: 'connect',
      text: `no answer within ${timeoutMs} ms`,
      try: ['check host and port', '--tls-first, if the server expects TLS first', 'a longer --connect-timeout'],
    }
  }
  if (error instanceof ProtocolFault) {
    return {kind: 'connect', text: error.message, try: ['check the port: 4222 is the default']}
  }
  const text = words(error)
  const known = reasons.find(([pattern]) => pattern.test(text))
  if (known === undefined) return {kind: 'connect', text: text.replace(/^\S+: /, '').slice(0, longestText)}
  const [, kind, sentence, ...hints] = known
  return {kind, text: sentence, try: hints}
}

/** Characters of a reason that the other side gave. */
const longestText = 500

/** Codes and messages of an error and its causes. */
function words(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name
  const behind = error instanceof AggregateError ? error.errors : error.cause === undefined ? [] : [error.cause]
  return [`${code}: ${error.message}`, ...behind.map(words)].join(' · ')
}

const ownCa = ['--tls-ca FILE with the CA of the server', '--insecure to accept any certificate']
const clientCertificate = ['--tls-cert FILE --tls-key FILE']

/** First match wins. */
const reasons: readonly (readonly [RegExp, FailureKind, string, ...string[]])[] = [
  [
    /ECONNREFUSED|connection refused/i,
    'connect',
    'nothing listens there',
    'check host and port, and that the server is running',
  ],
  [/ENOTFOUND|EAI_AGAIN|EAI_/, 'connect', 'the host name is unknown', 'check the host name'],
  [/ETIMEDOUT|ESOCKETTIMEDOUT/, 'connect', 'no answer', 'check host and port'],
  [/EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL/, 'connect', 'there is no route to that host'],
  [/SELF_SIGNED|UNABLE_TO_(GET|VERIFY)/, 'connect', 'its certificate is signed by an unknown CA', ...ownCa],
  [/CERT_HAS_EXPIRED/, 'connect', 'its certificate has expired', '--insecure to accept it anyway'],
  [/CERT_NOT_YET_VALID/, 'connect', 'its certificate is not valid yet', 'check the clock of this machine'],
  [/ALTNAME_INVALID/, 'connect', 'its certificate is for another host', 'the host name in the certificate'],
  [
    /ALERT_(CERTIFICATE|BAD_CERT|UNKNOWN_CA)/,
    'denied',
    'it requires a client certificate that it trusts',
    ...clientCertificate,
  ],
  [
    /does not support 'tls'|WRONG_VERSION_NUMBER|wrong version number|PACKET_LENGTH|validate_record_header/,
    'connect',
    'it does not speak TLS there',
    'nats://… or ws://…',
  ],
  [/EPROTO|SSL routines/, 'connect', 'the TLS handshake failed'],
  [/Unexpected server response: (\d+)/, 'connect', 'the server there accepts no WebSockets', 'check port and path'],
  [/maximum connections exceeded/i, 'connect', 'it accepts no more connections'],
  [/stale connection/i, 'connect', 'it considered this connection stale'],
  [/no heartbeat/, 'connect', 'it no longer answers'],
  [/slow consumer/i, 'connect', 'it closed the connection because this client reads too slowly'],
  [/maximum payload/i, 'connect', 'a message was larger than it accepts'],
  [/ECONNRESET|EPIPE|closed the connection/, 'connect', 'it closed the connection'],
]
