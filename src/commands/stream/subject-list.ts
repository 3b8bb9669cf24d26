/** The subjects of a stream with their numbers of messages, in about 20 B each besides the names. */

/** Names are joined by newlines, which no subject contains: many small strings would take several times as much memory. */
interface Page {
  readonly names: string
  readonly counts: Float64Array
}

const pageSubjects = 1000

export type SubjectCount = readonly [subject: string, messages: number]

export class SubjectList {
  readonly #pages: Page[] = []
  size = 0
  /** The largest number of messages of a subject. */
  most = 0

  add(counts: ReadonlyMap<string, number>): void {
    const all = [...counts]
    for (let at = 0; at < all.length; at += pageSubjects) {
      const part = all.slice(at, at + pageSubjects)
      const names = Buffer.from(part.map(([subject]) => subject).join('\n')).toString()
      this.#pages.push({names, counts: Float64Array.from(part, ([, count]) => count)})
    }
    for (const count of counts.values()) this.most = Math.max(this.most, count)
    this.size += counts.size
  }

  *pages(): Iterable<SubjectCount[]> {
    for (const {names, counts} of this.#pages) {
      yield names.split('\n').map((subject, i): SubjectCount => [subject, counts[i] ?? 0])
    }
  }

  first(most: number): SubjectCount[] {
    const found: SubjectCount[] = []
    for (const page of this.pages()) {
      found.push(...page.slice(0, most - found.length))
      if (found.length >= most) break
    }
    return found
  }
}
