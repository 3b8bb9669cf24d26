/** How to log in and to connect. */
import {countOrZero, duration, text, toggle} from './kinds.ts'

const login = {helpGroup: 'LOGIN'}
const connection = {helpGroup: 'CONNECTION'}

export const connectionFlags = {
  user: text('user name; without a password it is a token', '<name>', login),
  password: text('password; safer in NATS_PASSWORD or a context', '<text>', login),
  token: text('token; safer in NATS_TOKEN or a context', '<text>', login),
  creds: text('credentials file (JWT and seed)', '<file>', login),
  nkey: text('file with an nkey seed', '<file>', login),
  jwt: text('user JWT, or a file with it', '<file>', login),
  seed: text('file with the seed that belongs to the JWT', '<file>', login),
  'tls-ca': text('trusted CA certificates, instead of those of the system: a PEM file', '<file>', {
    ...connection,
    aliases: ['tlsca'],
  }),
  'tls-cert': text('client certificate: a PEM file', '<file>', {...connection, aliases: ['tlscert']}),
  'tls-key': text('key of the client certificate: a PEM file', '<file>', {...connection, aliases: ['tlskey']}),
  'tls-first': toggle('start TLS before the greeting of the server', {...connection, aliases: ['tlsfirst']}),
  insecure: toggle('accept any server certificate', connection),
  'connect-timeout': duration('how long to wait for each server (default: 5s)', connection),
  'max-reconnects': countOrZero(
    'reconnect attempts per server (default: 0, or unlimited for subscriptions)',
    connection,
  ),
  'inbox-prefix': text('prefix of reply subjects (default: _INBOX)', '<subject>', connection),
}
