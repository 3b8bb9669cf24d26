import {globSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {describe, expect, it} from 'vitest'
import {root} from './bus.ts'

/** Names that several files export for the same thing, with what it is. */
const sameThing: Readonly<Record<string, string>> = {}

/** Names that still have several meanings. Rename them; add none. */
const toRename: readonly string[] = [
  'Entry',
  'Answer',
  'Counts',
  'Delivery',
  'Filter',
  'Handler',
  'Line',
  'ProgramOptions',
  'Range',
  'Sink',
  'Source',
  'Start',
  'Subscription',
  'Tally',
  'checkName',
  'compileFilter',
  'decodeRequest',
  'encodeRequest',
  'textOf',
]

const declared =
  /^export (?:declare )?(?:abstract )?(?:async )?(?:const|let|function\*?|class|interface|type|enum) ([\w$]+)/gm

/** The names that more than one of these sources (path → text) declares and exports. */
function homonyms(sources: ReadonlyMap<string, string>): Map<string, string[]> {
  const files = new Map<string, Set<string>>()
  for (const [file, text] of sources)
    for (const [, name = ''] of text.matchAll(declared)) files.set(name, (files.get(name) ?? new Set()).add(file))
  return new Map([...files].filter(([, of]) => of.size > 1).map(([name, of]) => [name, [...of]]))
}

describe('an exported name', () => {
  const paths = globSync('src/**/*.ts', {cwd: root})
  const found = homonyms(new Map(paths.map((path) => [path, readFileSync(join(root, path), 'utf8')])))
  const allowed = new Set([...Object.keys(sameThing), ...toRename])

  it('has one meaning in all of src', () => {
    expect(Object.fromEntries([...found].filter(([name]) => !allowed.has(name)))).toEqual({})
  })

  it('is listed only while it has several meanings', () => {
    expect([...allowed].filter((name) => !found.has(name))).toEqual([])
  })

  it('that two files declare is found, overloads in one file and imports are not', () => {
    const sources = new Map([
      ['a.ts', 'export function open(a: 1): 1\nexport function open(a: 2): 2\nexport interface Page {}\n'],
      ['b.ts', "import {open} from './a.ts'\nexport class Page {}\nexport {open}\n"],
    ])
    expect([...homonyms(sources)]).toEqual([['Page', ['a.ts', 'b.ts']]])
  })
})
