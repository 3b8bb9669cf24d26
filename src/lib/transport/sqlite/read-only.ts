/**
 * Opens a bus file read-only. SQLite reads a file with a write-ahead log through the `-wal` and `-shm` beside it, and
 * creates them if they are missing: https://sqlite.org/wal.html#readonly. Here nothing is created. A file that no process has
 * open has neither of them, and everything is in the file itself, so its present content is read into memory.
 */
import {accessSync, constants, readSync, realpathSync, type Stats, statSync} from 'node:fs'
import {dirname} from 'node:path'
import {BusError} from '../../core/errors.ts'
import {Database, systemCode} from './database.ts'
import type {Db} from './db.ts'
import {descriptorOf} from './wal-chain.ts'

/** Why a bus file is only read. */
export type ReadOnlyReason = 'asked' | 'file' | 'folder'

const reasons = {
  asked: ['as requested', 'without --read-only'],
  file: ['you may not write to it', 'check its permissions'],
  folder: ['you may not write to its folder', 'check the permissions of the folder'],
} as const

/** Larger files are not read into memory. */
const mostBytes = 2 ** 30
const tries = 10

/** Undefined if the file can be written, or does not exist. */
export function readOnlyReason(full: string): ReadOnlyReason | undefined {
  if (!exists(full)) return undefined
  const real = realpathSync.native(full)
  if (!isWritable(real)) return 'file'
  if (isWritable(dirname(real))) return undefined
  return isWritable(`${real}-wal`) && isWritable(`${real}-shm`) ? undefined : 'folder'
}

/** The error of every write. */
export function readOnlyError(path: string, reason: ReadOnlyReason): BusError {
  const [why, hint] = reasons[reason]
  return new BusError('denied', `the bus file ${path} is open read-only: ${why}`, {try: [hint]})
}

/** Throws `connect`. */
export function checkExists(full: string, path: string): void {
  if (!exists(full)) throw new BusError('connect', `there is no bus file ${path}`, {try: ['without --read-only']})
}

/** Opens the file at `real`. With `isSnapshot` the database is a copy of its present content and never changes. */
export function openForReading(real: string, path: string): {db: Db; isSnapshot: boolean} {
  for (let i = 0; i < tries; i++) {
    const log = statSync(`${real}-wal`, {throwIfNoEntry: false})
    if (log !== undefined && exists(`${real}-shm`)) {
      for (const suffix of ['', '-wal', '-shm']) accessSync(real + suffix, constants.R_OK)
      return {db: new Database(real, {readOnly: true, timeout: 100}), isSnapshot: false}
    }
    if (log !== undefined && log.size > 0) throw withoutIndex(path)
    const bytes = snapshotOf(real, path)
    if (bytes === 'live') return {db: new Database(real, {readOnly: true, timeout: 100}), isSnapshot: false}
    if (bytes !== undefined) return {db: Database.ofBytes(bytes), isSnapshot: true}
  }
  throw new BusError('connect', `the bus file ${path} changes too often to be read`)
}

/** The error of a wait for new messages in a snapshot. */
export function snapshotError(path: string): BusError {
  return new BusError(
    'denied',
    `no process has the bus file ${path} open, so it has no log to follow, and you may not create one`,
    {
      try: [
        'read what is in it: bus sub SUBJECT --from first --end',
        'follow it while a process that may write has it open',
      ],
    },
  )
}

/** The bytes of a database; `live` if it has no write-ahead log; undefined if it changed meanwhile. */
function snapshotOf(real: string, path: string): Buffer | 'live' | undefined {
  const before = statSync(real)
  if (before.size >= mostBytes) throw tooLarge(path)
  const fd = descriptorOf(real)
  const bytes = Buffer.alloc(before.size)
  for (let at = 0; at < bytes.length; ) {
    const read = readSync(fd, bytes, at, bytes.length - at, at)
    if (read === 0) return undefined
    at += read
  }
  const hasLog = (statSync(`${real}-wal`, {throwIfNoEntry: false})?.size ?? 0) > 0
  if (hasLog || !isSame(before, statSync(real))) return undefined
  if (bytes.length < 100 || bytes[writeVersion] !== 2 || bytes[readVersion] !== 2) return 'live'
  // A database in memory cannot have a log.
  bytes[writeVersion] = 1
  bytes[readVersion] = 1
  return bytes
}

/** Bytes of the header: 2 for a database with a write-ahead log, else 1. */
const writeVersion = 18
const readVersion = 19

function isSame(one: Stats, other: Stats): boolean {
  return (
    one.ino === other.ino && one.size === other.size && one.mtimeMs === other.mtimeMs && one.ctimeMs === other.ctimeMs
  )
}

function withoutIndex(path: string): BusError {
  return new BusError('connect', `the log of the bus file ${path} cannot be read without its -shm, which is missing`, {
    try: ['open the file once with write permission', 'copy it with its -wal to your own folder'],
  })
}

function tooLarge(path: string): BusError {
  return new BusError(
    'connect',
    `no process has the bus file ${path} open, and it is too large to be read into memory`,
    {
      try: ['read it while a process that may write has it open', 'copy it to your own folder'],
    },
  )
}

function exists(path: string): boolean {
  return statSync(path, {throwIfNoEntry: false}) !== undefined
}

/** Also false if the path does not exist. */
function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch (error) {
    // Other problems, such as a loop of links, are reported when the file is opened.
    return !/^(EACCES|EPERM|EROFS|ENOENT)$/.test(systemCode(error))
  }
}
