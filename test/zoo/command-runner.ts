/** Runs command lines in a process that stays: see commands.ts. */
import {type ChildProcessWithoutNullStreams, spawn} from 'node:child_process'
import {writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {atProcessEnd} from '../../src/lib/core/process/process-end.ts'
import {root} from '../bus.ts'
import {shownText} from '../session.ts'

export interface CommandLine {
  readonly words: readonly string[]
  readonly url: string
}

/** A command that takes longer has failed. */
const patienceMs = 40_000

export class CommandRunner {
  readonly #home: string
  #process: ChildProcessWithoutNullStreams | undefined
  #forget = () => {}
  #text = {stdout: '', stderr: ''}
  #changed = () => {}

  constructor(home: string) {
    this.#home = home
  }

  /** The output of `bus …` on this bus, masked, with its exit code. */
  async play(line: string, url: string): Promise<string> {
    this.#process ??= this.#start()
    const child = this.#process
    const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '').slice(1)
    this.#text = {stdout: '', stderr: ''}
    child.stdin.write(`${JSON.stringify({words, url} satisfies CommandLine)}\n`)
    const isEnded = await this.#marked()
    const {stdout, stderr} = this.#text
    const code = Number(/\0(\d+)\n$/.exec(stdout)?.[1] ?? -1)
    const shown = shownText(
      {code: isEnded ? code : 0, stdout: unmarked(stdout), stderr: unmarked(stderr)},
      url,
      this.#home,
    )
    if (isEnded) return shown
    await this.stop()
    return `${shown}[did not end]\n`
  }

  /** Writes a file that command lines can name. */
  write(name: string, text: string): void {
    writeFileSync(join(this.#home, name), text)
  }

  async stop(): Promise<void> {
    const child = this.#process
    this.#process = undefined
    this.#forget()
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await ended
  }

  /** Whether both outputs end with the mark, before the process ends or the time is over. */
  async #marked(): Promise<boolean> {
    const late = Date.now() + patienceMs
    while (!this.#text.stdout.includes('\0') || !this.#text.stderr.includes('\0')) {
      if (Date.now() >= late || this.#process?.exitCode !== null) return false
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, late - Date.now())
        this.#changed = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    return true
  }

  #start(): ChildProcessWithoutNullStreams {
    const env = {PATH: process.env['PATH'], HOME: this.#home, LC_ALL: 'C', TZ: 'UTC', TERM: 'xterm'}
    const child = spawn(process.execPath, [join(root, 'test', 'zoo', 'commands.ts')], {cwd: this.#home, env})
    this.#forget = atProcessEnd(() => void child.kill('SIGKILL'))
    for (const name of ['stdout', 'stderr'] as const)
      child[name].setEncoding('utf8').on('data', (text: string) => {
        this.#text[name] += text
        this.#changed()
      })
    child.once('exit', () => this.#changed())
    return child
  }
}

function unmarked(text: string): string {
  return text.replace(/\0\d+\n$/, '')
}
