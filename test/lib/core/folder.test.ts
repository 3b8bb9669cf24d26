import {mkdtempSync, rmSync, statSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {describe, expect, onTestFinished, test} from 'vitest'
import {makeFolder} from '../../../src/lib/core/folder.ts'

describe('makeFolder', () => {
  function temporary(): string {
    const folder = mkdtempSync(join(tmpdir(), 'folder-'))
    onTestFinished(() => rmSync(folder, {recursive: true}))
    return folder
  }

  test('creates a folder and its parents for this user only', () => {
    const folder = join(temporary(), 'a', 'b')
    expect(makeFolder(folder)).toBe(true)
    expect(statSync(folder).mode & 0o777).toBe(0o700)
    expect(makeFolder(folder)).toBe(false)
  })

  test('fails if a file has that name', () => {
    const file = join(temporary(), 'a')
    writeFileSync(file, '')
    expect(() => makeFolder(file)).toThrow('EEXIST')
    expect(() => makeFolder(join(file, 'b'))).toThrow(/EEXIST|ENOTDIR/)
  })

  test.runIf(process.platform === 'linux')('fails where nobody can create one', () => {
    expect(() => makeFolder('/proc/none/a')).toThrow('ENOENT')
  })
})
