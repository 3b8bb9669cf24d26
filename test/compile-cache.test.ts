import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {bin, bus, startLine} from './bus.ts'

let home = ''
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'bus-cache-'))
})
afterEach(() => rmSync(home, {recursive: true, force: true}))

const isCheckout = process.env['BUS_BIN'] === undefined
const isRoot = process.geteuid?.() === 0
const stranger = 65_534

/** Runs `bus --version` and returns the folder in which Node stored compiled code; undefined if it stored none. */
async function folderUsed(env: Record<string, string> = {}): Promise<string | undefined> {
  const {code, stderr} = await bus(['pub', 'a.b', 'hi', '-b', 'memory:'], {
    env: {HOME: home, XDG_CACHE_HOME: '', NODE_DEBUG_NATIVE: 'COMPILE_CACHE', ...env},
  })
  expect(code).toBe(0)
  return /reading cache from (\S+)\/v\d/.exec(stderr)?.[1]
}

describe.runIf(isCheckout && process.platform !== 'win32')('compiled code', () => {
  it('is stored in the cache folder of the user, which only the user can open', async () => {
    expect(await folderUsed()).toBe(join(home, '.cache/busline'))
    expect(await folderUsed({XDG_CACHE_HOME: join(home, 'other')})).toBe(join(home, 'other/busline'))
    for (const folder of ['.cache', '.cache/busline', 'other', 'other/busline'])
      expect(statSync(join(home, folder)).mode & 0o777, folder).toBe(0o700)
  })

  it('is never stored in a temporary folder', async () => {
    const temporary = join(home, 'tmp')
    mkdirSync(temporary)
    await folderUsed({TMPDIR: temporary})
    expect(readdirSync(temporary)).toEqual([])
    chmodSync(temporary, 0o1777)
    expect(await folderUsed({XDG_CACHE_HOME: temporary})).toBeUndefined()
  })

  it('is not stored without a home folder, or with one that does not exist', async () => {
    expect(await folderUsed({HOME: ''})).toBeUndefined()
    expect(await folderUsed({HOME: join(home, 'not/there')})).toBeUndefined()
    expect(readdirSync(home)).toEqual([])
  })

  it.each([
    ['is open to others', () => mkdirSync(cache(), {recursive: true})],
    [
      'can be replaced, as others may write beside it',
      () => chmodSync(made(), 0o700) ?? chmodSync(join(home, '.cache'), 0o777),
    ],
    ['lies below a folder in which others may write', () => made() && chmodSync(home, 0o777)],
    [
      'is a symbolic link',
      () => made() && rmSync(cache(), {recursive: true}) === undefined && symlinkSync(made('other'), cache()),
    ],
  ])('is not used if the folder %s', async (_, prepare) => {
    prepare()
    expect(await folderUsed()).toBeUndefined()
  })

  it.runIf(isRoot).each([
    ['the folder', () => chownSync(made(), stranger, stranger)],
    ['the folder that it is in', () => made() && chownSync(join(home, '.cache'), stranger, stranger)],
    ['the home folder', () => made() && chownSync(home, stranger, stranger)],
  ])('is not used if another user owns %s', async (_, prepare) => {
    prepare()
    expect(await folderUsed()).toBeUndefined()
  })

  it.runIf(isRoot && existsSync('/usr/bin/setpriv'))(
    'is not used by any user from a folder that root left open',
    async () => {
      chmodSync(home, 0o755)
      mkdirSync(cache(), {recursive: true})
      chmodSync(cache(), 0o777)
      const line = `exec setpriv --reuid ${stranger} --regid ${stranger} --clear-groups '${process.execPath}' '${bin}' pub a x -b memory:`
      await using running = startLine(line, {
        cwd: '/',
        env: {HOME: home, XDG_CACHE_HOME: '', NODE_DEBUG_NATIVE: 'COMPILE_CACHE'},
      })
      const {stderr} = await running.ended
      expect(stderr).toContain('published 1 B to a')
      expect(stderr).not.toContain('reading cache from')
    },
  )
})

function cache(): string {
  return join(home, '.cache/busline')
}

/** Creates a correct folder. */
function made(path = '.cache/busline'): string {
  mkdirSync(join(home, path), {recursive: true, mode: 0o700})
  return join(home, path)
}
