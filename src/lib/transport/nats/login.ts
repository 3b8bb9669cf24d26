/** Logins of every kind, as authenticators of nats.js. */
import {
  type Authenticator,
  jwtAuthenticator,
  nkeyAuthenticator,
  nkeys,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from '@nats-io/transport-node'
import {BusError} from '../../core/errors.ts'
import {fileError} from '../../core/file-error.ts'
import {revealed} from '../../core/secrets.ts'
import {localTime} from '../../core/time/timestamp.ts'
import {readTrusted} from '../../core/trusted-file.ts'
import type {Login} from '../contract.ts'

/**
 * The authenticators for a login; none without one. Fails with `usage` for files and seeds that cannot be used. Files are read
 * again at each reconnect, because credentials may be renewed during a long run.
 */
export function authenticators(login: Login, fromUrl: Login | undefined): Authenticator[] {
  const {user, password, token} = fromUrl ?? login
  const found: Authenticator[] = []
  if (token !== undefined) found.push(tokenAuthenticator(() => revealed(token) ?? ''))
  if (user !== undefined) found.push(usernamePasswordAuthenticator(user, () => revealed(password) ?? ''))
  const key = keyLogin(login)
  if (key !== undefined) found.push(fresh(key))
  return found
}

/** The login as it appears in errors, with the time at which it expired; undefined without a login. */
export function loginName(login: Login, fromUrl: Login | undefined): string | undefined {
  const {user, token} = fromUrl ?? login
  const key = keyLogin(login)
  if (key !== undefined) return keyName(login) + expiry(key().jwt)
  if (user !== undefined) return `user ${JSON.stringify(user)} with this password`
  return token === undefined ? undefined : 'this token'
}

function keyName({credsFile, creds, nkeyFile, jwt}: Login): string {
  if (credsFile !== undefined) return `the credentials of ${credsFile}`
  if (creds !== undefined) return 'these credentials'
  if (nkeyFile !== undefined) return `the nkey of ${nkeyFile}`
  return jwt === undefined ? 'this nkey' : 'this JWT'
}

/** ` (expired 2026-01-02T03:04:05Z)` for an expired token. */
function expiry(jwt = ''): string {
  try {
    const {exp} = JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString('utf8'))
    const isOver = typeof exp === 'number' && exp * 1000 < Date.now()
    return isOver ? ` (expired ${localTime(exp * 1000).replace('.000', '')})` : ''
  } catch {
    // The server reports what is wrong with the token.
    return ''
  }
}

interface Key {
  readonly jwt?: string | undefined
  readonly seed?: string | undefined
}

/** Reads the key now, so that errors appear immediately; returns a function that reads it again. */
function keyLogin(login: Login): (() => Key) | undefined {
  const {credsFile, nkeyFile} = login
  const [creds, jwt, seed] = [revealed(login.creds), revealed(login.jwt), revealed(login.seed)]
  const read =
    credsFile !== undefined
      ? () => parseCreds(readLoginFile(credsFile, `the credentials ${credsFile}`), credsFile)
      : creds !== undefined
        ? () => parseCreds(creds, 'the given credentials')
        : nkeyFile !== undefined
          ? () => ({jwt, seed: parseSeed(readLoginFile(nkeyFile, `the credentials ${nkeyFile}`), nkeyFile)})
          : seed !== undefined || jwt !== undefined
            ? () => ({jwt: jwt?.trim(), seed: seed === undefined ? undefined : parseSeed(seed, 'the given seed')})
            : undefined
  read?.()
  return read
}

function fresh(read: () => Key): Authenticator {
  let last = read()
  return (nonce) => {
    try {
      last = read()
    } catch {
      // The file is gone or being written: the last contents may still be valid.
    }
    const {jwt, seed} = last
    const bytes = seed === undefined ? undefined : new TextEncoder().encode(seed)
    return jwt === undefined ? nkeyAuthenticator(bytes)(nonce) : jwtAuthenticator(jwt, bytes)(nonce)
  }
}

/** Reads a file of this user; `name` is its name in errors. Fails with `usage`. */
export function readLoginFile(path: string, name: string): string {
  try {
    return readTrusted(path, name).toString()
  } catch (cause) {
    const failure = fileError(cause, 'read', name)
    throw failure === cause ? cause : new BusError('usage', (failure as BusError).message, {cause})
  }
}

/** A credentials file contains a JWT and a seed, each between two marker lines. */
function parseCreds(text: string, name: string): Key {
  const block = (what: string) =>
    new RegExp(`-{3,}BEGIN ${what}-{3,}\\s+(\\S+)\\s+-{3,}END ${what}-{3,}`, 'i').exec(text)?.[1]
  const jwt = block('NATS USER JWT')
  if (jwt === undefined) throw new BusError('usage', `${name} contains no NATS user JWT`, {try: ['nsc generate creds']})
  const seed = block('USER NKEY SEED')
  return {jwt, seed: seed === undefined ? undefined : parseSeed(seed, name)}
}

function parseSeed(text: string, name: string): string {
  const seed = /(?:^|\s)(S[A-Z2-7]{20,})(?:\s|$)/.exec(text)?.[1]
  if (seed !== undefined && isSeed(seed)) return seed
  throw new BusError('usage', `${name} contains no valid nkey seed`, {try: ['a seed of a user begins with SU']})
}

function isSeed(seed: string): boolean {
  try {
    nkeys.fromSeed(new TextEncoder().encode(seed))
    return true
  } catch {
    // The caller reports that it is not a seed.
    return false
  }
}
