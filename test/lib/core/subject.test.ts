import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {BusError} from '../../../src/lib/core/errors.ts'
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

/** The rule in its simplest form, token by token, as a reference for the real matchers. */
function naive(pattern: string, subject: string): boolean {
  const [want, ...wantRest] = pattern.split('.')
  const [have, ...haveRest] = subject.split('.')
  if (want === '>') return true
  if (want !== '*' && want !== have) return false
  if (wantRest.length === 0 || haveRest.length === 0) return wantRest.length === haveRest.length
  return naive(wantRest.join('.'), haveRest.join('.'))
}

const token = fc.constantFrom('a', 'b')
const subject = fc.array(token, {minLength: 1, maxLength: 4}).map((tokens) => tokens.join('.'))
const pattern = fc
  .tuple(fc.array(fc.oneof(token, fc.constant('*')), {maxLength: 3}), fc.constantFrom('a', 'b', '*', '>'))
  .map(([tokens, last]) => [...tokens, last].join('.'))

/** All subjects of up to five tokens of `a`, `b` and one that occurs in no pattern above. */
const subjects = everySubject(5)

function everySubject(depth: number): string[] {
  if (depth === 0) return []
  const longer = everySubject(depth - 1).flatMap((rest) => ['a', 'b', 'z'].map((first) => `${first}.${rest}`))
  return ['a', 'b', 'z', ...longer]
}

describe('a subject or pattern', () => {
  test.each([
    ['', 'the subject is empty', undefined],
    ['.a', 'a leading "."', 1],
    ['.', 'a leading "."', 1],
    ['a.', 'a trailing "."', 2],
    ['a.b.', 'a trailing "."', 4],
    ['a..b', 'an empty token', 3],
    ['a.b...c', 'an empty token', 5],
    ['a b', 'a space', 2],
    [' a', 'a space', 1],
    ['a.b ', 'a space', 4],
    ['a\tb', 'a tab', 2],
    ['ab\n', 'a newline', 3],
    ['a\r', 'a carriage return', 2],
    ['a.\0', 'the control character U+0000', 3],
    ['a\u001b[1m', 'the control character U+001B', 2],
    ['a\u007f', 'the control character U+007F', 2],
    ['a\u009b1m', 'the control character U+009B', 2],
    ['a\u00a0b', 'the space U+00A0', 2],
    ['a\u2028b', 'the space U+2028', 2],
    ['a.\ud800', 'half a surrogate pair', 3],
  ])('with a fault is refused, with the fault and its position: %j', (text, found, position) => {
    for (const check of [checkSubject, checkPattern]) {
      const error = failureOf(() => check(text))
      expect(error?.kind).toBe('usage')
      expect(error?.message).toContain(found)
      if (position === undefined) continue
      expect(error?.message).toContain(`${JSON.stringify(text)} has`)
      expect(error?.message).toMatch(new RegExp(` at position ${position}$`))
      expect(error?.data).toEqual({position})
      expect(error?.try.length).toBeGreaterThan(0)
    }
  })

  test.each(['a', 'a.b.c', 'A.b', '0', '$SYS.x', '_INBOX.1.2', 'a*b', 'a>', '>a.b', 'a.**', 'grüße.🐟', 'a-b_c/d'])(
    'that is unusual but valid is accepted unchanged: %j',
    (text) => {
      expect(checkSubject(text)).toBe(text)
      expect(checkPattern(text)).toBe(text)
    },
  )
})

describe('a subject to publish to', () => {
  test.each([
    ['*', '"*"', 1],
    ['>', '">"', 1],
    ['a.*', '"*"', 3],
    ['*.a', '"*"', 1],
    ['a.*.b', '"*"', 3],
    ['a.b.>', '">"', 5],
    ['a.>.b', '">"', 3],
  ])('may not have a wildcard: %j', (text, wildcard, position) => {
    const error = failureOf(() => checkSubject(text))
    expect(error?.kind).toBe('usage')
    expect(error?.message).toContain(`wildcard ${wildcard} at position ${position}`)
    expect(error?.data).toEqual({position})
  })
})

describe('a pattern to subscribe to', () => {
  test.each(['*', '>', 'a.*', '*.a', 'a.*.b', 'a.>', '*.*', '*.>'])('may have wildcards: %j', (text) => {
    expect(checkPattern(text)).toBe(text)
    expect(hasWildcard(text)).toBe(true)
  })

  test.each([
    ['>.a', 1],
    ['a.>.b', 3],
    ['a.>.>', 3],
    ['*.>.*', 3],
  ])('may have ">" only as its last token: %j', (text, position) => {
    const error = failureOf(() => checkPattern(text))
    expect(error?.message).toContain(`">" before the last token at position ${position}`)
    expect(error?.data).toEqual({position})
  })

  test('has a wildcard only if a whole token is one', () => {
    for (const text of ['a', 'a.b', 'a*', '*a.b', 'a.>b']) expect(hasWildcard(text), text).toBe(false)
  })
})

