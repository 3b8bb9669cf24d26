/** The subjects of a stream, a page at a time in the order of their names, by the index of names. */
import {matches} from '../../../core/subject.ts'
import type {Db} from '../db.ts'
import {limitedColumn} from '../rows.ts'
import {nameRange} from '../subject-names.ts'

/** Subjects that are read at a time. */
const pageSubjects = 1000

/** Each call, within a read, returns the next subjects with their numbers of messages; undefined after the last. */
export function subjectPages(db: Db, stream: number, pattern: string): () => Map<string, number> | undefined {
  const rows = db
    .prepare<[string, string, number], [name: string, messages: number]>(
      `SELECT ${limitedColumn('s.name')}, h.messages FROM subject s CROSS JOIN held h ON h.sid = s.id
       WHERE s.name >= ? AND s.name <= ? AND h.stream = ${stream} ORDER BY s.name LIMIT +?`,
    )
    .raw()
  const [first, last] = nameRange(pattern)
  let from: string | undefined = first
  return () => {
    if (from === undefined) return undefined
    const page = rows.all(from, last, pageSubjects)
    const [end] = page.at(-1) ?? []
    // The name that follows it in the order of bytes.
    from = page.length < pageSubjects || end === undefined ? undefined : `${end}\0`
    return new Map(page.filter(([name]) => matches(pattern, name)))
  }
}
