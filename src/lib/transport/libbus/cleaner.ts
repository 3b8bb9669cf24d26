import type {Db, Lock} from '../sqlite/db.ts'

const everyMs = 60_000
const ageSeconds = 300

/**
 * Does what every bus of libbus does for as long as it is open: each minute it removes what is older than five minutes
 * from the three tables. `failed` is called when it cannot, and it stops.
 */
export function startCleaning(db: Db, lock: Lock, failed: (error: unknown) => void): Disposable {
  const deletes = ['bus_events', 'bus_requests', 'bus_replies'].map((table) =>
    db.prepare(`DELETE FROM ${table} WHERE created_at < unixepoch('now') - ${ageSeconds}`),
  )
  const clean = () => {
    try {
      // Where others hold the lock, it is for the next minute.
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
