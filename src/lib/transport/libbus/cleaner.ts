import type {Db, Lock} from '../sqlite/db.ts'

const everyMs = 60_000
const ageSeconds = 300

/**
 * Removes rows older than five minutes from the three tables, once per minute, as every libbus does. If it fails, it calls
 * `failed` and stops.
 */
export function startCleaning(db: Db, lock: Lock, failed: (error: unknown) => void): Disposable {
  const deletes = ['bus_events', 'bus_requests', 'bus_replies'].map((table) =>
    db.prepare(`DELETE FROM ${table} WHERE created_at < unixepoch('now') - ${ageSeconds}`),
  )
  const clean = () => {
    try {
      // If another process holds the lock, the next minute will do.
      lock.tryWrite(() => {
        for (const each of deletes) each.run()
      })
    } catch (error) {
      clearInterval(timer)
      failed(error)
    }
  }
  const timer = setInterval(clean, everyMs)
  timer.unref()
  return {[Symbol.dispose]: () => clearInterval(timer)}
}
