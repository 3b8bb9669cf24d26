import {execFile} from 'node:child_process'
import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {promisify} from 'node:util'
import {expect, test} from 'vitest'
import {root} from './bus.ts'

const read = (path: string) => readFileSync(join(root, path), 'utf8')

const pjson = () => JSON.parse(read('package.json')) as Record<'dependencies' | 'devDependencies', object>

test('SECURITY.md gives a reason for each installed and each bundled package, and for no other', () => {
  const listed = [...read('SECURITY.md').matchAll(/^\| `([^`]+)` \| \S/gm)].map(([, name]) => name)
  const {dependencies, devDependencies} = pjson()
  const bundled = [...read('THIRD-PARTY.txt').matchAll(/^# (\S+) \d/gm)].map(([, name]) => name)
  expect(listed).toEqual([
    ...Object.keys(dependencies),
    ...Object.keys(devDependencies).filter((name) => bundled.includes(name)),
  ])
})

test('SECURITY.md has the number of installed packages, and none of them runs an install script', () => {
  const {packages} = JSON.parse(read('package-lock.json')) as {
    packages: Record<string, {dev?: boolean; devOptional?: boolean; hasInstallScript?: boolean}>
  }
  const atRunTime = Object.entries(packages).filter(([path, {dev, devOptional}]) => path !== '' && !dev && !devOptional)
  expect(read('SECURITY.md')).toContain(`Including their dependencies, ${atRunTime.length} packages are installed`)
  expect(Object.keys(pjson().dependencies)).toHaveLength(2)
  expect(atRunTime.filter(([, {hasInstallScript}]) => hasInstallScript)).toEqual([])
})

test('the bill of materials lists what is installed and what is bundled, and no tool of the build', async () => {
  const {stdout} = await promisify(execFile)(process.execPath, [join(root, 'scripts/sbom.js')])
  const {components} = JSON.parse(stdout) as {components: {name: string; properties: object[]}[]}
  const names = components.map(({name}) => name)
  expect(names).toEqual(expect.arrayContaining(['re2js', 'ws', 'jsonata', 'zod']))
  expect(names.filter((name) => ['vitest', 'esbuild', 'typescript'].includes(name))).toEqual([])
  const bundled = [...read('THIRD-PARTY.txt').matchAll(/^# (\S+) \d/gm)].map(([, name]) => name)
  expect(new Set(components.filter(({properties}) => properties.length > 0).map(({name}) => name))).toEqual(
    new Set(bundled),
  )
})

test('the lock file pins each installed package by its content', () => {
  const {packages} = JSON.parse(read('package-lock.json')) as {packages: Record<string, {integrity?: string}>}
  const loose = Object.entries(packages).filter(([path, {integrity}]) => path !== '' && integrity === undefined)
  expect(loose.map(([path]) => path)).toEqual([])
})

test('SECURITY.md names only tests that exist', () => {
  const named = [...read('SECURITY.md').matchAll(/`(test\/[\w/.-]+\.ts)`/g)].map(([, path = '']) => path)
  expect(named.length).toBeGreaterThan(2)
  for (const path of named) expect(() => read(path), path).not.toThrow()
})
