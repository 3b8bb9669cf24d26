import type {Notice, OpenOptions} from '../contract.ts'
import {Clients} from './clients.ts'
import type {BusFile} from './file.ts'
import {inboxPrefix} from './rows.ts'
import {openStreamTables, type StreamTables} from './streams/intake.ts'
import {WakeFiles} from './wake-files.ts'

/** What both halves of a connection to a bus file share. Each part is created when it is first used. */
export class FileConnection {
  readonly url: string
  readonly file: BusFile
  readonly wakeFiles: WakeFiles
  readonly notify: (notice: Notice) => void
  readonly #name: string | undefined
  readonly #signal: AbortSignal | undefined
  readonly #timeoutMs: number | undefined
  #clients: Clients | undefined
  #streams: StreamTables | undefined

  constructor(file: BusFile, {name, notify, signal, timeoutMs}: OpenOptions) {
    this.url = `sqlite:${file.path}`
    this.file = file
    this.wakeFiles = new WakeFiles(file.real, file.lock.isReadOnly)
    this.notify = (notice) => notify?.(notice)
    this.#name = name
    this.#signal = signal
    this.#timeoutMs = timeoutMs
  }

  get clients(): Clients {
    this.#clients ??= new Clients(this.file.db, this.file.lock, this.#name)
    return this.#clients
  }

  /** This client's inbox with its trailing dot. */
  get inbox(): string {
    return `${inboxPrefix}${this.clients.id.toString(36)}.`
  }

  get streams(): StreamTables {
    this.#streams ??= openStreamTables(this.url, this.file.db)
    return this.#streams
  }

  /** Removes everything that others see of this client. */
  async leave(): Promise<void> {
    const clients = this.#clients
    if (!clients?.isPresent) return
    try {
      await this.file.lock.write(() => clients.removeAll())
    } catch (error) {
      // Others detect that a process has ended, so its rows may be left behind.
      if (this.#signal?.aborted !== true && this.#timeoutMs === undefined) throw error
    }
  }

  close(): void {
    this.#clients?.stop()
    this.wakeFiles.close()
    this.file.close()
  }
}
