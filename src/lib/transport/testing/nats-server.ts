import type {ChildProcess} from 'node:child_process'
import {BusError, interruptedError} from '../../core/errors.ts'
import {atProcessEnd} from '../../core/process/process-end.ts'

/** How to start a server for a test. */
export interface TestServerOptions {
  /** The program; default `$NATS_SERVER`, else `nats-server` on the PATH. */
  readonly program?: string | undefined
  /** With JetStream, whose files are removed at the end; default true. */
  readonly jetstream?: boolean | undefined
  /** Further lines of the configuration, such as `authorization { token: t }`. */
  readonly config?: string | undefined
  /** Stops the start. */
  readonly signal?: AbortSignal | undefined
}

/** A server that runs for a test. Leaving its scope (`await using`) stops it and removes its files, as does the end of the process. */
export interface TestServer extends AsyncDisposable {
  /** `nats://127.0.0.1:PORT` */
  readonly url: string
  readonly pid: number
  /** Stops it; its files remain until it is disposed of. */
  stop(): Promise<void>
  /** Starts it again on the same port, with the same files. */
  restart(): Promise<void>
}

/**
 * Starts a nats-server on a free port of the loopback address, and resolves when it accepts clients. Fails with `notFound`
 * without a program, and with `connect` and the end of its log if it does not start.
 */
export async function startServer(options: TestServerOptions = {}): Promise<TestServer> {
  const {mkdtempSync, rmSync} = await import('node:fs')
  const {tmpdir} = await import('node:os')
  const {join} = await import('node:path')
  const folder = mkdtempSync(join(tmpdir(), 'busline-test-'))
  const server = new Server(folder, options)
  const forget = atProcessEnd(() => {
    server.kill()
    rmSync(folder, {recursive: true, force: true})
  })
  const remove = async () => {
    await server.stop()
    forget()
    rmSync(folder, {recursive: true, force: true})
  }
  try {
    await server.start()
  } catch (error) {
    await remove()
    throw error
  }
  return {
    url: `nats://127.0.0.1:${server.port}`,
    get pid() {
      return server.pid
    },
    stop: () => server.stop(),
    restart: () => server.start(),
    [Symbol.asyncDispose]: remove,
  }
}

class Server {
  readonly #folder: string
  readonly #options: TestServerOptions
  #child: ChildProcess | undefined
  /** -1 asks for a free one. */
  port = -1

  constructor(folder: string, options: TestServerOptions) {
    this.#folder = folder
    this.#options = options
  }

  get pid(): number {
    return this.#child?.pid ?? -1
  }

  async start(): Promise<void> {
    if (this.#child !== undefined) return
    const {program = process.env['NATS_SERVER'] || 'nats-server', signal} = this.#options
    if (signal?.aborted) throw interruptedError()
    const {spawn} = await import('node:child_process')
    const child = spawn(program, ['-c', await this.#configure()], {stdio: ['ignore', 'ignore', 'pipe'], signal})
    this.#child = child
    const log = await logUntilReady(child, program)
    this.port = Number(/client connections on \S+?:(\d+)/.exec(log)?.[1] ?? this.port)
  }

  async stop(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    const {promise, resolve} = Promise.withResolvers<void>()
    child.once('exit', () => resolve())
    child.kill('SIGKILL')
    await promise
  }

  kill(): void {
    this.#child?.kill('SIGKILL')
  }

  /** Writes the configuration file, and returns its path. */
  async #configure(): Promise<string> {
    const {writeFileSync} = await import('node:fs')
    const {join} = await import('node:path')
    const {jetstream = true, config = ''} = this.#options
    const path = join(this.#folder, 'server.conf')
    const store = jetstream ? `jetstream {store_dir: ${JSON.stringify(join(this.#folder, 'store'))}}` : ''
    writeFileSync(path, `listen: "127.0.0.1:${this.port}"\n${store}\n${config}\n`)
    return path
  }
}

/** The log of a server that has just become ready. */
function logUntilReady(child: ChildProcess, program: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let log = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      log += text
      if (log.includes('Server is ready')) resolve(log)
    })
    child.once('error', (cause: NodeJS.ErrnoException) => {
      if (cause.name === 'AbortError') return reject(interruptedError())
      const hints = ['set NATS_SERVER to the path of a nats-server', 'install one on the PATH']
      reject(new BusError('notFound', `${program} cannot be started: ${cause.code}`, {cause, try: hints}))
    })
    child.once('exit', () => {
      const [last = 'it wrote nothing'] = log.trim().split('\n').slice(-1)
      reject(new BusError('connect', `${program} ended before it was ready: ${last}`))
    })
  })
}
