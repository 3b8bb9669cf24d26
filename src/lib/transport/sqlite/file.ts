/**
 * Opens a bus file, or says in one sentence why not. No descriptor of it is ever closed but by SQLite: that would drop
 * SQLite's POSIX locks for the whole process, and acknowledged rows with them. So a file is made by an exclusive create,
 * which never opens one that exists, and is looked at by `stat`, and by a descriptor that stays (chain.ts).
 */
import {closeSync, openSync, realpathSync, statSync} from 'node:fs'
import {resolve} from 'node:path'
import Database from 'better-sqlite3'
import {BusError} from '../../core/errors.ts'
import {applicationId, schema, schemaVersion} from './schema.ts'
import {checkLog} from './wal-chain.ts'

export type Db = Database.Database

/**
 * Opens the bus file at `path`, made on first use; with `isSynchronous` its commits wait for the disk. Fails with `connect`
 * or `denied`; what is no bus file stays untouched.
 */
export function openFile(path: string, isSynchronous = false): Db {
  const full = resolve(path)
  const isNew = create(full)
  let db: Db
  try {
    checkLog(realpathSync.native(full))
    db = new Database(full, {fileMustExist: true, timeout: 5000})
  } catch (error) {
    throw fileError(path, error)
  }
  try {
    if (isNew || !isBusFile(db, path)) initialise(db)
    db.exec(`PRAGMA synchronous = ${isSynchronous ? 'FULL' : 'NORMAL'}; PRAGMA journal_size_limit = 67108864; PRAGMA temp_store = MEMORY;
             PRAGMA trusted_schema = OFF; PRAGMA busy_timeout = 0`)
    return db
  } catch (error) {
    closeUntouched(db, full)
    throw fileError(path, error)
  }
}

/** Makes an empty file that only its owner can read; false when there is one. */
function create(full: string): boolean {
  try {
    const stat = statSync(full, {throwIfNoEntry: false})
    if (stat?.isDirectory())
      throw new BusError('connect', `${full} is a directory, not a bus file`, {try: [`${full}/bus.db`]})
    if (stat !== undefined) return stat.size === 0
    closeSync(openSync(full, 'wx', 0o600))
    return true
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw fileError(full, error)
    if (statSync(full, {throwIfNoEntry: false}) !== undefined) return false
    throw new BusError('connect', `${full} is a symbolic link to a file that is not there`, {
      try: ['make that file, empty, or remove the link'],
    })
  }
}

/** True for a bus file that we can work with, false for an empty database. */
function isBusFile(db: Db, path: string): boolean {
  const {id, version, tables} = readIdentity(db)
  if (id === applicationId) {
    if (version < schemaVersion + 1000 - (schemaVersion % 1000)) return true
    throw new BusError('connect', `${path} was made by a newer busline (file version ${version / 1000})`, {
      try: ['upgrade busline', 'another file: --bus ./other.db'],
    })
  }
  if (id === 0 && version === 0 && tables === 0) return false
  throw new BusError('connect', `${path} is a SQLite database of another program, left untouched`, {
    try: ['another path: --bus ./bus.db'],
  })
}

/** From one snapshot: another process may be making the file just now. */
const readIdentity = (db: Db) =>
  db.transaction(() => ({
    id: db.pragma('application_id', {simple: true}),
    version: Number(db.pragma('user_version', {simple: true})),
    tables: db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get(),
  }))()

/** Two processes may come here at once: the second finds the first one's work. */
function initialise(db: Db): void {
  if (db.pragma('application_id', {simple: true}) === applicationId) return
  db.pragma('auto_vacuum = INCREMENTAL')
  db.pragma('journal_mode = WAL')
  db.exec('BEGIN IMMEDIATE')
  if (db.pragma('application_id', {simple: true}) !== applicationId) db.exec(schema)
  db.exec('COMMIT')
  // From now on the file itself has a link, by which a log is known for its own.
  db.pragma('wal_checkpoint(PASSIVE)')
}

/** Closes without the checkpoint that the last connection would make: a read-only one outlives it. */
function closeUntouched(db: Db, full: string): void {
  try {
    const guard = new Database(full, {readonly: true})
    guard.pragma('schema_version')
    db.close()
    guard.close()
  } catch {
    db.close()
  }
}

/** As `fileError`. In a damaged file a value may be anything: what fails on one is a bug only in a file that is whole. */
export function rowError(db: Db, path: string, error: unknown): unknown {
  return fileError(path, error instanceof TypeError && isDamaged(db) ? damageError(error.message, error) : error)
}

function isDamaged(db: Db): boolean {
  try {
    return db.pragma('quick_check(1)', {simple: true}) !== 'ok'
  } catch (error) {
    return codeOf(error).startsWith('SQLITE_CORRUPT')
  }
}

/** What SQLite itself would say of a damaged file. */
export function damageError(what: string, cause?: unknown): Error {
  return Object.assign(new Error(what, {cause}), {code: 'SQLITE_CORRUPT'})
}

/** One sentence for whatever the file system or SQLite said of a `kind` of file. Errors that are ours already pass through. */
export function fileError(path: string, error: unknown, kind = 'bus file'): unknown {
  if (error instanceof BusError) return error
  const code = isSchemaError(error) ? 'SQLITE_CORRUPT' : codeOf(error)
  const known = sentences.find(([pattern]) => pattern.test(code))
  if (known === undefined) return error
  const [, failure, text, hint] = known
  return new BusError(failure, `the ${kind} ${path} ${text.replace('{kind}', kind)}`, {
    cause: error,
    ...(hint === undefined ? {} : {try: [hint]}),
  })
}

/** First match wins. `{kind}` is that of the file. */
const sentences: readonly (readonly [RegExp, 'connect' | 'denied', string, string?])[] = [
  [/^ENOENT$/, 'connect', 'cannot be made: its folder does not exist', 'make the folder first'],
  [/^(EACCES|EPERM|EROFS|SQLITE_PERM|SQLITE_AUTH)/, 'denied', 'cannot be opened: permission denied'],
  [
    /^SQLITE_READONLY/,
    'denied',
    'is not writable',
    'it is written by readers too: see its permissions and its folder’s',
  ],
  [/^(ENOSPC|EDQUOT|SQLITE_FULL)/, 'connect', 'cannot be written: the disk is full', 'make room and run this again'],
  [/^SQLITE_NOTADB/, 'connect', 'is not a {kind}, left untouched', 'another path: --bus ./bus.db'],
  [/^SQLITE_CORRUPT/, 'connect', 'is damaged', 'copy it away before anything else, then see PRAGMA integrity_check'],
  [/^SQLITE_BUSY/, 'connect', 'is locked by another process', 'see who holds it: lsof, and try again'],
  [
    /^(SQLITE_CANTOPEN|ENOTDIR|ENAMETOOLONG|ELOOP|EISDIR|ENXIO)/,
    'connect',
    'cannot be opened',
    'see the path and its permissions',
  ],
  [
    /^(SQLITE_IOERR|EIO)/,
    'connect',
    'cannot be read or written: the disk reports an error',
    'see the disk, or whether it is full',
  ],
]

/** A table, a row or a JSON value of a bus file that is not as we wrote it. */
function isSchemaError(error: unknown): boolean {
  if (error instanceof SyntaxError || codeOf(error).startsWith('SQLITE_CONSTRAINT')) return true
  return (
    codeOf(error) === 'SQLITE_ERROR' &&
    /^(no such (table|column)|malformed|unsupported file format|table \w+ (has no column|already exists))/.test(
      (error as Error).message,
    )
  )
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
