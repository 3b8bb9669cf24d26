/**
 * Checks the schema of a database before its tables are used. A view, a trigger, a virtual table or an expression in the place of
 * a table of ours is run by SQLite whenever that table is read or written, and may run forever: SQLite cannot be interrupted.
 */
import {BusError} from '../../core/errors.ts'
import type {Db} from './db.ts'

type SchemaRow = [type: string, name: string, table: string, sql: string | null]

/** What is expected of a schema. */
interface SchemaUse {
  /** The names of the tables that are used, in lower case. */
  readonly tables: ReadonlySet<string>
  /** Whether other tables, views and their triggers may exist, because the database belongs to another program. */
  readonly isShared: boolean
}

/** All rows of the schema. Nothing else may be read before they are checked: a view can have the name of any table. */
export function schemaRows(db: Db): SchemaRow[] {
  return db.prepare('SELECT type, name, tbl_name, sql FROM sqlite_schema').raw().all() as SchemaRow[]
}

/** Throws `connect` if the schema contains anything that would be run. `what` is the name of the file in the error. */
export function checkSchema(rows: readonly SchemaRow[], what: string, expected: SchemaUse): void {
  for (const row of rows) {
    const found = oddityOf(row, expected)
    if (found === undefined) continue
    throw new BusError('connect', `${what} is refused: it has ${found}, which busline does not create`, {
      try: ['do not use bus files of unknown origin'],
    })
  }
}

function oddityOf([type, name, table, sql]: SchemaRow, {tables, isShared}: SchemaUse): string | undefined {
  const isOurs = tables.has(String(table).toLowerCase())
  if (isShared && !isOurs) return undefined
  const text = String(sql ?? '')
  const shown = JSON.stringify(String(name).slice(0, 60))
  if (type === 'view' || type === 'trigger') return `the ${type} ${shown}`
  if (type === 'table') {
    if (/^\s*CREATE\s+VIRTUAL\b/i.test(text)) return `the virtual table ${shown}`
    if (/\bGENERATED\b|\bAS\s*\(/i.test(text)) return `a generated column in ${shown}`
    return isOurs && /\bCHECK\b/i.test(text) ? `a condition in the table ${shown}` : undefined
  }
  const isPlain = text === '' || /^CREATE\s+(UNIQUE\s+)?INDEX\s+\S+\s+ON\s+\S+?\s*\([\w\s,"]*\)\s*$/i.test(text)
  return type === 'index' && isPlain
    ? undefined
    : `the ${type === 'index' ? 'index with an expression' : 'entry'} ${shown}`
}
