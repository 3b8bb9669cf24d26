/**
 * What no stream keeps goes after an hour, what passed through an inbox after a minute. Whoever publishes also prunes,
 * a chunk at a time: a file grows only while somebody publishes, so it needs no other keeper.
 */
import type {Db} from './file.ts'

const coreRetentionMs = 60 * 60 * 1000
const inboxRetentionMs = 60 * 1000
const chunk = 1000

/** Within a write transaction: removes one chunk of each kind that is due; true when no more is. */
export function prune(db: Db, now: number): boolean {
  const stored = pruneTable(db, 'msg', (now - coreRetentionMs) * 1000)
  const passing = pruneTable(db, 'eph', (now - inboxRetentionMs) * 1000)
  return stored && passing
}

/** The newest row always stays: SQLite would hand out its sequence again. */
function pruneTable(db: Db, table: 'msg' | 'eph', before: number): boolean {
  const oldest = db.prepare(`SELECT ts FROM ${table} ORDER BY seq LIMIT 1`).pluck().get()
  if (typeof oldest !== 'number' || oldest >= before) return true
  const removed = db
    .prepare(
      `DELETE FROM ${table} WHERE seq IN (SELECT seq FROM ${table} ORDER BY seq LIMIT ${chunk})
       AND ts < ? AND seq < (SELECT max(seq) FROM ${table})`,
    )
    .run(before)
  return removed.changes < chunk
}

const longestLogPages = 4000
const patienceMs = 20

/**
 * SQLite begins its write-ahead log anew only when a commit meets no reader, which may not come about for long while
 * others read without pause. Then this waits for the readers of the moment, so that the log stays at some 16 MiB.
 */
export function restartLog(db: Db): void {
  const [{log = 0} = {}] = db.pragma('wal_checkpoint(PASSIVE)') as {log?: number}[]
  if (log < longestLogPages) return
  db.pragma(`busy_timeout = ${patienceMs}`)
  db.pragma('wal_checkpoint(RESTART)')
  db.pragma('busy_timeout = 0')
}
