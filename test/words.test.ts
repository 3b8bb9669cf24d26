import {globSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {describe, expect, it} from 'vitest'
import {root} from './bus.ts'

/** Phrases that reviews found too often, and what to write instead. docs/style.md says how we write. */
const phrases: readonly (readonly [phrase: RegExp, instead: string])[] = [
  [/\b(is|are) meant\b/i, 'say what it is for'],
  [/\b(is|are) told\b/i, 'is notified, is reported, is called'],
  [/\bwhoever\b/i, 'the reader, the publisher, the user'],
  [/\bwho uses\b/i, 'users of, if you use'],
  [/\bso (many|long)\b(?! as\b)/i, 'this many, this long, or a unit'],
  [/\bin hand\b/i, 'in flight, in progress'],
  [/\bin other hands\b/i, 'in flight to others'],
  [/\b(are|is|to) let be\b|\blet be\b/i, 'ignored, left unchanged'],
  [/\bwhat becomes of\b/i, 'what happens to'],
  [/\bmade anew\b/i, 'recreated, reconnected'],
  [/\bas they come\b/i, 'as they arrive'],
  [/\bfor want of\b/i, 'without'],
  [/\bto be had\b/i, 'available'],
  [/\bput away\b/i, 'moved, renamed'],
  [/\bkept to oneself\b/i, 'secret, private'],
  [/\bgo(es)? on (with|where|from|to)\b/i, 'continues, resumes'],
  [/\b(is|are|was|were|be) taken for\b/i, 'counts as, is treated as'],
  [/\b(what|that|which|it|they) stands?\b/i, 'is, unchanged'],
  [/\b(what|that) is none\b/i, 'is not one, is invalid'],
  [/\/\*\* Told\b/, 'called with'],
  [/\bin work\b/i, 'in progress'],
  [/\b(gives?|given|gave) back\b/i, 'returns, is returned'],
  [/\blets? go of\b/i, 'releases, discards'],
  [/\b(comes?|came) again\b/i, 'is redelivered'],
  [/\bpass(es|ed)? over\b/i, 'skips, is skipped'],
  [/\bexcludes? each other\b/i, 'cannot be used together'],
  [/\bone's\b|\bnobody's\b|\baffair\b/i, 'say whose it is'],
  [/\bdoes not mind\b|\bsees? to it\b|\bheeds?\b/i, 'ignores, ensures, obeys'],
  [/\bas often as allowed\b|\bonce more\b|\bfor ever\b/i, 'the maximum number of times, again, endlessly'],
  [/\bgravest\b/i, 'the most serious'],
  [/\b(has|have) gone\b/i, 'is gone'],
  [/\bof (this|that|the same) name\b/i, 'with this name'],
  [/\bfor reading only\b/i, 'read-only'],
  [/\bfor people\b/i, 'human-readable, as text'],
  [/\b(fails?|ends?|stops?|refused|refuses it) (with|by) a sentence\b/i, 'with an error'],
  [/\b(is|are) not text\b/i, 'is not a string'],
  [/\bno server answers for\b/i, 'no server responds for'],
]

/** Where people read: sources with their errors and help, documentation, examples, and what commands print. */
const places = ['src/**/*.ts', 'docs/**/*.md', '*.md', 'examples/**/*', '.github/**/*', 'test/transcripts/*.txt']
const files = [...places.flatMap((pattern) => globSync(pattern, {cwd: root})), 'oclif.manifest.json', 'package.json']

describe('the word list', () => {
  it('covers the documentation, the sources and the help', () => {
    for (const file of ['README.md', 'docs/style.md', 'src/main.ts', 'oclif.manifest.json'])
      expect(files).toContain(file)
  })

  it.each(phrases)('finds no %s; write: %s', (phrase, instead) => {
    const found = files.filter((file) => /\.\w+$/.test(file)).flatMap((file) => linesWith(phrase, file))
    expect(found, `write instead: ${instead}`).toEqual([])
  })

  it('finds a phrase in a line', () => {
    const [[phrase] = [/$^/]] = phrases
    expect(phrase.test('which bus is meant')).toBe(true)
    expect(phrase.test('by means of')).toBe(false)
  })
})

/** `src/main.ts:12: the line` for each line that has the phrase. */
function linesWith(phrase: RegExp, file: string): string[] {
  const lines = readFileSync(join(root, file), 'utf8').split('\n')
  return lines.flatMap((line, i) => (phrase.test(line) ? [`${file}:${i + 1}: ${line.trim().slice(0, 160)}`] : []))
}
