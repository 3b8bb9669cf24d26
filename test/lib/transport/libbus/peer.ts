/**
 * Another process that speaks libbus, in plain SQL with Node's own SQLite and the statements of libbus v0.4.0: `node peer.ts
 * NAME DATABASE ARGS…`. Each writes lines to stdout.
 */
import {randomUUID} from 'node:crypto'
import {DatabaseSync} from 'node:sqlite'
import {setTimeout as sleep} from 'node:timers/promises'

const [name = '', path = '', ...args] = process.argv.slice(2)
const db = new DatabaseSync(path)
db.exec('PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 5000')

const programs: Readonly<Record<string, (...args: string[]) => unknown>> = {
  /** Creates the tables, and one of its own. */
  make() {
    db.exec(`
      CREATE TABLE IF NOT EXISTS bus_events (id INTEGER PRIMARY KEY AUTOINCREMENT, subject TEXT NOT NULL,
        data BLOB NOT NULL, created_at INTEGER NOT NULL DEFAULT (unixepoch('now')));
      CREATE INDEX IF NOT EXISTS idx_bus_events_subject ON bus_events(subject, id);
      CREATE TABLE IF NOT EXISTS bus_requests (id TEXT PRIMARY KEY, subject TEXT NOT NULL, data BLOB NOT NULL,
        created_at INTEGER NOT NULL DEFAULT (unixepoch('now')));
      CREATE INDEX IF NOT EXISTS idx_bus_requests_subject ON bus_requests(subject, created_at);
      CREATE TABLE IF NOT EXISTS bus_replies (request_id TEXT PRIMARY KEY, data BLOB NOT NULL,
        created_at INTEGER NOT NULL DEFAULT (unixepoch('now')));
      CREATE TABLE kv (key TEXT PRIMARY KEY, value TEXT); INSERT INTO kv VALUES ('mine', 'untouched')`)
  },

  /** Publishes each payload, given in hex. */
  publish(subject = '', ...payloads: string[]) {
    const insert = db.prepare('INSERT INTO bus_events (subject, data) VALUES (?, ?)')
    for (const hex of payloads) insert.run(subject, Buffer.from(hex, 'hex'))
  },

  /** Writes each payload in hex. */
  async stream(subject = '') {
    const cursor = db.prepare('SELECT COALESCE(MAX(id), 0) AS last FROM bus_events WHERE subject = ?')
    const poll = db.prepare('SELECT id, data FROM bus_events WHERE subject = ? AND id > ? ORDER BY id')
    let last = Number(cursor.get(subject)?.['last'])
    say('live')
    for (;;) {
      for (const {id, data} of poll.all(subject, last)) {
        last = Number(id)
        say(Buffer.from(data as Uint8Array).toString('hex'))
      }
      await sleep(10)
    }
  },

  /** Answers with the request's payload, or with a fixed text; writes the payload of each request in hex. */
  async serve(subject = '', answer?: string) {
    say('live')
    for (;;) {
      for (const {id, data} of claimed(subject)) {
        say(Buffer.from(data as Uint8Array).toString('hex'))
        reply(id, answer === undefined ? data : Buffer.from(answer))
      }
      await sleep(10)
    }
  },

  /** Claims one request, and exits before it answers. */
  async die(subject = '') {
    say('live')
    for (;;) {
      for (const _ of claimed(subject)) process.kill(process.pid, 'SIGKILL')
      await sleep(10)
    }
  },

  /** Sends a request, with payload and reply in hex; writes `timeout` if there is no reply. */
  async request(subject = '', payload = '', timeoutMs = '5000') {
    const id = randomUUID()
    const bytes = Buffer.from(payload, 'hex')
    db.prepare('INSERT INTO bus_requests (id, subject, data) VALUES (?, ?, ?)').run(id, subject, bytes)
    say('asked')
    const look = db.prepare('SELECT data FROM bus_replies WHERE request_id = ?')
    for (const end = Date.now() + Number(timeoutMs); Date.now() < end; await sleep(10)) {
      const row = look.get(id)
      if (row === undefined) continue
      db.prepare('DELETE FROM bus_replies WHERE request_id = ?').run(id)
      return say(Buffer.from(row['data'] as Uint8Array).toString('hex'))
    }
    db.prepare('DELETE FROM bus_requests WHERE id = ?').run(id)
    say('timeout')
  },

  /** Holds the write lock for this long. */
  async hold(ms = '0') {
    db.exec('BEGIN IMMEDIATE')
    say('held')
    await sleep(Number(ms))
    db.exec('COMMIT')
  },

  /** Writes one event and is killed before it commits. */
  crash(subject = '') {
    db.exec('BEGIN IMMEDIATE')
    db.prepare('INSERT INTO bus_events (subject, data) VALUES (?, ?)').run(subject, Buffer.from('lost'))
    process.kill(process.pid, 'SIGKILL')
  },
}

function claimed(subject: string): Record<string, unknown>[] {
  const rows = db
    .prepare('SELECT id, data FROM bus_requests WHERE subject = ? ORDER BY created_at LIMIT 10')
    .all(subject)
  return rows.filter(({id}) => db.prepare('DELETE FROM bus_requests WHERE id = ?').run(String(id)).changes === 1)
}

function reply(id: unknown, data: unknown): void {
  db.prepare('INSERT OR REPLACE INTO bus_replies (request_id, data) VALUES (?, ?)').run(String(id), data as Uint8Array)
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

await programs[name]?.(...args)
