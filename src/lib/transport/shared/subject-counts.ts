/** Numbers of messages by subject. */

/** The same, sorted by subject. */
export function sortedBySubject(counts: ReadonlyMap<string, number>): Map<string, number> {
  return new Map([...counts].sort(([a], [b]) => (a < b ? -1 : 1)))
}
