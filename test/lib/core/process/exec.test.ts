import {readFileSync} from 'node:fs'
import {mkdtemp, readFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {describe, expect, test} from 'vitest'
import {failureOf, type Program, run, start} from '../../../../src/lib/core/process/exec.ts'

const node = process.execPath
const script = (code: string, ...rest: string[]): string[] => [node, '-e', code, ...rest]
const capture = (program: Program, maxBytes = 1 << 20) => run(program, maxBytes)

describe('a program', () => {
  test('gets bytes on stdin, and its stdout is returned as bytes', async () => {
    const input = Uint8Array.from({length: 256}, (_, i) => i)
    const done = await capture({argv: ['cat'], input})
    expect([...done.stdout]).toEqual([...input])
    expect(done.ending).toEqual({kind: 'exited', code: 0, reason: ''})
    expect(failureOf(done.ending, ['cat'])).toBeUndefined()
  })

  test('gets a payload far larger than a pipe holds', async () => {
    const input = 'x'.repeat(3_000_000)
    const done = await capture({argv: ['cat'], input}, 4_000_000)
    expect(done.stdout.length).toBe(3_000_000)
  })

  test('gets its arguments as given, without a shell', async () => {
    const odd = ['$HOME', 'a b', '', '"', ';ls', '*']
    const done = await capture({argv: script('console.log(JSON.stringify(process.argv.slice(1)))', ...odd)})
    expect(JSON.parse(Buffer.from(done.stdout).toString())).toEqual(odd)
  })

  test('gets variables added to our environment', async () => {
    const done = await capture({
      argv: script('console.log(process.env.BUS_SUBJECT, !!process.env.PATH)'),
      env: {BUS_SUBJECT: 'a.b'},
    })
    expect(Buffer.from(done.stdout).toString()).toBe('a.b true\n')
  })

  test('that does not read a large stdin causes no failure', async () => {
    const done = await capture({
      argv: script('process.stdin.destroy(); console.log("done")'),
      input: 'x'.repeat(5_000_000),
    })
    expect(Buffer.from(done.stdout).toString()).toBe('done\n')
    expect(done.ending).toMatchObject({kind: 'exited', code: 0})
  })

  test('has its stdout streamed as it arrives', async () => {
    const running = start({
      argv: script('process.stdin.on("data", (d) => process.stdout.write(d)); console.log("ready")'),
      input: 'end',
    })
    let text = ''
    for await (const chunk of running.stdout) text += Buffer.from(chunk).toString()
    expect(text).toBe('ready\nend')
    expect(await running.ended).toMatchObject({kind: 'exited', code: 0})
  })
})

describe('a program that fails', () => {
  test('is reported with its exit code and the last line of stderr', async () => {
    const argv = script('console.error("first\\nlast words\\n"); process.exit(3)')
    const {ending} = await capture({argv})
    expect(ending).toEqual({kind: 'exited', code: 3, reason: 'last words'})
    expect(failureOf(ending, ['check'])).toBe('check exited with 3: last words')
  })

  test('with a signal is reported with the signal', async () => {
    const {ending} = await capture({argv: script('process.kill(process.pid, "SIGKILL")')})
    expect(failureOf(ending, ['check'])).toBe('check was killed by SIGKILL')
  })

  test('to start is reported with the reason', async () => {
    const {ending, stdout} = await capture({argv: ['/nowhere/at-all'], input: 'x'})
    expect(stdout.length).toBe(0)
    expect(failureOf(ending, ['/nowhere/at-all'])).toBe('/nowhere/at-all did not start: no such program')
    const nul = await capture({argv: ['cat'], env: {BUS_HEADERS: 'a\0b'}})
    expect(nul.ending).toMatchObject({kind: 'notStarted', because: 'input'})
  })

  test('has its stderr streamed while it runs', async () => {
    const seen: string[] = []
    await capture({
      argv: script('console.error("talk")'),
      onStderr: (chunk) => seen.push(Buffer.from(chunk).toString()),
    })
    expect(seen.join('')).toBe('talk\n')
  })

  test('to stay under the limit is killed', async () => {
    const done = await capture({argv: script('setInterval(() => process.stdout.write("x".repeat(1000)), 1)')}, 5000)
    expect(done.overflow).toBe(true)
    expect(done.ending.kind).toBe('stopped')
  })

  test('to end in time is killed together with its children', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'exec-'))
    const file = join(folder, 'pid')
    const child = `require("fs").writeFileSync(process.argv[1], String(process.pid)); console.log("up"); setInterval(() => {}, 1000)`
    const parent = `require("child_process").spawn(process.execPath, ["-e", ${JSON.stringify(child)}, process.argv[1]], {stdio: "inherit"}); setInterval(() => {}, 1000)`
    const abort = new AbortController()
    const running = start({argv: script(parent, file), signal: abort.signal})
    for await (const _ of running.stdout) {
      abort.abort()
      break
    }
    expect((await running.ended).kind).toBe('stopped')
    const grandchild = Number(await readFile(file, 'utf8'))
    await expect.poll(() => isAlive(grandchild)).toBe(false)
  })

  test('after its timeout is reported with the timeout', async () => {
    const {ending} = await capture({argv: script('console.error("busy"); setInterval(() => {}, 1000)'), timeoutMs: 300})
    expect(ending.kind).toBe('timeout')
    expect(failureOf(ending, ['slow'])).toMatch(/^slow did not exit within 300 ms/)
  })

  test('to obey SIGTERM is killed all the same', async () => {
    const {ending, stdout} = await capture({
      argv: ['sh', '-c', 'trap "echo told" TERM; while :; do sleep 0.05; done'],
      timeoutMs: 100,
    })
    expect(ending.kind).toBe('timeout')
    expect(Buffer.from(stdout).toString()).toBe('told\n')
  })

  test('to close its stdout is not waited for after the timeout', async () => {
    const away = `require("child_process").spawn("sleep", ["20"], {detached: true, stdio: "inherit"}).unref()`
    const {ending} = await capture({argv: script(away), timeoutMs: 300})
    expect(ending.kind).toBe('timeout')
  })
})

/** A process that has ended without being reaped does not count as alive. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return process.platform !== 'linux' || !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}
