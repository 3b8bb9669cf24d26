import {mkdtempSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {expect, test} from 'vitest'
import {checkProgram} from '../../../../src/lib/cli/base/program.ts'

test('a program is found on the PATH or by its path', () => {
  checkProgram(['cat'], process.env['PATH'] ?? '')
  checkProgram([process.execPath], '')
})

test('a file that is not executable is refused with an error', () => {
  const folder = mkdtempSync(join(tmpdir(), 'program-'))
  writeFileSync(join(folder, 'plain'), '')
  expect(() => checkProgram([''], '/usr/bin')).toThrow('cannot run ""')
  expect(() => checkProgram(['no-such'], '/usr/bin')).toThrow('cannot run "no-such": it is not on the PATH')
  expect(() => checkProgram(['plain'], folder)).toThrow('or is not executable')
  expect(() => checkProgram([folder], '')).toThrow('it does not exist')
})
