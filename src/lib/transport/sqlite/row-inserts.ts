/** Inserts rows by statements with several rows: twice as fast as one by one. */
import type {Statement, Value} from './database.ts'
import type {Db} from './db.ts'

/** A table, its columns and the values of a row. */
export interface RowShape {
  readonly into: string
  readonly row: string
  /** The number of `?` per row. */
  readonly values: number
  /** Rows per statement, the largest first. */
  readonly sizes: readonly number[]
  /** `ON CONFLICT(sid) DO UPDATE …`, if rows may exist already. */
  readonly onConflict?: string
}

/** The statements of a connection, prepared when they are needed. */
export class RowInserts {
  readonly #db: Db
  readonly #statements = new Map<RowShape, Statement[]>()

  constructor(db: Db) {
    this.#db = db
  }

  /** Inserts any number of rows of this shape. `values` are those of the `?` of all rows, `named` those that all rows share. */
  insert(shape: RowShape, values: readonly Value[], named?: Record<string, Value>): void {
    const statements = this.#statements.get(shape) ?? []
    this.#statements.set(shape, statements)
    let at = 0
    for (const size of shape.sizes) {
      const length = size * shape.values
      for (; values.length - at >= length; at += length) {
        const statement = statements[size] ?? this.#prepare(shape, size)
        statements[size] = statement
        const part = length === values.length ? values : values.slice(at, at + length)
        if (named === undefined) statement.run(...part)
        else statement.runNamed(named, part)
      }
    }
  }

  #prepare({into, row, onConflict = ''}: RowShape, size: number): Statement {
    return this.#db.prepare(`INSERT INTO ${into} VALUES ${Array(size).fill(row).join(', ')} ${onConflict}`)
  }
}
