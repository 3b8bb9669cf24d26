/** The limits of the machine, with which the other figures are compared. */
import {rmSync} from 'node:fs'
import {createServer} from 'node:net'
import {join} from 'node:path'
import {DatabaseSync} from 'node:sqlite'
import {type Case, inFolder, median, percentile, type Row, start} from './measure.ts'

const payload = 'x'.repeat(128)

export const limits: Case = {
  name: 'limits',
  rows: () =>
    inFolder(async (folder) => {
      const single = [1, 2, 3].map(() => bareInserts(folder, 1, 50_000))
      const batched = [1, 2, 3].map(() => bareInserts(folder, 100, 500_000))
      const echo = await socketEcho(join(folder, 'echo.sock'))
      return [
        {what: 'node:sqlite, one insert per transaction', value: median(single), unit: 'k msg/s'},
        {what: 'node:sqlite, 100 inserts per transaction', value: median(batched), unit: 'k msg/s'},
        {what: 'Unix socket echo between two processes, p50', value: percentile(echo, 0.5), unit: 'us'},
        {what: 'Unix socket echo between two processes, p99', value: percentile(echo, 0.99), unit: 'us'},
      ] satisfies Row[]
    }),
}

/** Inserts `count` messages, `batch` of them per transaction. Returns thousands per second. */
export function bareInserts(folder: string, batch: number, count: number): number {
  const path = join(folder, 'raw.db')
  const db = new DatabaseSync(path)
  db.exec(
    'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; CREATE TABLE m(seq INTEGER PRIMARY KEY, sid INTEGER, ts INTEGER, data)',
  )
  const statement = db.prepare('INSERT INTO m(sid, ts, data) VALUES (?, ?, ?)')
  const many = () => {
    db.exec('BEGIN')
    for (let i = 0; i < batch; i++) statement.run(1, 1, payload)
    db.exec('COMMIT')
  }
  const begin = performance.now()
  for (let i = 0; i < count; i += batch) many()
  const rate = count / (performance.now() - begin)
  db.close()
  rmSync(path)
  return rate
}

/** The times of five thousand echoes between two processes, in microseconds. */
export async function socketEcho(path: string): Promise<number[]> {
  const times: number[] = []
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(path, resolve))
  const other = start('socket', path)
  await new Promise<void>((resolve) => {
    server.on('connection', async (socket) => {
      for (let i = 0; i < 5000; i++) {
        const begin = performance.now()
        socket.write(payload)
        await new Promise((done) => socket.once('data', done))
        times.push((performance.now() - begin) * 1000)
      }
      socket.end()
      resolve()
    })
  })
  server.close()
  await other.ended
  return times
}
