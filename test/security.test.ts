import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {expect, test} from 'vitest'
import {root} from './bus.ts'

const read = (path: string) => readFileSync(join(root, path), 'utf8')

test('SECURITY.md gives a reason for each run-time package, and for no other', () => {
  const listed = [...read('SECURITY.md').matchAll(/^\| `([^`]+)` \| \S/gm)].map(([, name]) => name)
  expect(listed).toEqual(Object.keys(JSON.parse(read('package.json')).dependencies))
})

test('SECURITY.md has the number of run-time packages, and none of them runs an install script', () => {
  const {packages} = JSON.parse(read('package-lock.json')) as {
    packages: Record<string, {dev?: boolean; devOptional?: boolean; hasInstallScript?: boolean}>
  }
  const atRunTime = Object.entries(packages).filter(([path, {dev, devOptional}]) => path !== '' && !dev && !devOptional)
  expect(read('SECURITY.md')).toContain(`With their own dependencies, ${atRunTime.length} packages are installed`)
  expect(Object.keys(JSON.parse(read('package.json')).dependencies)).toHaveLength(17)
  expect(atRunTime.filter(([, {hasInstallScript}]) => hasInstallScript)).toEqual([])
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
