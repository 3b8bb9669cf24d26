/** A shell in which command lines are played, and their output with everything masked that differs from run to run. */
import {once} from 'node:events'
import {type AddressInfo, createServer} from 'node:net'
import {type Ended, type Running, root, startLine} from './bus.ts'

/** A shell on one bus, in a folder of its own. */
export class Session implements AsyncDisposable {
  readonly #home: string
  readonly #url: string
  readonly #gateway: string
  readonly #terminal: boolean
  readonly #background: Running[] = []

  private constructor(home: string, url: string, gateway: string, terminal: boolean) {
    this.#home = home
    this.#gateway = gateway
    this.#url = url
    this.#terminal = terminal
  }

  static async start(home: string, url: string, terminal: boolean): Promise<Session> {
    return new Session(home, url, `127.0.0.1:${await freePort()}`, terminal)
  }

  /** The output of a line, masked, with its exit code. */
  async play(line: string): Promise<string> {
    const [, how, number] = /^(wait|kill -INT) %(\d+)$/.exec(line) ?? []
    const job = this.#background[Number(number) - 1]
    if (job !== undefined) {
      if (how !== 'wait') job.interrupt()
      return this.#shown(await job.ended)
    }
    if (!line.endsWith(' &')) return this.#shown(await this.#start(line).ended)
    const running = this.#start(line.slice(0, -2))
    this.#background.push(running)
    await running.stderrLine('listening on ')
    return ''
  }

  #start(line: string): Running {
    const quoted = `'${line.replaceAll("'", `'\\''`)}'`
    const env = {BUS_URL: this.#url, GATEWAY: this.#gateway, HOME: this.#home, LC_ALL: 'C', TZ: 'UTC', TERM: 'xterm'}
    return startLine(this.#terminal ? `script -qec ${quoted} /dev/null` : line, {cwd: this.#home, env})
  }

  #shown(ended: Ended): string {
    return shownText(ended, this.#url, this.#home)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#background.map((running) => running[Symbol.asyncDispose]()))
  }
}

/** What a command wrote, masked: stdout, stderr after "2> ", and the exit code if it is not 0. */
export function shownText(
  {code, stdout, stderr}: Pick<Ended, 'code' | 'stdout' | 'stderr'>,
  url: string,
  home: string,
) {
  const talk = masked(stderr, url, home).replace(/^(?=.)/gm, '2> ')
  return `${masked(stdout, url, home)}${talk}${code === 0 ? '' : `[exit ${code}]\n`}`
}

function masked(text: string, url: string, home: string): string {
  const plain = text.replaceAll('\r\n', '\n').replaceAll('\x1b', '␛')
  const named = plain.replaceAll(url, 'BUS').replaceAll(home, 'HOME').replaceAll(root.slice(0, -1), 'ROOT')
  const result = masks.reduce((rest, [pattern, mask]) => rest.replace(pattern, mask), named)
  return result === '' || result.endsWith('\n') ? result : `${result}⏎\n`
}

async function freePort(): Promise<number> {
  const listener = createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const {port} = listener.address() as AddressInfo
  await once(listener.close(), 'close')
  return port
}

/** Text that is never the same twice, or differs between machines. */
const masks: readonly (readonly [pattern: RegExp, text: string])[] = [
  // The document of the server has figures that change.
  [/,"raw":\{.*\}$/gm, ',"raw":RAW}'],
  [/token: [\w-]{32}/g, 'token: TOKEN'],
  [/gateways\/\d+\.token/g, 'gateways/PORT.token'],
  [/\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)/g, 'TIME'],
  [/\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b/g, 'TIME'],
  [/\b\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?(?!\w)/g, 'TIME'],
  [/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g, 'ID'],
  [/\bprocess \d+/g, 'process PID'],
  [/"(pid|connection)":\d+/g, '"$1":N'],
  [/\bnats\.js \d[\d.]*\d\b/g, 'nats.js VERSION'],
  [/"nats\.js","version":"[^"]*"/g, '"nats.js","version":"VERSION"'],
  [/"roundTripMs":[\d.]+/g, '"roundTripMs":0'],
  [/Nats-Pin-Id: \w+/g, 'Nats-Pin-Id: ID'],
  [/(Nats-Stream-Source\W+\w+ \d+ .*?) \w{8}\b/g, '$1 ID'],
  [/\$JS\.ACK\.(\w+\.\w+)[.\d]+/g, '$JS.ACK.$1.ID'],
  [/\.bus-\w{22}/g, '.bus-ID'],
  [/_INBOX\.[^\s"]+/g, 'INBOX'],
  [/\bresponse stream \w{8} on\b/g, 'response stream TOKEN on'],
  [/"responseStream":"\w{8}"/g, '"responseStream":"TOKEN"'],
  [/[\d,.]+\/s\b/g, 'RATE'],
  [/[\d.]+ ([KMG]i)?B\/s/g, 'RATE'],
  [/ *(\bjust now\b|\b\d[\d.]* (µs|ms|s|min|h) ago\b)/g, ' AGO'],
  [/\b\d[\d.]* (ns|µs|ms|s|min|h)\b( \d+ (s|min)\b)?/g, 'DURATION'],
  [/\bin \d+ d DURATION/g, 'in DURATION'],
  [/"([a-z]*_?processing_time|\w*[mM]s)":[\d.]+/g, '"$1":0'],
  [/\bduration_ms: [\d.]+/g, 'duration_ms: 0'],
  // The output of the replay in the tour before it was killed.
  [/^ *\{"n":\d+\}\n/gm, ''],
  [/127\.0\.0\.1:\d{2,}/g, '127.0.0.1:PORT'],
  [/\bN[A-Z2-7]{55}\b/g, 'SERVER'],
  [/\b(SQLite|nats-server) \d[\d.]*/g, '$1 VERSION'],
  [/\bbusline( +)\d[\d.]*/g, 'busline$1VERSION'],
  [/\bv\d+\.\d+\.\d+, .*/g, 'VERSION, PLATFORM'],
]
