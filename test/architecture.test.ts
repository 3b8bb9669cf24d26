import {existsSync, globSync, readFileSync} from 'node:fs'
import {dirname, join, posix} from 'node:path'
import {describe, expect, it} from 'vitest'
import {root} from './bus.ts'

const text = readFileSync(join(root, 'docs/architecture.md'), 'utf8')
const walk = text.slice(text.indexOf('\n## A walk'), text.indexOf('\n## ', text.indexOf('\n## A walk') + 1))
const steps = [...walk.matchAll(/^(\d+)\. `([^`]+)`/gm)].map(([, number, file = '']) => ({
  number: Number(number),
  file,
}))

describe('the walk in docs/architecture.md', () => {
  it('numbers its files from 1 and names each once', () => {
    expect(steps.length).toBeGreaterThan(10)
    expect(steps.map(({number}) => number)).toEqual(steps.map((_, i) => i + 1))
    expect(new Set(steps.map(({file}) => file)).size).toBe(steps.length)
  })

  it('begins with bin/run.js, and each further file is imported by an earlier one', () => {
    const files = steps.map(({file}) => file)
    expect(files[0]).toBe('bin/run.js')
    expect(notReached(files)).toEqual([])
  })

  it('detects a file that no earlier file imports', () => {
    expect(notReached(['bin/run.js', 'src/lib/transport/open.ts'])).toEqual(['src/lib/transport/open.ts'])
    expect(notReached(['src/lib/transport/open.ts', 'src/main.ts'])).toEqual(['src/main.ts'])
  })
})

describe('docs/architecture.md', () => {
  it('names only files that exist', () => {
    const named = [...text.matchAll(/`([\w./-]+\.(?:ts|js|md))`/g)].map(([, path = '']) => path)
    const all = globSync('{src,bin,scripts,test,docs}/**/*.{ts,js,md}', {cwd: root}).map((path) => `/${path}`)
    const missing = named.filter((path) => path !== 'dist/main.js' && !all.some((file) => file.endsWith(`/${path}`)))
    expect(missing).toEqual([])
  })
})

/** The files, except the first, that no earlier file imports: by `import`, a lazy `import()`, or in run.js `require`. */
function notReached(files: readonly string[]): string[] {
  const seen = new Set<string>()
  return files.filter((file, i) => {
    const isReached = i === 0 || seen.has(file)
    for (const target of importsOf(file)) seen.add(target)
    return !isReached
  })
}

function importsOf(file: string): string[] {
  if (!existsSync(join(root, file))) return []
  // It loads the bundle of src/main.ts.
  if (file === 'bin/run.js') return ['src/main.ts']
  const found = readFileSync(join(root, file), 'utf8').matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)
  return [...found].map(([, target = '']) => posix.join(dirname(file), target))
}
