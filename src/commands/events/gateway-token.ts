/**
 * The token of a gateway without `--token`. It is new at each start, and stored in a file that only its user can read, where
 * `events listen` finds it by port: so another program that listens there later gets no useful token.
 */
import {rmSync} from 'node:fs'
import {join} from 'node:path'
import {stateFolder} from '../../lib/cli/target/urls.ts'
import {fileError} from '../../lib/core/file-error.ts'
import {readTrusted, saveFile} from '../../lib/core/trusted-file.ts'
import {isLoopback} from '../../lib/protocols/event-delivery/admission.ts'

type Env = NodeJS.ProcessEnv

/** Stores the token of the gateway at this URL until it is disposed. Fails with `denied`. */
export function keepToken(token: string, url: string, env: Env): Disposable & {readonly path: string} {
  const path = tokenFile(url, env)
  saveFile(path, `${token}\n`)
  return {
    path,
    [Symbol.dispose]() {
      if (readToken(path) === token) rmSync(path, {force: true})
    },
  }
}

/**
 * The token of a gateway of this user on this machine; undefined if none is stored. Fails with `denied` for another user's
 * file.
 */
export function findToken(url: string, env: Env): string | undefined {
  const host = URL.parse(url)?.hostname.replace(/^\[|\]$/g, '')
  return host !== undefined && isLoopback(host) ? readToken(tokenFile(url, env)) : undefined
}

function readToken(path: string): string | undefined {
  try {
    return readTrusted(path).toString().trim() || undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw fileError(error, 'read', path)
  }
}

function tokenFile(url: string, env: Env): string {
  const {port, protocol} = new URL(url)
  return join(stateFolder(env), 'gateways', `${port || (protocol === 'wss:' ? 443 : 80)}.token`)
}
