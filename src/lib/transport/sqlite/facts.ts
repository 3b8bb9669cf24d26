/** What a bus file tells of itself. */

import type {Facts} from '../contract.ts'
import {timeRoundTrips} from '../shared/round-trips.ts'
import type {Db} from './file.ts'
import type {Lock} from './lock.ts'

/** A round trip is a write transaction with nothing in it: what every publish waits for. */
export async function sqliteFacts(db: Db, lock: Lock): Promise<Facts> {
  const roundTripsMs = await timeRoundTrips(() => lock.write(() => undefined))
  const number = (sql: string) => Number(db.prepare(sql).pluck().get())
  return {
    software: 'SQLite',
    version: String(db.prepare('SELECT sqlite_version()').pluck().get()),
    roundTripsMs,
    bytes: number('SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()'),
    messages: number('SELECT count(*) FROM msg'),
  }
}
