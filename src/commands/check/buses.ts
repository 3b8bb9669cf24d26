/** The buses of check files: flags override what a file says, and files on the same bus share a connection. */

import type {CheckFile} from '../../lib/checks/check.ts'
import type {Scrubber} from '../../lib/checks/scrub.ts'
import {Variables} from '../../lib/checks/variables.ts'
import {type BusFlags, findBus, prepareBus} from '../../lib/cli/target/bus.ts'
import type {FoundBus} from '../../lib/cli/target/urls.ts'
import {percentDecoded, revealed, revealedJson} from '../../lib/core/secrets.ts'
import {readTrusted} from '../../lib/core/trusted-file.ts'
import type {Login, Transport} from '../../lib/transport/contract.ts'
import {open} from '../../lib/transport/open.ts'
import {isServer, shownBus} from '../../lib/transport/schemes.ts'
import {serversIn} from '../../lib/transport/server-urls.ts'

export interface BusesOptions {
  readonly flags: BusFlags
  readonly env: NodeJS.ProcessEnv
  /** Set by `--var`. */
  readonly vars: ReadonlyMap<string, unknown>
  /** Gets the secrets of every login. */
  readonly scrubber: Scrubber
  readonly warn: (line: string) => void
  readonly notify: (line: string) => void
  /** How long a bus may keep the checks waiting; default: what its context says. */
  readonly timeoutMs: number | undefined
  readonly signal: AbortSignal
}

export class Buses implements AsyncDisposable {
  readonly #options: BusesOptions
  readonly #open = new Map<string, Promise<Transport>>()
  readonly #ofFile = new Map<string, Transport>()
  readonly #found = new Map<Transport, FoundBus>()

  constructor(options: BusesOptions) {
    this.#options = options
  }

  /** Opens the buses of these files. Fails as `findBus` and `open` do. */
  async openFor(files: readonly CheckFile[]): Promise<void> {
    for (const file of files) {
      const found = await this.#find(file)
      this.#learn(found)
      this.#ofFile.set(file.path, await this.#opened(found))
    }
  }

  of(file: CheckFile): Transport {
    const bus = this.#ofFile.get(file.path)
    if (bus === undefined) throw new Error(`the bus of ${file.path} is not open`)
    return bus
  }

  /** How a bus was reached. */
  found(bus: Transport): FoundBus {
    const found = this.#found.get(bus)
    if (found === undefined) throw new Error(`${bus.url} was not opened here`)
    return found
  }

  /** `nats://… (context prod)`, one line per bus. */
  get lines(): string[] {
    return [...new Set([...this.#found.values()].map(({url, why}) => `${shownBus(url)} (${why})`))]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Each check has flushed what it published.
    await Promise.allSettled([...this.#found.keys()].map((bus) => bus.close()))
  }

  async #find(file: CheckFile): Promise<FoundBus> {
    const {flags, env} = this.#options
    const wanted = flags.bus === undefined && flags.context === undefined ? this.#flagsOf(file) : flags
    const found = await findBus(wanted, env)
    return wanted === flags ? found : {...found, why: file.path}
  }

  /** The flags with the bus or context of the file. */
  #flagsOf({shape}: CheckFile): BusFlags {
    const {flags, env, vars, scrubber} = this.#options
    const {bus, context, vars: own} = shape
    if (bus === undefined && context === undefined) return flags
    const variables = new Variables(env, (secret) => scrubber.add(secret))
    for (const [name, value] of [...Object.entries(own ?? {}), ...vars])
      variables.set(name, vars.has(name) ? vars.get(name) : variables.json(value))
    if (bus !== undefined) return {...flags, bus: variables.text(bus)}
    return {...flags, context: variables.text(context ?? '')}
  }

  #opened(found: FoundBus): Promise<Transport> {
    const key = revealedJson([found.url, found.server])
    const earlier = this.#open.get(key)
    if (earlier !== undefined) return earlier
    const {warn, notify, signal, timeoutMs = found.timeoutMs} = this.#options
    for (const warning of found.warnings) warn(warning)
    prepareBus(found)
    // No reconnecting: a lost bus is a result to report.
    const options = {name: 'bus check', maxReconnects: 0, ...found.server, signal, timeoutMs}
    const opening = open(found.url, {...options, notify: ({text}) => notify(text)}).then((bus) => {
      this.#found.set(bus, found)
      return bus
    })
    this.#open.set(key, opening)
    return opening
  }

  #learn({url, server: {login = {}}}: FoundBus): void {
    const {scrubber} = this.#options
    for (const {login: inUrl} of isServer(url) ? serversIn(url) : []) {
      if (inUrl === undefined) continue
      const colon = inUrl.indexOf(':')
      const secret = colon < 0 ? inUrl : inUrl.slice(colon + 1)
      scrubber.add(secret)
      scrubber.add(percentDecoded(secret))
    }
    for (const secret of [login.password, login.token, login.creds, login.seed, login.jwt])
      scrubber.add(revealed(secret))
    for (const secret of keysIn(login)) scrubber.add(secret)
  }
}

/** Seeds and tokens of credentials, given as text or as a file. */
function keysIn({creds, credsFile, nkeyFile}: Login): string[] {
  const texts = [
    revealed(creds) ?? '',
    ...[credsFile, nkeyFile].map((path) => (path === undefined ? '' : contentOf(path))),
  ]
  return texts.flatMap((text) => text.match(/\b(S[A-Z][A-Z2-7]{50,}|eyJ[\w-]+\.[\w-]+\.[\w-]+)/g) ?? [])
}

/** An unreadable file is reported by the login that uses it. */
function contentOf(path: string): string {
  try {
    return readTrusted(path).toString()
  } catch {
    return ''
  }
}
