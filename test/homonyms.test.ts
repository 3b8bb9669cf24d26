import {globSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {describe, expect, it} from 'vitest'
import {root} from './bus.ts'

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

  it('has one meaning in all of src', () => {
    expect(Object.fromEntries(found)).toEqual({})
  })

  it('that two files declare is found, but not overloads in one file and imports', () => {
    const sources = new Map([
      ['a.ts', 'export function open(a: 1): 1\nexport function open(a: 2): 2\nexport interface Page {}\n'],
      ['b.ts', "import {open} from './a.ts'\nexport class Page {}\nexport {open}\n"],
    ])
    expect([...homonyms(sources)]).toEqual([['Page', ['a.ts', 'b.ts']]])
  })
})
