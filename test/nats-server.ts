/** Real NATS servers for tests: on free ports of 127.0.0.1, with their files in a temporary folder, stopped with the test. */
import {type ChildProcess, execFile, spawn} from 'node:child_process'
import {once} from 'node:events'
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {promisify} from 'node:util'
import {atProcessEnd} from '../src/lib/core/process/process-end.ts'

const run = promisify(execFile)

/** The server program, as found by scripts/nats-server.js. Fails with its error if there is none. */
const serverProgram = (async () => {
  try {
    const script = join(import.meta.dirname, '..', 'scripts', 'nats-server.js')
    return (await run(process.execPath, [script])).stdout.trim()
  } catch (error) {
    throw new Error((error as {stderr?: string}).stderr?.trim() || String(error))
  }
})()

/** `[2, 9]` */
async function serverVersion(): Promise<readonly [number, number]> {
  const {stdout} = await run(await serverProgram, ['--version'])
  const [, major, minor] = /v(\d+)\.(\d+)/.exec(stdout) ?? []
  return [Number(major), Number(minor)]
}

/** For a feature that requires a version: the reason to skip its test, or an empty string. */
export async function lacks(major: number, minor: number): Promise<string> {
  const [hasMajor, hasMinor] = await serverVersion()
  const isNew = hasMajor > major || (hasMajor === major && hasMinor >= minor)
  return isNew ? '' : ` (not on server ${hasMajor}.${hasMinor}: it came with ${major}.${minor})`
}

type Listener = 'client' | 'websocket' | 'route'
const listening: Record<Listener, RegExp> = {
  client: /Listening for client connections on \S+?:(\d+)\s/,
  websocket: /Listening for websocket clients on \S+?:\/\/\S+?:(\d+)\s/,
  route: /Listening for route connections on \S+?:(\d+)\s/,
}

export class NatsServer implements AsyncDisposable {
  readonly folder: string
  readonly #config: string
  readonly #program: string
  #process: ChildProcess | undefined
  #log = ''
  #onLog = () => {}
  #port = -1

  private constructor(program: string, folder: string, config: string) {
    this.#program = program
    this.folder = folder
    this.#config = config
  }

  /** `config` is the text of a configuration file, without `listen` and without ports that must be known before. */
  static async start(config: string | ((folder: string) => string) = ''): Promise<NatsServer> {
    const folder = mkdtempSync(join(tmpdir(), 'busline-nats-'))
    const text = typeof config === 'string' ? config : config(folder)
    const server = new NatsServer(await serverProgram, folder, text)
    try {
      await server.run()
      return server
    } catch (error) {
      await server[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Starts it, or restarts it on the same port. Resolves when it accepts clients. */
  async run(): Promise<void> {
    const path = join(this.folder, 'server.conf')
    writeFileSync(path, `listen: "127.0.0.1:${this.#port}"\n${this.#config}\n`)
    this.#log = ''
    const child = spawn(this.#program, ['-c', path], {stdio: ['ignore', 'ignore', 'pipe']})
    this.#process = child
    const forget = atProcessEnd(() => {
      child.kill('SIGKILL')
      rmSync(this.folder, {recursive: true, force: true})
    })
    child.once('exit', () => {
      forget()
      this.#onLog()
    })
    child.stderr.setEncoding('utf8').on('data', (text) => {
      this.#log += text
      this.#onLog()
    })
    await this.logged(/Server is ready/)
    // Some versions open these ports a moment after reporting them.
    if (/\bwebsocket\b/.test(this.#config)) await this.logged(listening.websocket)
    if (/\bcluster\b/.test(this.#config)) await this.logged(listening.route)
    this.#port = this.port()
  }

  get pid(): number {
    return this.#process?.pid ?? -1
  }

  get log(): string {
    return this.#log
  }

  port(listener: Listener = 'client'): number {
    return Number(listening[listener].exec(this.#log)?.[1])
  }

  /** `nats://127.0.0.1:PORT`, or with another scheme or a login in front of the host. */
  url({scheme = 'nats', login = '', host = '127.0.0.1'} = {}): string {
    const port = this.port(scheme.startsWith('ws') ? 'websocket' : 'client')
    return `${scheme}://${login === '' ? '' : `${login}@`}${host}:${port}`
  }

  /** Resolves when this many lines of the log match; fails if the server ends before. */
  async logged(line: RegExp, count = 1): Promise<void> {
    const pattern = new RegExp(line.source, 'g')
    while ((this.#log.match(pattern)?.length ?? 0) < count) {
      if (this.#process === undefined || this.#process.exitCode !== null || this.#process.signalCode !== null)
        throw new Error(`nats-server has ended:\n${this.#log}`)
      await new Promise<void>((resolve) => {
        this.#onLog = resolve
      })
    }
  }

  signal(name: NodeJS.Signals): void {
    this.#process?.kill(name)
  }

  /** Stops it and waits for its end; `run` starts it again. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#process
    this.#process = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill(signal)
    await ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL')
    rmSync(this.folder, {recursive: true, force: true})
  }
}
