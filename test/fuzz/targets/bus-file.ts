import assert from 'node:assert/strict'
import {humanView} from '../../../src/lib/cli/render/human.ts'
import {BusError} from '../../../src/lib/core/errors.ts'
import {recordWriter} from '../../../src/lib/core/record.ts'
import {Database, type Value} from '../../../src/lib/transport/sqlite/database.ts'
import {databaseError, Lock} from '../../../src/lib/transport/sqlite/db.ts'
import {everything, Log} from '../../../src/lib/transport/sqlite/log.ts'
import {busFileSchema} from '../../../src/lib/transport/sqlite/schema.ts'
import {checkSchema, schemaRows} from '../../../src/lib/transport/sqlite/schema-check.ts'
import {Catalogue} from '../../../src/lib/transport/sqlite/streams/catalogue.ts'
import {parsed} from '../parsed.ts'
import {type Target, textOf} from '../target.ts'

const schemaUse = {tables: new Set(['msg']), isShared: false}
const db = new Database(':memory:')
db.exec(busFileSchema)
const lock = new Lock(db, 'x.db')
const log = new Log(db, lock)
const statements = {
  subject: db.prepare('INSERT OR REPLACE INTO subject(id, name) VALUES (1, ?)'),
  msg: db.prepare('INSERT OR REPLACE INTO msg(seq, sid, ts, reply, hdr, data) VALUES (?, ?, ?, ?, ?, ?)'),
  eph: db.prepare('INSERT INTO eph(dst, subject, ts, reply, hdr, data) VALUES (1, ?, ?, ?, ?, ?)'),
  stream: db.prepare(
    `INSERT OR REPLACE INTO stream(id, name, config, created, first, last, ts, mid, stored, messages, bytes, holes)
     VALUES (1, 'S', ?, ?, ?, ?, ?, '', ?, ?, ?, 0)`,
  ),
  changed: db.prepare("UPDATE meta SET v = v + 1 WHERE k = 'streams'"),
  clear: ['msg', 'eph', 'subject', 'stream'].map((table) => db.prepare(`DELETE FROM ${table}`)),
}

/** Rows of a bus file that another program has written, one per line, and SQL of its schema. */
export const target: Target = {
  seeds: [
    '["a.b",1,1,1763632800000000,"r","[[\\"A\\",\\"1\\"]]","hello"]\n{"name":"S","subjects":["a.>"],"storage":"file","discard":"old","dedupeMs":120000,"replicas":1,"retention":"limits"}\n[0,1,5,1763632800000000,5,5,5]',
    '["",-1,1,-5,null,"{}",7]\n{"subjects":7}\n[1e300,2]',
    '["a",9007199254740993,2,1e18,"","[[1]]",{"b":"/w=="}]\n[]',
    'CREATE TABLE t(a, b AS (a + 1))',
    'CREATE INDEX x ON msg(ts) WHERE ts > 0',
  ],
  words: [
    ...[
      '[',
      ']',
      ',',
      '"',
      '{',
      '}',
      'null',
      '1e300',
      '-1',
      '9007199254740993',
      '[[\\"A\\",\\"1\\"]]',
      '{"b":"',
      '"}',
      '\n',
    ],
    ...[
      '"subjects":',
      '"name":',
      '"maxAgeMs":',
      '"maxMsgs":',
      '"discard":',
      '"__proto__":',
      '\\u0000',
      '\\ud800',
      '1.5',
    ],
    ...[
      'CREATE ',
      'TABLE ',
      'INDEX ',
      'VIEW ',
      'TRIGGER ',
      'VIRTUAL ',
      'GENERATED ALWAYS ',
      'AS (',
      'CHECK(',
      '/*',
      '--',
    ],
  ],
  run(bytes) {
    const [row = '', config = '', numbers = ''] = textOf(bytes).split('\n')
    for (const statement of [statements.changed, ...statements.clear]) statement.run()
    sentenceOnly(() => checkSchema([...schemaRows(db), ['index', 'x', 'msg', row]], 'x.db', schemaUse))
    if (!write(parsed(row), config, parsed(numbers))) return
    sentenceOnly(() => {
      for (const {message} of log.page({seq: -1, passing: 0}, everything, {all: true, passing: true}).entries) {
        assert.equal(typeof message.subject, 'string')
        assert.equal(typeof message.text, 'string')
        JSON.parse(recordWriter()(message))
        humanView().message(message, 1)
      }
    })
    sentenceOnly(() => {
      const catalogue = new Catalogue('x.db', db)
      for (const stream of catalogue.all()) {
        assert.ok(stream.config.subjects.length > 0)
        catalogue.state(stream)
      }
    })
  },
}

/** False if SQLite refuses the values. */
function write(row: unknown, config: string, numbers: unknown): boolean {
  const [name = 'a', seq = 1, sid = 1, ts = 0, reply = null, hdr = null, data = null] = Array.isArray(row) ? row : []
  const [created = 0, first = 0, last = 0, time = 0, stored = 0, messages = 0, size = 0] = Array.isArray(numbers)
    ? numbers
    : []
  try {
    statements.subject.run(columnOf(name))
    statements.msg.run(...[seq, sid, ts, reply, hdr, data].map(columnOf))
    statements.eph.run(...[name, ts, reply, hdr, data].map(columnOf))
    statements.stream.run(config, ...[created, first, last, time, stored, messages, size].map(columnOf))
    return true
  } catch {
    // The tables are strict.
    return false
  }
}

function columnOf(value: unknown): Value {
  if (typeof value === 'boolean') return Number(value)
  if (typeof value === 'number' && Number.isInteger(value) && Math.abs(value) < 2 ** 63) return BigInt(value)
  if (typeof value !== 'object' || value === null) return value as Value
  return Buffer.from(String((value as {b?: unknown}).b ?? ''), 'base64')
}

/** What a command makes of errors of SQLite, and of damaged rows. */
function sentenceOnly(work: () => void): void {
  try {
    work()
  } catch (error) {
    if (!(databaseError('x.db', error) instanceof BusError)) throw error
  }
}
