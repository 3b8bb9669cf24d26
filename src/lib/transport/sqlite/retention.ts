/**
 * Messages outside streams are kept for an hour, inbox messages for a minute, those in a stream by the stream's limits.
 * Publishers also prune, a chunk at a time: a file grows only while there are publishers, so no other process is needed.
 * `meta.pruned` is the sequence up to which the log was pruned; rows before it are removed when they leave a stream.
 */
import type {Db} from './db.ts'
import type {StreamTables} from './streams/intake.ts'
import {countRemoved, hasUnusedNames, removeUnusedGroups, removeUnusedNames, unusedGroups} from './unused-names.ts'

const coreRetentionMs = 60 * 60 * 1000
const inboxRetentionMs = 60 * 1000
const chunk = 1000
/** Checking a row that a stream keeps costs less than removing one. */
const looks = 5000
/** Free pages of 4 KiB to keep: a file with more of them, which are also more than half of it, is truncated. */
const sparePages = 16_384
/** Moving a page takes about 50 us, during which others wait. */
const pagesAtOnce = 128

/** Whether there is anything to remove. Only reads, so that infrequent publishers do not write more than they publish. */
export function hasDue(db: Db, now: number): boolean {
  const due = db
    .prepare(
      `SELECT ifnull((SELECT ts FROM msg WHERE seq > (SELECT v FROM meta WHERE k = 'pruned') ORDER BY seq LIMIT 1) < ?, 0)
           OR ifnull((SELECT ts FROM eph ORDER BY seq LIMIT 1) < ?, 0)
           OR ifnull((SELECT min(until) FROM dedup) < ?, 0)
           OR EXISTS (SELECT 1 FROM stream)
           OR ${hasUnusedNames}
           OR ${hasRoom}`,
    )
    .pluck()
    .get((now - coreRetentionMs) * 1000, (now - inboxRetentionMs) * 1000, now * 1000)
  return due === 1 || unusedGroups(db).length > 0
}

/** Within a write transaction: removes one chunk of each kind that is due; true if no more is due. */
export function prune(db: Db, connection: {readonly streams: StreamTables}, now: number): boolean {
  const hasStreams = db.prepare('SELECT EXISTS (SELECT 1 FROM stream)').pluck().get() === 1
  const expired = hasStreams ? expireStreams(connection.streams, now) : []
  const isPruned = pruneLog(db, now)
  const isNamed = isPruned && removeUnusedNames(db)
  const parts = [...expired, isNamed, prunePassing(db, now), pruneIds(db, now), giveBack(db)]
  removeUnusedGroups(db)
  return parts.every((isDone) => isDone)
}

function expireStreams({catalogue, limits}: StreamTables, now: number): boolean[] {
  return catalogue.all().map((stream) => limits.expire(stream, now))
}

/** The newest row is always kept, because SQLite would assign its sequence again. */
function pruneLog(db: Db, now: number): boolean {
  const pruned = db.prepare("SELECT v FROM meta WHERE k = 'pruned'").pluck().get() as number
  const [last, rows] = db
    .prepare(
      `SELECT ifnull(max(seq), 0), count(*) FROM (SELECT seq, ts FROM msg WHERE seq > ? ORDER BY seq LIMIT ${looks})
       WHERE ts < ? AND seq < (SELECT max(seq) FROM msg)`,
    )
    .raw()
    .get(pruned, (now - coreRetentionMs) * 1000) as [number, number]
  if (rows === 0) return true
  const upTo = rows <= chunk ? last : chunkEnd(db, pruned, last)
  const removed = db.prepare(`DELETE FROM msg WHERE seq > ? AND seq <= ? AND NOT ${isKept}`).run(pruned, upTo)
  countRemoved(db, removed.changes)
  db.prepare("UPDATE meta SET v = ? WHERE k = 'pruned'").run(upTo)
  return upTo === last && rows < looks
}

/** SQL: whether a row of `msg` is in a stream. */
export const isKept = `EXISTS (SELECT 1 FROM held h JOIN stream s ON s.id = h.stream
                        WHERE h.sid = msg.sid AND msg.seq >= h.first AND msg.seq >= s.first)`

/** The end of a range with at most a chunk of rows to remove. */
function chunkEnd(db: Db, from: number, to: number): number {
  const end = db
    .prepare(`SELECT seq FROM msg WHERE seq > ? AND seq <= ? AND NOT ${isKept} ORDER BY seq LIMIT 1 OFFSET ${chunk}`)
    .pluck()
    .get(from, to)
  return typeof end === 'number' ? end - 1 : to
}

function prunePassing(db: Db, now: number): boolean {
  const before = (now - inboxRetentionMs) * 1000
  const oldest = db.prepare('SELECT ts FROM eph ORDER BY seq LIMIT 1').pluck().get()
  if (typeof oldest !== 'number' || oldest >= before) return true
  const [last, rows] = db
    .prepare(
      `SELECT max(seq), count(*) FROM (SELECT seq, ts FROM eph ORDER BY seq LIMIT ${chunk})
       WHERE ts < ? AND seq < (SELECT max(seq) FROM eph)`,
    )
    .raw()
    .get(before) as [number | null, number]
  if (last === null) return true
  db.prepare('DELETE FROM eph WHERE seq <= ?').run(last)
  db.prepare("INSERT OR REPLACE INTO meta VALUES ('passed', ?)").run(last)
  return rows < chunk
}

function pruneIds(db: Db, now: number): boolean {
  const removed = db
    .prepare(`DELETE FROM dedup WHERE id IN (SELECT id FROM dedup WHERE until < ? ORDER BY until LIMIT ${chunk})`)
    .run(now * 1000)
  return removed.changes < chunk
}

const hasRoom = `(SELECT freelist_count > ${sparePages} AND freelist_count > page_count / 2
                  FROM pragma_freelist_count(), pragma_page_count())`

/** Truncates a file that is mostly empty by one step. */
function giveBack(db: Db): boolean {
  if (db.prepare(`SELECT ${hasRoom}`).pluck().get() !== 1) return true
  db.pragma(`incremental_vacuum(${pagesAtOnce})`)
  return false
}

const longestLogPages = 4000
const readersMs = 20

/**
 * SQLite restarts its write-ahead log only when a commit meets no reader, which may take long while others read continuously.
 * Then this waits for the current readers, so that the log stays at about 16 MiB.
 */
export function restartLog(db: Db): void {
  const [{log = 0} = {}] = db.pragma('wal_checkpoint(PASSIVE)') as {log?: number}[]
  if (log < longestLogPages) return
  db.pragma(`busy_timeout = ${readersMs}`)
  db.pragma('wal_checkpoint(RESTART)')
  db.pragma('busy_timeout = 0')
}
