import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {expect, test} from 'vitest'
import * as all from '../../src/index.ts'
import {root} from '../bus.ts'
import {type Export, type Part, parts} from './exported.ts'

const pjson = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const isValue = ({kind}: Export) => kind !== 'type' && kind !== 'interface'

test('every export has a doc comment', () => {
  const bare = parts.flatMap(({name, exports}) => exports.filter(({doc}) => !doc).map((one) => `${name}: ${one.name}`))
  expect(bare).toEqual([])
})

test('every part is a module of the package, and there are no other modules', () => {
  const wanted = parts.map(({name}) => [
    `./${name}`,
    {types: `./dist/types/api/${name}.d.ts`, default: `./dist/api/${name}.js`},
  ])
  expect(pjson.exports).toEqual({
    '.': {types: './dist/types/index.d.ts', default: './dist/api/index.js'},
    ...Object.fromEntries(wanted),
    './transport/testing': {
      types: './dist/types/test/conformance/suite.d.ts',
      default: './dist/api/transport/testing.js',
    },
    './package.json': './package.json',
  })
})

test('the package exports everything that its parts export', async () => {
  const names = parts.flatMap(({exports}) => exports.filter(isValue).map(({name}) => name))
  expect(Object.keys(all).sort()).toEqual([...new Set(names)].sort())
  const index = readFileSync(join(root, 'src/index.ts'), 'utf8')
  for (const {name} of parts) expect(index).toContain(`export * from './api/${name}.ts'`)
})

test('no name means different things in two parts', () => {
  const names = parts.flatMap(({exports}) => exports.map(({name}) => name))
  expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([])
})

// Written by `npx vitest run test/api -u`.
test('docs/api.md is up to date', async () => {
  await expect(page(parts)).toMatchFileSnapshot('../../docs/api.md')
})

function page(all: readonly Part[]): string {
  const sections = all.map(({name, doc, exports}) => {
    const values = exports.filter(isValue).map((one) => `- \`${one.name}\`: ${one.doc}`)
    const types = exports.filter((one) => !isValue(one)).map((one) => `\`${one.name}\``)
    const rest = types.length === 0 ? [] : [`- types: ${types.join(' ')}`]
    return [`## busline/${name}`, '', doc, '', ...values, ...rest, ''].join('\n')
  })
  return [
    '# busline as a library',
    '',
    'Each part is a module of its own and loads nothing of the others; `busline` has them all. ES modules with types, Node 22.22.3, 24.15',
    'or newer. Every export has a doc comment, with units and errors, which editors show; `examples/` has programs that run on',
    'any bus. Expected failures are `BusError`: one sentence, a `kind`, and what to `try` next. This page is made from the sources.',
    '',
    ...sections,
    '## busline/transport/testing',
    '',
    'The conformance suite for drivers, run by vitest: `conformance(NAME, HARNESS)`. See docs/driver-guide.md.',
    '',
  ].join('\n')
}
