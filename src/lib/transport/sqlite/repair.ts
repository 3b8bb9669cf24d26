/** Repairs of a bus file that are safe at any time, whoever else uses it. */
import {chmodSync, statSync} from 'node:fs'
import {resolve} from 'node:path'
import type {Clients} from './clients.ts'
import {exposedOf} from './examine.ts'
import type {Db} from './file.ts'
import type {Lock} from './lock.ts'

/** Answers a sentence for each thing that was done. */
export async function mendFile(path: string, db: Db, lock: Lock, clients: Clients): Promise<string[]> {
  const done: string[] = []
  const dead = await lock.write(() => clients.forgetDead())
  if (dead > 0) done.push(`forgot ${dead} ${dead === 1 ? 'client that is' : 'clients that are'} gone`)
  for (const {path: exposed, problem} of exposedOf(resolve(path))) {
    if (problem !== 'open to others') continue
    const mode = statSync(exposed).isDirectory() ? 0o700 : 0o600
    chmodSync(exposed, mode)
    done.push(`chmod ${mode.toString(8)} ${exposed}`)
  }
  const before = statSync(`${resolve(path)}-wal`, {throwIfNoEntry: false})?.size ?? 0
  const [state] = db.pragma('wal_checkpoint(TRUNCATE)') as {busy: number}[]
  if (before > 0 && state?.busy === 0) done.push(`wrote the WAL of ${before} bytes into the file`)
  return done
}
