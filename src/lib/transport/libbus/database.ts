/**
 * A database that belongs to another system: it is opened as it is, and only the three tables of libbus are used. Their schema
 * is that of contenox libbus v0.4.0 to v1.0.0; additions of later versions are left unchanged.
 */
import {closeSync, existsSync, openSync} from 'node:fs'
import {resolve} from 'node:path'
import {BusError} from '../../core/errors.ts'
import {Database, pragmas} from '../sqlite/database.ts'
import {checkDatabaseFiles} from '../sqlite/database-files.ts'
import {applicationId, type Db, databaseError, type LockTimeout, whenFree} from '../sqlite/db.ts'
import {checkSchema, schemaRows} from '../sqlite/schema-check.ts'
import type {LibbusAddress} from './address.ts'

const schema = `
  CREATE TABLE IF NOT EXISTS bus_events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    subject TEXT NOT NULL,
    data BLOB NOT NULL,
    created_at INTEGER NOT NULL DEFAULT (unixepoch('now'))
  );
  CREATE INDEX IF NOT EXISTS idx_bus_events_subject ON bus_events(subject, id);
  CREATE TABLE IF NOT EXISTS bus_requests (
    id TEXT PRIMARY KEY,
    subject TEXT NOT NULL,
    data BLOB NOT NULL,
    created_at INTEGER NOT NULL DEFAULT (unixepoch('now'))
  );
  CREATE INDEX IF NOT EXISTS idx_bus_requests_subject ON bus_requests(subject, created_at);
  CREATE TABLE IF NOT EXISTS bus_replies (
    request_id TEXT PRIMARY KEY,
    data BLOB NOT NULL,
    created_at INTEGER NOT NULL DEFAULT (unixepoch('now'))
  );`

const columns: Readonly<Record<string, readonly string[]>> = {
  bus_events: ['id', 'subject', 'data', 'created_at'],
  bus_requests: ['id', 'subject', 'data', 'created_at'],
  bus_replies: ['request_id', 'data', 'created_at'],
}

/**
 * Opens the database. Fails with `notFound` if it or one of the tables does not exist and is not to be created; otherwise with
 * `connect` or `denied`, even if other processes hold the lock until `lockTimeout` ends.
 */
export async function openDatabase({path, create}: LibbusAddress, lockTimeout: LockTimeout): Promise<Db> {
  const what = nameOf(path)
  let db: Db
  try {
    checkDatabaseFiles(resolve(path), path)
    if (create) createFile(path)
    db = new Database(resolve(path), {mustExist: true, timeout: 0})
  } catch (error) {
    throw missingFile(path, error)
  }
  try {
    if (create) await whenFree(what, lockTimeout, () => makeTables(db, path))
    await whenFree(what, lockTimeout, () => checkTables(db, path))
    db.exec(pragmas)
    // SQLite has opened or created the log meanwhile.
    checkDatabaseFiles(resolve(path), path)
    return db
  } catch (error) {
    db.close()
    throw libbusError(path, error)
  }
}

/** The name of the database in errors. */
export function nameOf(path: string): string {
  return `the libbus database ${path}`
}

/** Translates an error of the file system or SQLite into one sentence. */
export function libbusError(path: string, error: unknown): unknown {
  const isMissing = error instanceof Error && /^no such (table|column)/.test(error.message)
  if (!isMissing) return databaseError(path, error, 'libbus database')
  return new BusError('notFound', `${path} no longer has a table of libbus: ${error.message}`, {cause: error})
}

/** Creates an empty file that only its owner can read, unless it exists. */
function createFile(path: string): void {
  try {
    closeSync(openSync(resolve(path), 'wx', 0o600))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw libbusError(path, error)
  }
}

/**
 * A database without any table is new, regardless of who created the file: it gets a write-ahead log, which SQLite sets without waiting.
 */
function makeTables(db: Db, path: string): void {
  if (db.pragmaValue('application_id') === applicationId) {
    throw new BusError('usage', `${path} is a bus file of busline: it cannot contain tables of libbus`, {
      try: [`sqlite:${path}`, 'another path'],
    })
  }
  if (db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() === 0) db.pragma('journal_mode = WAL')
  db.transaction(() => db.exec(schema), 'IMMEDIATE')
}

function checkTables(db: Db, path: string): void {
  checkSchema(schemaRows(db), nameOf(path), {tables: new Set(Object.keys(columns)), isShared: true})
  const columnsOf = db.prepare('SELECT name FROM pragma_table_info(?)').pluck()
  const missing = Object.entries(columns).flatMap(([table, wanted]) => {
    const found = new Set(columnsOf.all(table))
    if (found.size === 0) return `the table ${table}`
    return wanted.filter((name) => !found.has(name)).map((name) => `the column ${table}.${name}`)
  })
  if (missing.length === 0) return
  throw new BusError('notFound', `${path} is not a libbus database: it lacks ${missing.join(', ')}`, {
    try: [`libbus:${path}?create, to create the tables`, 'the database of contenox: libbus:.contenox/local.db'],
    data: {missing},
  })
}

function missingFile(path: string, error: unknown): unknown {
  if (error instanceof BusError || existsSync(resolve(path))) return libbusError(path, error)
  return new BusError('notFound', `there is no database at ${path}`, {
    cause: error,
    try: [`libbus:${path}?create, to create it`, 'the database of contenox: libbus:.contenox/local.db'],
  })
}
