import {execFileSync} from 'node:child_process'
import {existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {expect, test} from 'vitest'
import {open} from '../../../../src/lib/transport/open.ts'
import {wakeFileOf} from '../../../../src/lib/transport/sqlite/wake-files.ts'
import {temporaryFolder} from './processes.ts'

async function publishOnce(path: string): Promise<void> {
  const bus = await open(path)
  bus.publish({subject: 'a', data: 'x'})
  await bus.close()
}

test('a publisher does not write through a folder of wake files that is a symbolic link', async () => {
  const folder = temporaryFolder()
  const path = join(folder, 'bus.db')
  const target = join(folder, 'target')
  mkdirSync(target)
  symlinkSync(target, `${path}.bells`)
  await publishOnce(path)
  expect(readdirSync(target)).toEqual([])
})

test('a publisher does not write through a wake file that is a symbolic link, whether its target exists or not', async () => {
  const folder = temporaryFolder()
  const path = join(folder, 'bus.db')
  for (const [name, text] of [['there', 'precious'], ['missing']] as const) {
    const target = join(folder, name)
    const bells = `${path}.bells`
    if (text !== undefined) writeFileSync(target, text)
    mkdirSync(bells, {recursive: true, mode: 0o700})
    execFileSync('rm', ['-f', join(bells, wakeFileOf('a'))])
    symlinkSync(target, join(bells, wakeFileOf('a')))
    await publishOnce(path)
    if (text === undefined) expect(existsSync(target)).toBe(false)
    else expect(readFileSync(target, 'utf8')).toBe(text)
  }
})

test('a publisher does not wait for a wake file that is a pipe', async () => {
  const path = join(temporaryFolder(), 'bus.db')
  mkdirSync(`${path}.bells`, {mode: 0o700})
  execFileSync('mkfifo', [join(`${path}.bells`, wakeFileOf('a'))])
  await publishOnce(path)
})
