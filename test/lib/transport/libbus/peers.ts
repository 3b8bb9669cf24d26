import {join} from 'node:path'
import {onTestFinished} from 'vitest'
import {Database} from '../../../../src/lib/transport/sqlite/database.ts'
import {type Program, startCommand, temporaryFolder} from '../sqlite/processes.ts'

const program = new URL('peer.ts', import.meta.url).pathname

/** Starts one of the programs of `peer.ts` in a process of its own, killed after the test. */
export function startPeer(name: string, path: string, ...args: string[]): Program {
  return startCommand(process.execPath, [program, name, path, ...args])
}

/** Like `startPeer`, for one that listens: resolves when it does. */
export async function livePeer(name: string, path: string, ...args: string[]): Promise<Program> {
  const peer = startPeer(name, path, ...args)
  await peer.atLeast(1)
  return peer
}

/** The path of a database whose tables another process created. */
export async function peersDatabase(): Promise<string> {
  const path = join(temporaryFolder(), 'local.db')
  const maker = startPeer('make', path)
  if ((await maker.ended) !== 0) throw new Error(maker.stderr())
  return path
}

/** Opens the database to read and change it. */
export function lookInto(path: string): Database {
  const db = new Database(path)
  onTestFinished(() => void db.close())
  return db
}

export function hex(text: string | Uint8Array): string {
  return Buffer.from(text).toString('hex')
}
