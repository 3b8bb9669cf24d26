/**
 * Opens a bus file, or fails with one sentence, and checks that its path still leads to the file that was opened.
 *
 * Only SQLite may close a descriptor of the file: anything else would drop SQLite's POSIX locks for the whole process, and
 * could lose acknowledged rows. So a file is created exclusively, which never opens an existing one, and is examined with
 * `stat` and with a descriptor that is never closed (wal-chain.ts).
 */
import {
  accessSync,
  closeSync,
  constants,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import {dirname, resolve} from 'node:path'
import {BusError} from '../../core/errors.ts'
import {sleep} from '../../core/time/timer.ts'
import {Database, pragmas, systemCode} from './database.ts'
import {checkDatabaseFiles, checkOneName} from './database-files.ts'
import {applicationId, type Db, damageError, databaseError, isBusy, Lock, type LockTimeout} from './db.ts'
import {
  checkExists,
  openForReading,
  type ReadOnlyReason,
  readOnlyError,
  readOnlyReason,
  snapshotError,
} from './read-only.ts'
import {busFileSchema, busFileTables, consumedVersion} from './schema.ts'
import {checkSchema, schemaRows} from './schema-check.ts'
import {checkLog, WalChain, WrittenOver} from './wal-chain.ts'

/** How long opening blocks the thread while another process holds the lock; `openFileWhenFree` tries again. */
const blockMs = 100

/** A check costs up to a tenth of a commit, so a process that commits continuously checks at this interval. */
const restMs = 5

type Suffix = '' | '-wal' | '-shm'

/**
 * An open bus file. When a file is deleted or replaced, the processes that have it open use one that nobody else will ever see,
 * so nothing is acknowledged there. Its `-wal` exists for as long as a process has the file open; beside another file it would
 * be applied to that one, so it is renamed.
 */
export class BusFile {
  readonly path: string
  /** The name of the file in errors. */
  readonly name: string
  readonly db: Db
  readonly lock: Lock
  /** The path of the file itself if `path` is a symbolic link: SQLite puts the log beside this one. */
  readonly real: string
  readonly #full: string
  readonly #isSnapshot: boolean
  readonly #chain: WalChain | undefined
  readonly #was: Readonly<Record<Suffix, string | undefined>>
  #restUntil = 0
  #isLost = false
  readonly #writtenOver: WrittenOver
  #isWrittenOver = false

  /** For a database that `openFile` has opened at `real`. */
  constructor(path: string, db: Db, real: string, {lockTimeout, readOnly}: OpenedOptions) {
    this.path = path
    this.name = `the bus file ${path}`
    this.db = db
    this.#isSnapshot = readOnly?.isSnapshot === true
    this.#full = resolve(path)
    this.real = real
    this.#was = {
      '': identityOf(this.#full),
      '-wal': identityOf(`${this.real}-wal`),
      '-shm': identityOf(`${this.real}-shm`),
    }
    this.#chain = readOnly === undefined ? new WalChain(db) : undefined
    this.#writtenOver = new WrittenOver(real, db, this.#chain)
    const beforeCommit = () => {
      this.check()
      this.#chain?.extend()
    }
    const refusal = readOnly && (() => readOnlyError(path, readOnly.reason))
    this.lock = new Lock(db, this.name, {beforeCommit, refusal, lockTimeout})
  }

  /** Throws `connect` if the file is no longer at its path. */
  check(): void {
    const now = performance.now()
    if (now < this.#restUntil) return
    for (const suffix of ['', '-wal', '-shm'] as const) {
      const is = identityOf(suffix === '' ? this.#full : this.real + suffix)
      if (is !== this.#was[suffix] && this.#was[suffix] !== undefined) this.#lost(suffix, is === undefined)
    }
    this.#checkContent()
    this.#restUntil = now + restMs
  }

  #checkContent(isLast = false): void {
    this.#isWrittenOver = this.#writtenOver.isSo(statSync(this.real, {throwIfNoEntry: false})?.mtimeMs, {isLast})
    if (this.#isWrittenOver) this.#lost('', false)
  }

  /** Throws `denied` if new messages cannot be seen. */
  checkFollowable(): void {
    if (this.#isSnapshot) throw snapshotError(this.path)
  }

  /**
   * Translates a failure into one sentence. In a damaged file any value is possible, so an error on one is a bug only if the
   * file is intact.
   */
  failure(error: unknown): unknown {
    return databaseError(
      this.path,
      error instanceof TypeError && isDamaged(this.db) ? damageError(error.message, error) : error,
    )
  }

  close(): void {
    this.#checkAgain()
    // Another process noticed it too, and has already renamed the log.
    const isPutAway = this.#isLost && this.#isOurs('') && identityOf(`${this.real}-wal.lost`) === this.#was['-wal']
    if ((this.#isWrittenOver || isPutAway) && !this.lock.isReadOnly) {
      closeUntouched(this.db, this.real, () => this.#emptyLog())
      this.#putAway()
      return
    }
    this.db.close()
    // If a link now points elsewhere, the file itself and its users are left unchanged.
    if (this.#isLost && !this.lock.isReadOnly && !this.#isOurs('')) this.#putAway()
  }

  /** Checks the file again before it is closed, because the last connection then writes the log into it. */
  #checkAgain(): void {
    try {
      if (!this.#isLost && !this.lock.isReadOnly) this.#checkContent(true)
    } catch {
      // It was written over, and `#isWrittenOver` is set. All waits have ended already.
    }
  }

  /** Renames the log, which does not belong to any file now. */
  #putAway(): void {
    try {
      if (this.#isOurs('-shm')) rmSync(`${this.real}-shm`)
      if (this.#isOurs('-wal')) renameSync(`${this.real}-wal`, `${this.real}-wal.lost`)
    } catch {
      // Another process that lost it did so first.
    }
  }

  /** Empties the log, so that SQLite writes nothing to the file when it closes it. */
  #emptyLog(): void {
    const log = ['-wal', '-wal.lost']
      .map((suffix) => this.real + suffix)
      .find((path) => identityOf(path) === this.#was['-wal'])
    if (log === undefined) return
    const kept = `${this.real}-wal.${crypto.randomUUID()}`
    // Not copyFileSync: it never ends if another process truncates the log meanwhile.
    writeFileSync(kept, readFileSync(log), {mode: 0o600, flag: 'wx'})
    truncateSync(log)
    rmSync(log)
    renameSync(kept, `${this.real}-wal.lost`)
  }

  #lost(suffix: Suffix, isGone: boolean): never {
    this.#isLost = true
    const how = isGone ? 'deleted' : this.#isWrittenOver ? 'written over' : 'replaced'
    const what = `the bus file ${this.path}${suffix} was ${how} while it was open`
    throw new BusError('connect', what, {
      try: ['run this again: it opens the file that is there now'],
      data: {lost: true},
    })
  }

  #isOurs(suffix: Suffix): boolean {
    return this.#was[suffix] !== undefined && identityOf(this.real + suffix) === this.#was[suffix]
  }
}

/** Undefined if there is none. */
function identityOf(path: string): string | undefined {
  const stat = statSync(path, {throwIfNoEntry: false})
  return stat && `${stat.dev}:${stat.ino}`
}

interface OpenedOptions {
  readonly lockTimeout?: LockTimeout | undefined
  readonly readOnly?: {readonly reason: ReadOnlyReason; readonly isSnapshot: boolean} | undefined
}

export interface FileOptions {
  /** How long operations wait for other processes that hold the lock. */
  readonly lockTimeout?: LockTimeout | undefined
  /** Commits wait for the disk. */
  readonly isSynchronous?: boolean | undefined
  /** Nothing is written; also the case if the user has no permission to write. */
  readonly isReadOnly?: boolean | undefined
}

/**
 * Opens the bus file at `path`, which is created if it does not exist. Fails with `connect` or `denied`; a file that is not a
 * bus file is left untouched.
 */
export function openFile(path: string, options: FileOptions = {}): BusFile {
  const {isSynchronous = false, isReadOnly = false, lockTimeout} = options
  const full = resolve(path)
  const reason = isReadOnly ? 'asked' : reasonToRead(full, path)
  if (reason !== undefined) return openReadOnly(path, full, reason, lockTimeout)
  let isNew = false
  let real = full
  let db: Db
  try {
    checkDatabaseFiles(full, path)
    isNew = create(full)
    real = realpathSync.native(full)
    checkOneName(path, real)
    checkLog(real)
    db = new Database(full, {mustExist: true, timeout: blockMs})
  } catch (error) {
    throw openError(path, error)
  }
  try {
    if (isNew || !isBusFile(db, path)) initialise(db)
    else if (db.pragmaValue('journal_mode') !== 'wal') startLog(db)
    db.exec(`PRAGMA synchronous = ${isSynchronous ? 'FULL' : 'NORMAL'}; PRAGMA journal_size_limit = 67108864; PRAGMA temp_store = MEMORY;
             PRAGMA busy_timeout = 0; ${pragmas}`)
    const file = new BusFile(path, db, real, {lockTimeout})
    // SQLite has opened or created the log meanwhile, and it is still empty.
    checkDatabaseFiles(full, path)
    return file
  } catch (error) {
    closeUntouched(db, full)
    throw openError(path, error)
  }
}

function reasonToRead(full: string, path: string): ReadOnlyReason | undefined {
  try {
    return readOnlyReason(full)
  } catch (error) {
    throw openError(path, error)
  }
}

/** Like `openFile`, but tries again while another process holds the lock. */
export async function openFileWhenFree(
  path: string,
  options: FileOptions & {readonly lockTimeout: LockTimeout},
): Promise<BusFile> {
  const began = performance.now()
  for (;;) {
    try {
      return openFile(path, options)
    } catch (error) {
      if (!isBusy((error as Error).cause)) throw error
      if (options.lockTimeout.isOver(began)) throw options.lockTimeout.error(`the bus file ${path}`)
      await sleep(1 + Math.random())
    }
  }
}

function openReadOnly(path: string, full: string, reason: ReadOnlyReason, lockTimeout?: LockTimeout): BusFile {
  let opened: ReturnType<typeof openForReading> | undefined
  try {
    checkExists(full, path)
    checkDatabaseFiles(full, path, true)
    const real = realpathSync.native(full)
    checkOneName(path, real)
    checkLog(real)
    opened = openForReading(real, path)
    const {db} = opened
    if (!isBusFile(db, path)) throw new BusError('connect', `${path} is empty, not a bus file`)
    db.exec(`PRAGMA temp_store = MEMORY; PRAGMA busy_timeout = 0; ${pragmas}`)
    return new BusFile(path, db, real, {lockTimeout, readOnly: {reason, isSnapshot: opened.isSnapshot}})
  } catch (error) {
    opened?.db.close()
    throw openError(path, error)
  }
}

/** Like `databaseError`, with the reason if SQLite or the system only reports that something cannot be opened or loaded. */
function openError(path: string, error: unknown): unknown {
  const isVague = /^(SQLITE_CANTOPEN|ENOSPC|ERR_DLOPEN_FAILED)/.test(systemCode(error))
  return databaseError(path, isVague ? reasonOf(path, error) : error)
}

function reasonOf(path: string, error: unknown): unknown {
  try {
    if (systemCode(error).startsWith('SQLITE')) accessSync(path, constants.R_OK)
    // A descriptor of the bus file itself must not be closed.
    closeSync(openSync('/dev/null', 'r'))
    const {files, ffree} = statfsSync(dirname(resolve(path)))
    if (files > 0 && ffree === 0) return Object.assign(new Error('no free inode'), {code: 'ENOINODE'})
    return error
  } catch (reason) {
    return reason
  }
}

/** SQLite returns immediately if another process holds the lock, so this retries for as long as it would wait elsewhere. */
function startLog(db: Db): void {
  const deadline = performance.now() + blockMs
  for (;;) {
    try {
      db.pragma('journal_mode = WAL')
      return
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1 + Math.random())
    }
  }
}

/** Creates an empty file that only its owner can read; false if it exists. */
function create(full: string): boolean {
  try {
    const stat = statSync(full, {throwIfNoEntry: false})
    if (stat?.isDirectory())
      throw new BusError('connect', `${full} is a folder, not a bus file`, {try: [`${full}/bus.db`]})
    if (stat !== undefined) return stat.size === 0
    closeSync(openSync(full, 'wx', 0o600))
    return true
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw openError(full, error)
    if (statSync(full, {throwIfNoEntry: false}) !== undefined) return false
    throw new BusError('connect', `${full} is a symbolic link to a file that does not exist`, {
      try: ['create an empty file there, or remove the link'],
    })
  }
}

/** True for a supported bus file, false for an empty database. */
function isBusFile(db: Db, path: string): boolean {
  const [id, version, tables] = readIdentity(db, path)
  if (id === applicationId) {
    if (version < consumedVersion + 1000) return true
    throw new BusError('connect', `${path} was created by a newer busline (file version ${version / 1000})`, {
      try: ['upgrade busline', 'another file: --bus ./other.db'],
    })
  }
  if (id === 0 && version === 0 && tables === 0) return false
  throw new BusError('connect', `${path} is a SQLite database of another program, left untouched`, {
    try: ['another path: --bus ./bus.db'],
  })
}

/** The schema comes first. Another process may be creating the file at this moment: then it is read again. */
function readIdentity(db: Db, path: string): [id: number, version: number, tables: number] {
  const before = schemaRows(db)
  const id = db.pragmaValue('application_id') as number
  const rows = id === applicationId && before.length === 0 ? schemaRows(db) : before
  if (id === applicationId) checkSchema(rows, `the bus file ${path}`, {tables: busFileTables, isShared: false})
  return [id, db.pragmaValue('user_version') as number, rows.length]
}

/** Two processes may get here at once: the second finds that the first has done it. */
function initialise(db: Db): void {
  if (db.pragmaValue('application_id') === applicationId) return
  db.pragma('auto_vacuum = INCREMENTAL')
  startLog(db)
  db.exec('BEGIN IMMEDIATE')
  if (db.pragmaValue('application_id') !== applicationId) db.exec(busFileSchema)
  db.exec('COMMIT')
  // From now on the file itself has a link, by which its own log is recognised.
  db.pragma('wal_checkpoint(PASSIVE)')
}

/**
 * Closes the database without the checkpoint of the last connection, by keeping a read-only connection open. If none can be
 * opened, calls `otherwise` first.
 */
function closeUntouched(db: Db, full: string, otherwise = () => {}): void {
  try {
    const guard = new Database(full, {readOnly: true, timeout: blockMs})
    guard.pragma('schema_version')
    db.close()
    guard.close()
  } catch {
    otherwise()
    db.close()
  }
}

function isDamaged(db: Db): boolean {
  try {
    return db.pragmaValue('quick_check(1)') !== 'ok'
  } catch (error) {
    return systemCode(error).startsWith('SQLITE_CORRUPT')
  }
}
