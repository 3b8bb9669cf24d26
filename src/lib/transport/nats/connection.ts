/** The state of a connection: up, lost, up again, or failed for good; and the notices about it. */
import type {Status} from '@nats-io/transport-node'
import {type BusError, closedError} from '../../core/errors.ts'
import type {Notice, OpenOptions} from '../contract.ts'
import {defaultTimeoutMs} from './dial.ts'
import {endsConnection, isLoginError, isOurFault, lostFailure, serverSays, tooLong} from './failures.ts'
import type {NatsProtocol} from './protocol.ts'

export interface NatsConnectionOptions {
  readonly protocol: NatsProtocol
  readonly url: string
  /** The login as it appears in errors. */
  readonly login: () => string | undefined
  readonly options: OpenOptions
  readonly onLost: () => void
  readonly onReturn: () => void
  /** The connection has failed and will not come back. */
  readonly onEnd: (failure: BusError) => void
  /** An error that the server sent; true when another part reports it. */
  readonly onError: (error: Error) => boolean
  /** Whether there are subscriptions, which miss messages during a disconnect. */
  readonly isListening: () => boolean
}

/** Errors to report that do not end the connection. */
const mostErrors = 50
/** Characters of each. */
const longestError = 500

export class NatsConnection {
  readonly #options: NatsConnectionOptions
  #lostAt: number | undefined
  /** How often it was lost while there were subscriptions. */
  gaps = 0
  #back: PromiseWithResolvers<void> | undefined
  #failure: BusError | undefined
  #lameDuck: string | undefined
  /** The last error from the server: the likely reason when it closes the connection. */
  #lastError: Error | undefined
  #loginError: Error | undefined
  /** How many were reported that do not end the connection. */
  #errors = 0
  #isClosing = false

  constructor(options: NatsConnectionOptions) {
    this.#options = options
    void options.protocol.closed.then((error) => this.#onEnd(error ?? undefined))
  }

  get isUp(): boolean {
    return this.#lostAt === undefined
  }

  /** The cause, once the connection has failed for good. */
  get failure(): BusError | undefined {
    return this.#failure
  }

  /** Resolves when connected; rejects when the connection has failed for good. */
  async ready(): Promise<void> {
    await this.#back?.promise
    if (this.#options.protocol.isClosed()) throw this.#failure ?? closedError(this.#options.url)
  }

  /** Resolves with true when the server has processed everything sent; with false if the connection was lost first. */
  answered(): Promise<boolean> {
    return this.#options.protocol.flush().then(
      () => true,
      () => false,
    )
  }

  /** Closes the connection to a silent server, as after missing heartbeats. */
  giveUp(): void {
    this.#lastError = new Error('no heartbeat')
    this.#options.protocol.giveUp()
  }

  /** The failure for a connection that is lost repeatedly. */
  lost(): BusError {
    const {url, login, options} = this.#options
    return lostFailure(url, this.#lastError, login(), options.connectTimeoutMs ?? defaultTimeoutMs)
  }

  /** From now on, the end of the connection is not a failure. */
  closing(): void {
    this.#isClosing = true
  }

  async close(): Promise<void> {
    await this.#options.protocol.close()
    this.#back?.resolve()
  }

  /** Handles a status event of nats.js. */
  onStatus(status: Status): void {
    if (status.type === 'error') this.#onError(status.error)
    else if (status.type === 'staleConnection') this.#lastError ??= new Error('no heartbeat')
    else if (status.type === 'disconnect') this.#onLost()
    else if (status.type === 'reconnect') this.#onReconnect()
    else if (status.type === 'ldm') this.#onLameDuck(status.server)
  }

  notify(kind: Notice['kind'], text: string): void {
    const {url, options} = this.#options
    if (kind === 'error' && ++this.#errors > mostErrors) return
    options.notify?.({kind, text})
    if (this.#errors === mostErrors && kind === 'error')
      options.notify?.({kind, text: `further errors from ${url} are not shown`})
  }

  #onError(error: Error): void {
    if (this.#options.onError(error)) return
    if (isOurFault(error)) {
      this.#failure = tooLong(this.#options.url, error)
      void this.#options.protocol.close(error)
      return
    }
    this.#lastError = error
    if (isLoginError(error)) this.#loginError = error
    if (!endsConnection(error))
      this.notify('error', `${this.#options.url} says: ${error.message.slice(0, longestError)}`)
  }

  #onLost(): void {
    const {protocol, url, options, onLost, isListening} = this.#options
    this.#lostAt = performance.now()
    this.#back = Promise.withResolvers()
    if (isListening()) this.gaps++
    this.#lastError ??= protocol.transport.closeError
    onLost()
    if (options.maxReconnects === 0 || this.#isClosing) return
    const cause = this.#lastError
    const reason = cause === undefined ? '' : `: ${serverSays(cause)}`
    this.notify('disconnected', `the connection to ${url} is lost${reason}; reconnecting`)
  }

  #onReconnect(): void {
    if (this.#lostAt === undefined) return
    const {protocol, onReturn, isListening} = this.#options
    const seconds = ((performance.now() - this.#lostAt) / 1000).toFixed(1)
    this.#lostAt = undefined
    this.#lameDuck = undefined
    this.#lastError = undefined
    onReturn()
    this.#back?.resolve()
    this.#back = undefined
    // Reported once the server has the subscriptions again: messages published from then on arrive.
    const report = () => {
      this.notify('reconnected', `reconnected after ${seconds} s to ${protocol.getServer()?.listen}`)
      if (isListening()) this.notify('gap', `messages published during these ${seconds} s were not received`)
    }
    // The connection was lost again before the reply; the next reconnect is reported.
    protocol.flush().then(report, () => {})
  }

  #onLameDuck(server: string): void {
    if (this.#lameDuck === server) return
    this.#lameDuck = server
    this.notify('lameDuck', `the server ${server} is shutting down`)
  }

  /** nats.js has stopped reconnecting. */
  #onEnd(error: Error | undefined): void {
    if (this.#isClosing) return
    const {protocol, url, login, options, onEnd} = this.#options
    // nats.js stops when the login was refused twice, and then reports a refused connection.
    const cause = protocol.abortReconnect ? this.#loginError : (error ?? this.#lastError)
    this.#failure ??= lostFailure(url, cause, login(), options.connectTimeoutMs ?? defaultTimeoutMs)
    this.#back?.resolve()
    onEnd(this.#failure)
  }
}
