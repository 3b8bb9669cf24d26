import {execFileSync, spawnSync} from 'node:child_process'
import {cpSync, existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {delimiter, join} from 'node:path'
import {transform} from 'esbuild'
import {afterAll, describe, expect, it} from 'vitest'
import {bus, root, start} from './bus.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-test-'))
afterAll(() => rmSync(folder, {recursive: true}))

const isCheckout = process.env['BUS_BIN'] === undefined

describe.runIf(isCheckout)('an older Node', () => {
  const pretend = join(folder, 'old.cjs')
  writeFileSync(pretend, "Object.defineProperty(process, 'versions', {value: {...process.versions, node: '18.20.0'}})")
  const old = [process.execPath, '--require', pretend]

  it('runs the command with the pinned Node of the checkout, and returns its exit code', async () => {
    const {code, stderr} = await bus(['pub', 'a..b', 'x'], {node: old})
    expect(code).toBe(2)
    expect(stderr).toMatch(/^bus: subject "a..b"/)
  })

  it('passes on stdin, stdout and interrupts', async () => {
    await using running = start(['sub', 'old.node', '--raw'], {node: old})
    await running.stderrLine('listening on ')
    await bus(['pub', 'old.node', '-'], {node: old, stdin: 'through two processes'})
    expect(await running.stdoutLine()).toBe('through two processes')
    running.interrupt()
    expect(await running.ended).toMatchObject({code: 0, signal: null})
  })

  it.runIf(process.platform === 'linux')(
    'shows no arguments in the process list, because they may contain a login',
    async () => {
      await using running = start(['sub', 'old.node', '--raw'], {node: old})
      await running.stderrLine('listening on ')
      expect(readFileSync(`/proc/${running.pid}/cmdline`, 'latin1').replaceAll('\0', '')).toBe('bus')
      running.interrupt()
      await running.ended
    },
  )

  it.each([...oldNodes()])('runs the command (installed at %s)', async (node) => {
    expect(await bus(['pub', 'a.b', 'hi', '--quiet'], {node: [node]})).toMatchObject({code: 0, stderr: ''})
  })

  it('reports which Node is needed if none is pinned', () => {
    const {status, stderr} = runCopy(old)
    expect([status, stderr]).toEqual([
      1,
      expect.stringMatching(/^bus: busline needs Node 22.22.3, 24.15 or newer, .*\n {2}try: .*\n$/),
    ])
  })

  it('can parse the files that it loads first, however old it is', async () => {
    for (const file of ['run.js', 'launch.js']) {
      const source = readFileSync(join(root, 'bin', file), 'utf8')
      const [asItIs, forOldest] = await Promise.all(
        ['esnext', 'es5'].map((target) => transform(source, {target, supported: {hashbang: true}})),
      )
      expect(forOldest?.code, file).toBe(asItIs?.code)
    }
  })
})

describe.runIf(isCheckout)('a checkout that is not built', () => {
  it('is reported in one sentence', () => {
    expect(runCopy([process.execPath])).toEqual({
      status: 1,
      stderr: 'bus: this checkout of busline is not built\n  try: npm run build\n',
    })
  })
})

/** Runs a copy of bin/ without anything beside it. */
function runCopy([node = '', ...options]: string[]): {status: number | null; stderr: string} {
  cpSync(join(root, 'bin'), join(folder, 'bin'), {recursive: true})
  const run = [...options, join(folder, 'bin', 'run.js'), '--version']
  const {status, stderr} = spawnSync(node, run, {encoding: 'utf8'})
  return {status, stderr}
}

/** Each Node on this machine that is too old for busline. */
function oldNodes(): Set<string> {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin', '/usr/local/bin']
  const nodes = folders
    .map((path) => join(path, 'node'))
    .filter((path) => existsSync(path) && !path.includes('node_modules'))
  return new Set(nodes.map((path) => realpathSync(path)).filter((path) => Number(majorOf(path)) < 22))
}

function majorOf(node: string): string {
  return execFileSync(node, ['-p', 'process.versions.node.split(".")[0]'], {encoding: 'utf8'})
}
