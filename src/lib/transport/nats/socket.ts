import type {ConnectionOptions, Transport as NatsTransport, Server, ServerInfo} from '@nats-io/transport-node'
import {isObject} from '../../core/text/json-text.ts'
import type {TlsFacts} from '../examination.ts'

const pieceBytes = 64 * 1024
/** The failure for a server whose first line is not that of a NATS server. */
export const notNats = 'the server there is not a NATS server'

/** The server violates the protocol. The message is a clause about it: `it sent …`. */
export class ProtocolFault extends Error {
  override readonly name = 'ProtocolFault'
}

/** Parses the INFO in a server's first line. Throws the error that the server sent instead, or a `ProtocolFault`. */
export function parseIntroduction(line: Buffer): ServerInfo {
  if (line.length > longestInfo) throw new ProtocolFault(notNats)
  const [, word, rest] = /^(INFO|-ERR) (.*)/i.exec(line.toString('utf8')) ?? []
  if (word === undefined || rest === undefined) throw new ProtocolFault(notNats)
  if (word === '-ERR') throw new Error(rest)
  return parseInfo(rest)
}

/** Bytes of the longest INFO. */
export const longestInfo = 1024 * 1024
const mostAddresses = 4096

/** The fields of an INFO that are used, and what each may be. Only the version is required. */
const infoFields: Readonly<Record<string, (value: unknown) => boolean>> = {
  version: (value) => typeof value === 'string' && /^v?\d+\.\d+\.\d+/.test(value),
  max_payload: (value) => Number.isSafeInteger(value) && (value as number) >= 0,
  proto: (value) => Number.isSafeInteger(value),
  connect_urls: (value) => Array.isArray(value) && value.length <= mostAddresses && value.every(isAddress),
  ...Object.fromEntries(['nonce', 'server_id', 'server_name', 'cluster'].map((name) => [name, isText])),
  ...Object.fromEntries(['headers', 'ldm', 'tls_required', 'tls_available'].map((name) => [name, isFlag])),
}

/** Parses the JSON of an INFO. Throws a `ProtocolFault` if a field that is used has an unexpected type. */
export function parseInfo(json: string): ServerInfo {
  let info: unknown
  try {
    info = JSON.parse(json)
  } catch {
    throw new ProtocolFault('its INFO is not valid: it is not JSON')
  }
  if (!isObject(info)) throw new ProtocolFault('its INFO is not valid: it is not an object')
  for (const [name, isValid] of Object.entries(infoFields)) {
    const value = info[name] ?? undefined
    if (value === undefined ? name !== 'version' : isValid(value)) continue
    throw new ProtocolFault(`its INFO is not valid: "${name}" has an unexpected value`)
  }
  return info as unknown as ServerInfo
}

/** A host and optionally a port, as nats.js reads it. */
function isAddress(value: unknown): boolean {
  return typeof value === 'string' && value.length <= 1024 && /^[^\s/?#@]+$/.test(value) && isHost(value)
}

function isHost(text: string): boolean {
  const isBareIpv6 = text.split(':').length > 2 && !text.includes('[')
  return URL.canParse(`http://${isBareIpv6 ? `[${text}]` : text}`)
}

function isText(value: unknown): boolean {
  return typeof value === 'string'
}

function isFlag(value: unknown): boolean {
  return typeof value === 'boolean'
}

/** A socket for the NATS protocol: what TCP and WebSockets share. */
export abstract class NatsSocket implements NatsTransport {
  readonly lang = 'nats.js'
  readonly version = '3.4.0'
  closeError?: Error
  readonly #closed = Promise.withResolvers<Error | undefined>()
  #frames: Uint8Array[] = []
  #wake: () => void = () => {}
  #deliver: ((frame: Uint8Array) => void) | undefined
  /** The iterator has passed on everything and waits. */
  #isIdle = false
  #isPaused = false
  #isOver = false
  #isDiscarded = false

  /** Resolves when the server has sent its INFO. */
  abstract connect(server: Server, options: ConnectionOptions): Promise<void>
  /** With `isTurnOver` it is sent immediately; otherwise commands may be collected until the end of the turn. */
  abstract send(frame: Uint8Array, isTurnOver?: boolean): void
  abstract isEncrypted(): boolean
  /** Destroys the socket, in any state. */
  protected abstract destroy(): void
  protected abstract stopReading(): void
  protected abstract startReading(): void

  /** Undefined if not encrypted, or if the platform does not report it. */
  get tlsFacts(): TlsFacts | undefined {
    return undefined
  }

  /** Bytes that wait to be sent. */
  abstract get unsentBytes(): number

  get isClosed(): boolean {
    return this.#isOver
  }

  /** Resolves when the other side closes, or on `disconnect`; not after `discard`. */
  closed(): Promise<Error | undefined> {
    return this.#closed.promise
  }

  disconnect(error?: Error): void {
    this.over(error)
    this.destroy()
  }

  async close(): Promise<void> {
    this.discard()
  }

  discard(): void {
    this.#isOver = true
    this.#isDiscarded = true
    this.destroy()
    this.#wake()
  }

  /** Yields nothing more until `resume`. */
  pause(): void {
    this.#isPaused = true
    this.stopReading()
  }

  resume(): void {
    this.#isPaused = false
    this.startReading()
    this.#wake()
  }

  /** Passes frames to `deliver` immediately, which is faster than the promises of the iterator, unless earlier frames still wait for that. */
  deliverTo(deliver: (frame: Uint8Array) => void): void {
    this.#deliver = deliver
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const frames = this.#frames
      this.#frames = []
      for (const frame of frames) {
        // A WebSocket frame may hold megabytes; a pause must take effect before its end.
        for (let at = 0; at < frame.length; at += pieceBytes) {
          while (this.#isPaused && !this.#isDiscarded) await this.#change()
          if (this.#isDiscarded) return
          yield frame.length <= pieceBytes ? frame : frame.subarray(at, at + pieceBytes)
        }
      }
      if (this.#frames.length > 0) continue
      if (this.#isOver) return
      this.#isIdle = true
      await this.#change()
      this.#isIdle = false
    }
  }

  protected received(frame: Uint8Array): void {
    const isNext = this.#isIdle && this.#frames.length === 0 && !this.#isPaused && !this.#isOver
    if (isNext && this.#deliver !== undefined && frame.length <= pieceBytes) {
      this.#deliver(frame)
    } else {
      this.#frames.push(frame)
      this.#wake()
    }
  }

  /** The connection has ended; reported once. */
  protected over(error?: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    if (error !== undefined) this.closeError = error
    this.#wake()
    this.#closed.resolve(error)
  }

  #change(): Promise<void> {
    const {promise, resolve} = Promise.withResolvers<void>()
    this.#wake = resolve
    return promise
  }
}
