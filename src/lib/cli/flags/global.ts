/** The flags of every command. */
import type {OptionFlag} from '@oclif/core/interfaces'
import {countOrZero, duration, text, toggle} from './kinds.ts'

const global = {helpGroup: 'GLOBAL'}
const login = {helpGroup: 'LOGIN'}
const connection = {helpGroup: 'CONNECTION'}

/** How to log in and to connect. */
const connectionFlags = {
  user: text('user name, or a token if there is no password', '<name>', login),
  password: text('password; safer in NATS_PASSWORD or a context', '<text>', login),
  token: text('token; safer in NATS_TOKEN or a context', '<text>', login),
  creds: text('credentials file (JWT and seed)', '<file>', login),
  nkey: text('file with an nkey seed', '<file>', login),
  jwt: text('user JWT, or a file with it', '<file>', login),
  seed: text('file with the seed that belongs to the JWT', '<file>', login),
  'tls-ca': text('trusted CA certificates, used instead of those of the system (PEM file)', '<file>', {
    ...connection,
    aliases: ['tlsca'],
  }),
  'tls-cert': text('client certificate (PEM file)', '<file>', {...connection, aliases: ['tlscert']}),
  'tls-key': text('key of the client certificate (PEM file)', '<file>', {...connection, aliases: ['tlskey']}),
  'tls-first': toggle("start TLS before the server's greeting", {...connection, aliases: ['tlsfirst']}),
  insecure: toggle('accept any server certificate', connection),
  'connect-timeout': duration('how long to wait for each server (default: 5s)', connection),
  'max-reconnects': countOrZero(
    'reconnect attempts per server (default: 0, or unlimited for commands that keep running)',
    connection,
  ),
  'js-domain': text("domain of JetStream; '' for that of the server", '<name>', {
    ...connection,
    exclusive: ['js-api-prefix'],
  }),
  'js-api-prefix': text('prefix of the subjects of the JetStream API, instead of $JS.API', '<subject>', connection),
  'inbox-prefix': text('prefix of reply subjects (default: _INBOX)', '<subject>', connection),
}

export const globalFlags = {
  bus: text('bus to use: a URL or the path of a bus file', '<url>', {
    ...global,
    char: 'b',
    aliases: ['server'],
    charAliases: ['s'],
  }),
  context: text('saved context to use', '<name>', global),
  'read-only': toggle('open the bus file read-only', global),
  json: toggle('write results and errors as JSON', global),
  timeout: timeoutFlag(5000),
  utc: toggle('show and read times in UTC instead of the local time zone', global),
  quiet: toggle('print only errors, missed messages and security warnings to stderr', global),
  'no-color': toggle('disable colour', global),
  ...connectionFlags,
}

/** `--timeout` with a default. */
export function timeoutFlag(ms: number): OptionFlag<number> {
  return duration('how long to wait for replies and acknowledgements; a context can have another default', {
    ...global,
    char: 't',
    default: ms,
    defaultHelp: async () => `${ms / 1000}s`,
  }) as OptionFlag<number>
}
