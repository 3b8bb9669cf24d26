import assert from 'node:assert/strict'
import {
  checkPattern,
  checkPatterns,
  checkSubject,
  covers,
  hasWildcard,
  matches,
  overlaps,
  SubjectTrie,
} from '../../../src/lib/core/subject.ts'
import {partsOf, refused, type Target} from '../target.ts'

export const target: Target = {
  seeds: ['a.*.c\na.b.c\na.>', '>\n$SYS.x\n*', 'a..b\n.a\na.', 'grüße.🐟\na b\n>.a'],
  words: ['.', '*', '>', 'a', 'b.', '.*', '.>', '$JS', '_INBOX.', '\u2028', '\u00a0', '🐟'],
  run(bytes) {
    const [first = '', second = '', third = ''] = partsOf(bytes, 3)
    const [pattern, other] = [refused(() => checkPattern(first)), refused(() => checkPattern(third))]
    const subject = refused(() => checkSubject(second))
    refused(() => checkPatterns([first, second, third]))
    if (subject !== undefined)
      assert.equal(
        refused(() => checkPattern(subject)),
        subject,
      )
    if (pattern === undefined) return
    assert.equal(refused(() => checkSubject(pattern)) === undefined, hasWildcard(pattern))
    assert.ok(covers(pattern, pattern) && overlaps(pattern, pattern))
    if (subject !== undefined) agree(pattern, subject)
    if (other === undefined) return
    assert.equal(overlaps(pattern, other), overlaps(other, pattern))
    if (covers(pattern, other)) assert.ok(overlaps(pattern, other))
    if (subject !== undefined && covers(pattern, other) && matches(other, subject)) assert.ok(matches(pattern, subject))
  },
}

function agree(pattern: string, subject: string): void {
  const trie = new SubjectTrie<1>()
  trie.add(pattern, 1)
  const isMatch = matches(pattern, subject)
  assert.equal(trie.match(subject).length, isMatch ? 1 : 0)
  assert.equal(covers(pattern, subject), isMatch)
  assert.equal(overlaps(pattern, subject), isMatch)
  trie.remove(pattern, 1)
  assert.equal(trie.size, 0)
}
