import {type ChildProcess, spawn} from 'node:child_process'
import {mkdtempSync, rmSync, statSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {onTestFinished} from 'vitest'

/** A folder that is removed after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'busline-'))
  onTestFinished(() => rmSync(folder, {recursive: true, force: true}))
  return folder
}

/**
 * A command line that is bound by file permissions, also if the tests run as root. It stays the owner of the checkout, which
 * may be in a folder that nobody else can enter.
 */
export function withoutPrivileges(...command: string[]): [command: string, args: string[]] {
  const owner = statSync(new URL(import.meta.url)).uid
  const none = '-dac_override,-dac_read_search'
  const limits = [`--reuid=${owner}`, '--clear-groups', `--bounding-set=${none}`, `--inh-caps=${none}`]
  const [first = '', ...rest] = process.getuid?.() === 0 ? ['setpriv', ...limits, ...command] : command
  return [first, rest]
}

export interface Program {
  readonly child: ChildProcess
  /** All lines so far. */
  readonly lines: string[]
  readonly stderr: () => string
  /** Resolves when there are this many lines. */
  atLeast(lines: number): Promise<void>
  /** Resolves with the exit code, or the signal. */
  readonly ended: Promise<number | string>
}

/** Starts one of `programs.ts` in a process of its own, killed after the test. */
export function start(...args: string[]): Program {
  return startCommand(process.execPath, [new URL('programs.ts', import.meta.url).pathname, ...args])
}

export function startCommand(command: string, args: readonly string[]): Program {
  const child = spawn(command, args, {stdio: ['ignore', 'pipe', 'pipe']})
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines: string[] = []
  const waiting = new Set<() => void>()
  let stderr = ''
  child.stderr.on('data', (chunk) => (stderr += chunk))
  const reader = createInterface({input: child.stdout})
  reader.on('line', (line) => {
    lines.push(line)
    for (const check of waiting) check()
  })
  const ended = new Promise<number | string>((resolve) => {
    child.on('close', (code, signal) => resolve(code ?? signal ?? 'gone'))
  })
  function atLeast(wanted: number): Promise<void> {
    const reached = new Promise<void>((resolve) => {
      const check = () => {
        if (lines.length < wanted) return
        waiting.delete(check)
        resolve()
      }
      waiting.add(check)
      check()
    })
    const over = ended.then((how) => {
      if (lines.length < wanted) throw new Error(`ended (${how}) after ${lines.length} of ${wanted} lines: ${stderr}`)
    })
    return Promise.race([reached, over])
  }
  return {child, lines, stderr: () => stderr, atLeast, ended}
}
