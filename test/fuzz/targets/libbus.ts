import assert from 'node:assert/strict'
import {humanView} from '../../../src/lib/cli/render/human.ts'
import type {Message} from '../../../src/lib/core/message.ts'
import {recordWriter} from '../../../src/lib/core/record.ts'
import {errorHeaders} from '../../../src/lib/transport/libbus/error-replies.ts'
import {EventReader, Events} from '../../../src/lib/transport/libbus/events.ts'
import {Requested} from '../../../src/lib/transport/libbus/requested.ts'
import {payloadOf} from '../../../src/lib/transport/libbus/rows.ts'
import {Database, type Value} from '../../../src/lib/transport/sqlite/database.ts'
import {parsed} from '../parsed.ts'
import {type Target, textOf} from '../target.ts'

const db = new Database(':memory:')
// As lenient as SQLite: any column may contain any type.
db.exec(`CREATE TABLE bus_events (id INTEGER PRIMARY KEY AUTOINCREMENT, subject, data, created_at);
CREATE TABLE bus_requests (id PRIMARY KEY, subject, data, created_at);
CREATE TABLE bus_replies (request_id PRIMARY KEY, data, created_at)`)
const addEvent = db.prepare('INSERT INTO bus_events (subject, data, created_at) VALUES (?, ?, ?)')
const addRequest = db.prepare('INSERT OR REPLACE INTO bus_requests (id, subject, data, created_at) VALUES (?, ?, ?, ?)')
const addReply = db.prepare('INSERT OR REPLACE INTO bus_replies (request_id, data) VALUES (?, ?)')
const empty = ['bus_events', 'bus_requests', 'bus_replies'].map((table) => db.prepare(`DELETE FROM ${table}`))
const events = new Events(db)
const requested = new Requested(db)

/** Rows of a database of another system: a JSON list is `[subject, data, created_at, id]`, anything else is data. */
export const target: Target = {
  seeds: [
    '["a.b","hello",1763632800,"r1"]',
    '[1,2.5,"x",null]',
    '["",{"b":"/w=="},1e300,-1]',
    'error: x',
    '[null,null,null,null]',
  ],
  words: [
    '[',
    ']',
    ',',
    '"',
    'null',
    '1e300',
    '-1',
    '{"b":"',
    '"}',
    '9007199254740993',
    '1.5',
    '\\u0000',
    '\\ud800',
    'error: ',
  ],
  run(bytes) {
    const row = parsed(textOf(bytes))
    const [subject = 'a', data = Buffer.from(bytes), created = 0, id = 'r'] = Array.isArray(row)
      ? row.map(columnOf)
      : []
    for (const statement of empty) statement.run()
    const reader = new EventReader(events, ['>'], () => undefined)
    addEvent.run(subject, data, created)
    const found = reader.next(10)
    assert.equal(found.length, 1)
    for (const message of found) assertShown(message)
    addRequest.run(id, subject, data, created)
    for (const one of requested.pending(JSON.stringify([subject]), 10)) {
      const request = requested.take(one)
      if (request !== undefined) assertShown(request)
    }
    addReply.run(id, data)
    for (const [, reply] of requested.replies(['r', String(id)])) errorHeaders(payloadOf(reply))
  },
}

function columnOf(value: unknown): Value {
  if (typeof value !== 'object' || value === null) return typeof value === 'boolean' ? Number(value) : (value as Value)
  return Buffer.from(String((value as {b?: unknown}).b ?? ''), 'base64')
}

function assertShown(message: Message): void {
  assert.equal(typeof message.subject, 'string')
  assert.equal(typeof message.text, 'string')
  JSON.parse(recordWriter()(message))
  humanView().message(message, 1)
}