describe('matching', () => {
  test.each([
    ['a', ['a'], ['b', 'a.b', 'aa', 'A']],
    ['a.b', ['a.b'], ['a', 'a.b.c', 'a.bb', 'ab']],
    ['*', ['a', 'b'], ['a.b']],
    ['a.*', ['a.b'], ['a', 'b.a', 'a.b.c']],
    ['*.b', ['a.b'], ['b', 'a.b.b']],
    ['a.*.c', ['a.b.c'], ['a.c', 'a.b.b.c']],
    ['>', ['a', 'a.b.c'], []],
    ['a.>', ['a.b', 'a.b.c'], ['a', 'b.a']],
    ['*.>', ['a.b', 'a.b.c'], ['a']],
    ['a*', ['a*'], ['ab', 'a']],
  ])('follows the rules of NATS: %s', (wanted, yes, no) => {
    for (const text of yes) expect(matches(wanted, text), text).toBe(true)
    for (const text of no) expect(matches(wanted, text), text).toBe(false)
  })

  test('agrees with the naive matcher', () => {
    fc.assert(fc.property(pattern, subject, (p, s) => matches(p, s) === naive(p, s)))
  })

  test('finds that a pattern covers another if it matches everything that the other matches', () => {
    const really = (wide: string, narrow: string) => subjects.every((s) => !naive(narrow, s) || naive(wide, s))
    fc.assert(fc.property(pattern, pattern, (p, q) => covers(p, q) === really(p, q)))
  })

  test('finds that two patterns overlap if some subject matches both', () => {
    const really = (p: string, q: string) => subjects.some((s) => naive(p, s) && naive(q, s))
    fc.assert(fc.property(pattern, pattern, (p, q) => overlaps(p, q) === really(p, q)))
  })

  test('is the same without covered patterns, and none of the others is covered', () => {
    fc.assert(
      fc.property(fc.array(pattern, {minLength: 1, maxLength: 6}), (patterns) => {
        const kept = checkPatterns(patterns)
        for (const s of subjects) expect(kept.some((p) => naive(p, s))).toBe(patterns.some((p) => naive(p, s)))
        for (const p of kept) expect(kept.filter((q) => covers(q, p))).toEqual([p])
      }),
    )
  })

  test('keeps the order of the remaining patterns', () => {
    expect(checkPatterns(['b', 'a.b', 'a.*', 'b', 'a.b', 'c.>', 'c.d.>'])).toEqual(['b', 'a.*', 'c.>'])
  })
})

describe('the trie', () => {
  const step = fc.record({add: fc.boolean(), pattern, value: fc.nat({max: 3})})

  test('finds what a naive matcher finds, whatever was added and removed before', () => {
    fc.assert(
      fc.property(fc.array(step, {maxLength: 40}), fc.array(subject, {maxLength: 10}), (steps, looked) => {
        const trie = new SubjectTrie<number>()
        const model: {pattern: string; value: number}[] = []
        for (const {add, pattern, value} of steps) {
          if (add) {
            trie.add(pattern, value)
            model.push({pattern, value})
          } else {
            trie.remove(pattern, value)
            const at = model.findIndex((entry) => entry.pattern === pattern && entry.value === value)
            if (at >= 0) model.splice(at, 1)
          }
          expect(trie.size).toBe(model.length)
        }
        for (const s of looked) {
          const wanted = model.filter((entry) => naive(entry.pattern, s)).map((entry) => entry.value)
          expect(trie.match(s).sort()).toEqual(wanted.sort())
        }
      }),
    )
  })

  test('returns a value that was added twice twice', () => {
    const trie = new SubjectTrie<string>()
    trie.add('a.*', 'x')
    trie.add('a.*', 'x')
    trie.add('a.>', 'x')
    expect(trie.match('a.b')).toEqual(['x', 'x', 'x'])
    trie.remove('a.*', 'x')
    expect(trie.match('a.b')).toEqual(['x', 'x'])
  })

  test('accepts tokens that are names of object properties', () => {
    const trie = new SubjectTrie<number>()
    expect(trie.match('constructor.__proto__')).toEqual([])
    trie.add('__proto__.constructor', 1)
    expect(trie.match('__proto__.constructor')).toEqual([1])
  })

  test('finds more values than a call accepts arguments', () => {
    const trie = new SubjectTrie<number>()
    for (let i = 0; i < 300_000; i++) trie.add('a', i)
    expect(trie.match('a')).toHaveLength(300_000)
  })
})

function failureOf(act: () => unknown): BusError | undefined {
  try {
    act()
  } catch (error) {
    if (error instanceof BusError) return error
    throw error
  }
  return undefined
}
