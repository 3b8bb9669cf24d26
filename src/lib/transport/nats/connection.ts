/** How a connection fares: lost, back again, gone for good, and what people are told of it. */
import type {Status} from '@nats-io/transport-node'
import {type BusError, closedError} from '../../core/errors.ts'
import type {Notice, OpenOptions} from '../contract.ts'
import {defaultTimeoutMs} from './dial.ts'
import {isLastWord, isLoginError, lostFailure, serverSays} from './failures.ts'
import type {Wire} from './protocol.ts'

export interface ConnectionParts {
  readonly wire: Wire
  readonly url: string
  /** What the login is called in a sentence. */
  readonly login: () => string | undefined
  readonly options: OpenOptions
  readonly onLost: () => void
  readonly onReturn: () => void
  /** The connection is gone and stays so. */
  readonly onEnd: (failure: BusError) => void
  /** Something that the server refuses; true when somebody else tells of it. */
  readonly onError: (error: Error) => boolean
  /** Does anybody listen, who has missed what was published in between? */
  readonly isListening: () => boolean
}

export class Connection {
  readonly #parts: ConnectionParts
  #lostAt: number | undefined
  #back: {promise: Promise<void>; settle: () => void} | undefined
  #failure: BusError | undefined
  #lameDuck: string | undefined
  /** What the server said last, if it told why it ends the connection. */
  #lastWord: Error | undefined
  #loginError: Error | undefined
  #isClosing = false

  constructor(parts: ConnectionParts) {
    this.#parts = parts
    void parts.wire.closed.then((error) => this.#ended(error ?? undefined))
  }

  get isUp(): boolean {
    return this.#lostAt === undefined
  }

  /** Why it is gone for good, if it is. */
  get failure(): BusError | undefined {
    return this.#failure
  }

  /** Resolves when there is a connection; rejects when there will be none. */
  async ready(): Promise<void> {
    await this.#back?.promise
    if (this.#parts.wire.isClosed()) throw this.#failure ?? closedError(this.#parts.url)
  }

  /** The server has answered to all that was sent; false when the connection was lost before. */
  answered(): Promise<boolean> {
    return this.#parts.wire.flush().then(
      () => true,
      () => false,
    )
  }

  /** From now on its end is no failure. */
  closing(): void {
    this.#isClosing = true
  }

  async close(): Promise<void> {
    await this.#parts.wire.close()
    this.#back?.settle()
  }

  /** What nats.js tells. */
  heard(status: Status): void {
    if (status.type === 'error') this.#said(status.error)
    else if (status.type === 'staleConnection') this.#lastWord ??= new Error('no heartbeat')
    else if (status.type === 'disconnect') this.#lost()
    else if (status.type === 'reconnect') this.#returned()
    else if (status.type === 'ldm') this.#shuttingDown(status.server)
  }

  notify(kind: Notice['kind'], text: string): void {
    this.#parts.options.notify?.({kind, text})
  }

  #said(error: Error): void {
    if (this.#parts.onError(error)) return
    this.#lastWord = error
    if (isLoginError(error)) this.#loginError = error
    if (!isLastWord(error)) this.notify('error', `${this.#parts.url} says: ${error.message}`)
  }

  #lost(): void {
    const {wire, url, options, onLost} = this.#parts
    this.#lostAt = performance.now()
    let settle = () => {}
    const promise = new Promise<void>((resolve) => {
      settle = resolve
    })
    this.#back = {promise, settle}
    onLost()
    if (options.maxReconnects === 0 || this.#isClosing) return
    const word = this.#lastWord ?? wire.transport.closeError
    const said = word === undefined ? '' : `: ${serverSays(word)}`
    this.notify('disconnected', `the connection to ${url} is lost${said}; trying to come back`)
  }

  #returned(): void {
    if (this.#lostAt === undefined) return
    const {wire, onReturn, isListening} = this.#parts
    const seconds = ((performance.now() - this.#lostAt) / 1000).toFixed(1)
    this.#lostAt = undefined
    this.#lameDuck = undefined
    this.#lastWord = undefined
    onReturn()
    this.#back?.settle()
    this.#back = undefined
    // Told when the server knows the subscriptions again: what is published from then on arrives.
    const tell = () => {
      this.notify('reconnected', `connected again after ${seconds} s, to ${wire.getServer()?.listen}`)
      if (isListening()) this.notify('gap', `what was published in these ${seconds} s was not received`)
    }
    wire.flush().then(tell, () => {})
  }

  #shuttingDown(server: string): void {
    if (this.#lameDuck === server) return
    this.#lameDuck = server
    this.notify('lameDuck', `the server ${server} is shutting down`)
  }

  /** nats.js has given up. */
  #ended(error: Error | undefined): void {
    if (this.#isClosing) return
    const {wire, url, login, options, onEnd} = this.#parts
    // nats.js tries no more when its login was refused twice, and says that nothing listens.
    const cause = wire.abortReconnect ? this.#loginError : (error ?? this.#lastWord)
    this.#failure = lostFailure(url, cause, login(), options.connectTimeoutMs ?? defaultTimeoutMs)
    this.#back?.settle()
    onEnd(this.#failure)
  }
}
