/**
 * What people see: `test/transcripts/*.txt` are sessions in a shell, each played on a bus file and on a server.
 *
 *     $ COMMAND         what it wrote to stdout follows, what it wrote to stderr after "2> ", then [exit N] if not 0
 *     $ COMMAND &       stays in the background; the session continues once it says that it listens
 *     $ wait %N         what the Nth background command wrote until it ended by itself
 *     $ kill -INT %N    what it wrote until Ctrl-C ended it
 *     ## TEXT           a remark
 *
 * $BUS_URL is the bus, $GATEWAY an address that nothing listens on yet.
 *
 * Where the buses differ, the output stands twice, under [on a bus file] and [on a server]. Times, ids and figures are
 * masked. `vitest run test/transcripts.test.ts -u` writes the output anew: read the diff.
 */
import {once} from 'node:events'
import {mkdtempSync, readdirSync, readFileSync, rmSync} from 'node:fs'
import {type AddressInfo, createServer} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, describe, expect, test} from 'vitest'
import {type Ended, type Running, root, startLine} from './bus.ts'
import {hasTerminals} from './hostile/hostile-text.ts'
import {NatsServer} from './nats-server.ts'

const transcripts = join(import.meta.dirname, 'transcripts')
const names = readdirSync(transcripts).filter((name) => name.endsWith('.txt'))
const folder = mkdtempSync(join(tmpdir(), 'bus-transcripts-'))
afterAll(() => rmSync(folder, {recursive: true}))

describe('a transcript shows the current output:', () => {
  test.each(names)('%s', async (name) => {
    const path = join(transcripts, name)
    const lines = inputs(readFileSync(path, 'utf8'))
    const terminal = name.startsWith('terminal')
    if (terminal && !hasTerminals) return
    await using server = await NatsServer.start((home) => `jetstream {store_dir: "${home}"}`)
    const home = mkdtempSync(join(folder, 'file-'))
    const sessions = [
      await Session.start(home, `sqlite:${join(home, 'bus.db')}`, terminal),
      await Session.start(mkdtempSync(join(folder, 'nats-')), server.url(), terminal),
    ] as const
    let shown = ''
    try {
      for (const line of lines) {
        shown += `${line}\n`
        if (!line.startsWith('$ ')) continue
        const [onFile, onServer] = await Promise.all(sessions.map((session) => session.play(line.slice(2))))
        shown += onFile === onServer ? onFile : `[on a bus file]\n${onFile}[on a server]\n${onServer}`
      }
    } finally {
      for (const session of sessions) await session[Symbol.asyncDispose]()
    }
    await expect(shown).toMatchFileSnapshot(path)
  })
})

describe('in the transcripts', () => {
  const manifest = JSON.parse(readFileSync(join(root, 'oclif.manifest.json'), 'utf8'))
  const commands: {id: string; hidden: boolean}[] = Object.values(manifest.commands)
  const all = names.map((name) => readFileSync(join(transcripts, name), 'utf8')).join('')
  const blocks = all.split(/^(?=\$ )/m)

  test.each(commands.filter(({hidden}) => !hidden).map(({id}) => id.replaceAll(':', ' ')))(
    'bus %s succeeds once and fails once',
    (id) => {
      const played = blocks.filter((block) => new RegExp(`\\bbus ${id}(?=\\s|$)`).test(block.split('\n', 1)[0] ?? ''))
      expect(played.filter((block) => !block.includes('\n[exit '))).not.toEqual([])
      expect(played.filter((block) => block.includes('\n[exit '))).not.toEqual([])
    },
  )
})

/** The lines of a transcript that are not output: commands, remarks and the empty lines around remarks. */
function inputs(text: string): string[] {
  const isRemark = (line = '') => line.startsWith('## ')
  return text
    .split('\n')
    .filter((line, i, all) => (line === '' ? isRemark(all[i - 1]) || isRemark(all[i + 1]) : /^(\$|##) /.test(line)))
}

/** A shell on one bus, in a folder of its own. */
class Session implements AsyncDisposable {
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

  #shown({code, stdout, stderr}: Ended): string {
    const talk = this.#masked(stderr).replace(/^(?=.)/gm, '2> ')
    return `${this.#masked(stdout)}${talk}${code === 0 ? '' : `[exit ${code}]\n`}`
  }

  #masked(text: string): string {
    const plain = text.replaceAll('\r\n', '\n').replaceAll('\x1b', '␛')
    const named = plain
      .replaceAll(this.#url, 'BUS')
      .replaceAll(this.#home, 'HOME')
      .replaceAll(root.slice(0, -1), 'ROOT')
    const masked = masks.reduce((rest, [pattern, mask]) => rest.replace(pattern, mask), named)
    return masked === '' || masked.endsWith('\n') ? masked : `${masked}⏎\n`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#background.map((running) => running[Symbol.asyncDispose]()))
  }
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
  [/token: [\w-]{32}/g, 'token: TOKEN'],
  [/gateways\/\d+\.token/g, 'gateways/PORT.token'],
  [/\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)/g, 'TIME'],
  [/\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b/g, 'TIME'],
  [/\b\d\d:\d\d:\d\d(\.\d+)?\b/g, 'TIME'],
  [/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g, 'ID'],
  [/_INBOX\.[^\s"]+/g, 'INBOX'],
  [/\bresponse stream \w{8} on\b/g, 'response stream TOKEN on'],
  [/"responseStream":"\w{8}"/g, '"responseStream":"TOKEN"'],
  [/[\d,.]+\/s\b/g, 'RATE'],
  [/[\d.]+ ([KMG]i)?B\/s/g, 'RATE'],
  [/ *(\bjust now\b|\b\d[\d.]* (µs|ms|s|min|h) ago\b)/g, ' AGO'],
  [/\b\d[\d.]* (ns|µs|ms|s|min|h)\b( \d+ (s|min)\b)?/g, 'DURATION'],
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
