/** The properties of a bus file, its possible problems, and repairs that are safe at any time. */
import {chmodSync, lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync, statSync} from 'node:fs'
import {resolve} from 'node:path'
import type {Facts} from '../contract.ts'
import type {Examination, Exposed, FileFacts, Holder} from '../examination.ts'
import {timeRoundTrips} from '../shared/round-trips.ts'
import type {FileConnection} from './connection.ts'
import {systemCode} from './database.ts'
import type {Db} from './db.ts'
import type {BusFile} from './file.ts'
import {isKept} from './retention.ts'
import {mostBytes} from './rows.ts'

const mostDamage = 20

/** A round trip is an empty write transaction, for which every publish waits; a read if the file is open read-only. */
export async function sqliteFacts({db, lock}: BusFile): Promise<Facts> {
  const lookup = db.prepare('SELECT max(seq) FROM msg')
  const roundTripsMs = await timeRoundTrips(async () =>
    lock.isReadOnly ? lock.read(() => lookup.get()) : lock.write(() => undefined),
  )
  const number = (sql: string) => Number(db.prepare(sql).pluck().get())
  return {
    software: 'SQLite',
    version: String(db.prepare('SELECT sqlite_version()').pluck().get()),
    roundTripsMs,
    bytes: number('SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()'),
    messages: number('SELECT count(*) FROM msg'),
  }
}

/** Writes nothing. The newest message has the time of its publisher's clock, so only a clock ahead of ours can be detected. */
export function examineFile({file: {path, db, lock}, clients}: FileConnection): Examination {
  const full = resolve(path)
  const number = (sql: string) => Number(lock.readStatement(() => db.prepare(sql).pluck().get()) ?? 0)
  const newestMs = number('SELECT ts FROM msg ORDER BY seq DESC LIMIT 1') / 1000
  const ahead = Math.max(0, Math.round(newestMs - Date.now()))
  const {live, dead} = clients.census()
  const damage = damageOf(db)
  const file: FileFacts = {
    path: full,
    version: number('PRAGMA user_version'),
    bytes: number('SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()'),
    freeBytes: number('SELECT freelist_count * page_size FROM pragma_freelist_count(), pragma_page_size()'),
    walBytes: statSync(`${full}-wal`, {throwIfNoEntry: false})?.size ?? 0,
    ...unwritten(db, number('PRAGMA page_size')),
    isReadOnly: lock.isReadOnly,
    holders: holdersOf(full),
    damage,
    ...(damage.length === 0 && {reclaimable: reclaimableOf(db)}),
    clients: live,
    deadClients: dead.length,
    exposed: exposedOf(full),
  }
  return {...(ahead > 0 && {clockAheadMs: ahead}), file}
}

function reclaimableOf(db: Db): NonNullable<FileFacts['reclaimable']> {
  const sizes = 'ifnull(octet_length(data), 0) + ifnull(octet_length(hdr), 0)'
  const [messages, bytes] = db.prepare(`SELECT count(*), total(${sizes}) FROM msg WHERE NOT ${isKept}`).raw().get() as [
    number,
    number,
  ]
  return {messages, bytes}
}

/** Bytes in the WAL that are not yet in the file. */
function unwritten(db: Db, pageSize: number): Pick<FileFacts, 'unwrittenBytes'> {
  try {
    const [state] = db.pragma('wal_checkpoint(NOOP)') as {log: number; checkpointed: number}[]
    return {unwrittenBytes: state === undefined ? 0 : Math.max(0, state.log - state.checkpointed) * pageSize}
  } catch (error) {
    if (systemCode(error).startsWith('SQLITE_READONLY')) return {}
    throw error
  }
}

function damageOf(db: Db): string[] {
  const rows = db.prepare(`PRAGMA quick_check(${mostDamage})`).pluck().all().map(String)
  return rows.length === 1 && rows[0] === 'ok' ? oversized(db) : rows
}

/** Messages that cannot be read. */
function oversized(db: Db): string[] {
  const isTooLarge = ['data', 'hdr', 'reply'].map((column) => `octet_length(${column}) > ${mostBytes}`).join(' OR ')
  const found = db.prepare(`SELECT seq FROM msg WHERE ${isTooLarge} LIMIT ${mostDamage}`).pluck().all()
  return found.map((seq) => `message ${seq} is too large to be read`)
}

/** The permissions of unauthorised users. A file that its group may write is shared with the group. */
function strangers(mode: number): number {
  return (mode & 0o020) === 0 ? 0o077 : 0o007
}

/** Paths that users other than the owner, or the group sharing it, can access. */
function exposedOf(full: string): Exposed[] {
  const wakeFiles = `${full}.bells`
  const paths = [
    full,
    `${full}-wal`,
    `${full}-shm`,
    wakeFiles,
    ...entriesOf(wakeFiles).map((name) => `${wakeFiles}/${name}`),
  ]
  return paths.flatMap((path): Exposed[] => {
    const stat = lstatSync(path, {throwIfNoEntry: false})
    if (stat === undefined) return []
    if (stat.isSymbolicLink()) return path === full ? [] : [{path, problem: 'a symbolic link'}]
    return process.platform !== 'win32' && (stat.mode & strangers(stat.mode)) !== 0
      ? [{path, problem: 'open to others'}]
      : []
  })
}

function entriesOf(folder: string): string[] {
  try {
    return lstatSync(folder).isDirectory() ? readdirSync(folder) : []
  } catch {
    // The file belongs to another user, or is gone.
    return []
  }
}

/** Uses only the links in /proc: the file itself must not be opened. */
function holdersOf(full: string): Holder[] {
  if (process.platform !== 'linux') return []
  const real = realpathSync(full)
  return entriesOf('/proc')
    .filter((name) => /^\d+$/.test(name) && holds(name, real))
    .map((pid) => ({pid: Number(pid), command: commandOf(pid)}))
}

function holds(pid: string, path: string): boolean {
  return entriesOf(`/proc/${pid}/fd`).some((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`) === path
    } catch {
      // Closed in the meantime.
      return false
    }
  })
}

/** The program only, because arguments may contain secrets. */
function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
  } catch {
    // It has ended in the meantime; only the number is shown.
    return ''
  }
}

/** Returns a sentence for each repair. */
export async function repairFile({file, clients}: FileConnection): Promise<string[]> {
  const {path, db, lock} = file
  const done: string[] = []
  const dead = await lock.write(() => clients.forgetDead())
  if (dead > 0) done.push(`removed ${dead} ${dead === 1 ? 'client that has' : 'clients that have'} gone`)
  for (const {path: exposed, problem} of exposedOf(resolve(path))) {
    if (problem !== 'open to others') continue
    const {mode: was} = statSync(exposed)
    const mode = was & 0o7777 & ~strangers(was)
    chmodSync(exposed, mode)
    done.push(`chmod ${mode.toString(8)} ${exposed}`)
  }
  const before = statSync(`${resolve(path)}-wal`, {throwIfNoEntry: false})?.size ?? 0
  const [state] = db.pragma('wal_checkpoint(TRUNCATE)') as {busy: number}[]
  if (before > 0 && state?.busy === 0) done.push(`wrote the WAL of ${before} bytes into the file`)
  return done
}
