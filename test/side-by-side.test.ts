/** The same command lines print the same on the bus file and on NATS, except for times, sequences, ids and URLs. */
import {execFileSync} from 'node:child_process'
import {cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {brokenAtSpaces} from '../src/lib/cli/base/help.ts'
import {type Ended, type Running, root, startLine} from './bus.ts'
import {type Example, examples, failures, hasTestsOfItsOwn, needsCluster} from './examples.ts'
import {lacks, NatsServer} from './nats-server.ts'
import {type StoredExample, storedExamples, storedFailures} from './stored-examples.ts'

const folder = mkdtempSync(join(tmpdir(), 'side-by-side-'))
let server: NatsServer
beforeAll(async () => {
  server = await NatsServer.start((home) => `jetstream {store_dir: "${home}"}`)
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  rmSync(folder, {recursive: true})
})

/** What this server does not have: the examples that need a newer one, with the reason. */
const oldServer = await Promise.all(
  Object.entries(storedExamples).map(
    async ([line, {since}]) => [line, since === undefined ? '' : await lacks(...since)] as const,
  ),
).then((all) => all.filter(([, reason]) => reason !== ''))
const shownStored = Object.entries(storedExamples).filter(([line]) => !oldServer.some(([old]) => old === line))

/** The examples of all commands, as users type them. */
function documented(): string[] {
  const manifest = JSON.parse(readFileSync(join(root, 'oclif.manifest.json'), 'utf8'))
  const commands: {id: string; examples?: {command: string}[]}[] = Object.values(manifest.commands)
  return commands
    .filter(({id}) => !hasTestsOfItsOwn.test(id) && !needsCluster.test(id))
    .flatMap(({examples = []}) => examples.map(({command}) => command.replaceAll('<%= config.bin %>', 'bus')))
}

test('every documented example is run, and no others', () => {
  expect(Object.keys({...examples, ...storedExamples}).sort()).toEqual(documented().sort())
})

describe('both buses print the same', () => {
  test.each(Object.entries({...examples, ...failures}))('for %s', async (line, setup) => {
    const file = mkdtempSync(join(folder, 'file-'))
    const nats = mkdtempSync(join(folder, 'nats-'))
    for (const cwd of [file, nats]) writeFiles(setup, cwd)
    const [here, there] = await Promise.all([
      play(line, setup, file, `sqlite:${join(file, 'bus.db')}`),
      play(line, setup, nats, server.url()),
    ])
    expect(here.code).toBe(setup.code ?? 0)
    expect(here.written).toMatch(setup.sees)
    expect(there.lines).toEqual(here.lines)
  })
})

describe('with stored messages both buses', () => {
  async function playBoth(line: string, setup: StoredExample): Promise<[here: Played, there: Played]> {
    const {file, nats, store} = await prepared(setup)
    await using server = await NatsServer.start((home) => jetstreamIn(copied(store, home)))
    const here = copied(file, mkdtempSync(join(folder, 'file-')))
    const there = copied(nats, mkdtempSync(join(folder, 'nats-')))
    return await Promise.all([
      play(line, setup, here, `sqlite:${join(here, 'bus.db')}`),
      play(line, setup, there, server.url()),
    ])
  }

  test.each(shownStored)('print the same: %s', async (line, setup) => {
    const [here, there] = await playBoth(line, setup)
    expect(here.code).toBe(setup.code ?? 0)
    expect(here.written).toMatch(setup.sees)
    expect(there.lines).toEqual(here.lines)
  })

  test.skip.each(oldServer)('print the same: %s%s', () => {})

  test.each(Object.entries(storedFailures))('fail in the same way: %s', async (line, setup) => {
    for (const {code, written} of await playBoth(line, setup)) {
      expect(code).toBe(setup.code)
      expect(written).toMatch(setup.sees)
    }
  })
})

/** What the lines before an example leave behind: its folder with the bus file, and with the server its folder and the store. */
type Prepared = Readonly<Record<'file' | 'nats' | 'store', string>>

const preparations = new Map<string, Promise<Prepared>>()

/** Runs the lines before an example on both buses, once for all examples that have the same. */
function prepared(setup: StoredExample): Promise<Prepared> {
  const key = JSON.stringify([setup.before, setup.files])
  const known = preparations.get(key) ?? prepare(setup)
  preparations.set(key, known)
  return known
}

async function prepare(setup: StoredExample): Promise<Prepared> {
  const made = (name: string) => mkdtempSync(join(folder, `${name}-`))
  const folders = {file: made('file'), nats: made('nats'), store: made('store')}
  await using server = await NatsServer.start(jetstreamIn(folders.store))
  const [here, there] = await Promise.all([
    playBefore(setup, folders.file, `sqlite:${join(folders.file, 'bus.db')}`),
    playBefore(setup, folders.nats, server.url()),
  ])
  expect(there).toEqual(here)
  await server.stop()
  return folders
}

async function playBefore(setup: StoredExample, cwd: string, url: string): Promise<Played['lines']> {
  writeFiles(setup, cwd)
  const played: Played['lines'][number][] = []
  for (const line of setup.before) {
    await using running = startLine(line, {cwd, env: {BUS_URL: url, LC_ALL: 'C'}})
    played.push(playedLine(line, await running.ended, same(setup, cwd, url)))
  }
  return played
}

function writeFiles({files = {}}: Example, cwd: string): void {
  for (const [name, content] of Object.entries(files)) writeFileSync(join(cwd, name), content)
}

function copied(from: string, to: string): string {
  cpSync(from, to, {recursive: true, preserveTimestamps: true})
  return to
}

function jetstreamIn(store: string): string {
  return `jetstream {store_dir: "${store}"}`
}

interface Played {
  readonly code: number | null
  /** The whole output, unchanged. */
  readonly written: string
  /** Each command line, with its exit code and the part of its output that is always the same. */
  readonly lines: readonly (readonly [line: string, code: number | null, stdout: string, stderr: string])[]
}

/** Runs an example, as help shows it, with its setup in a folder and on a bus of its own. */
async function play(line: string, setup: Example, cwd: string, url: string): Promise<Played> {
  const env = {BUS_URL: url, LC_ALL: 'C'}
  await using processes = new Processes((text) => startLine(text, {cwd, env}))
  for (const each of setup.beside ?? []) await processes.start(each).stderrLine('listening on ')
  // The tour uses no bus from the environment.
  const shown = brokenAtSpaces(line, 76)
  const example = processes.start(line.startsWith('bus tour') ? `${shown} --bus ${url}` : shown)
  if (setup.meanwhile !== undefined) await example.stderrLine('listening on ')
  for (const each of setup.meanwhile ?? []) await processes.start(each).ended
  await reached(setup, example, cwd)
  if (setup.endsWith !== undefined) {
    await Promise.all(processes.all.filter((one) => one !== example).map(({ended}) => ended))
    // The shell does not report this signal.
    execFileSync('pkill', ['-PIPE', '-g', String(example.pid), '-x', setup.endsWith])
  } else if (setup.endsAfter !== undefined) example.interrupt()
  const {code} = await example.ended
  const ended = await processes.finish()
  const mask = same(setup, cwd, url)
  return {
    code,
    written: ended.map(([, {stdout, stderr}]) => stdout + stderr).join(''),
    lines: ended.map(([text, one]) => playedLine(text, one, mask)),
  }
}

function playedLine(
  line: string,
  {code, stdout, stderr}: Ended,
  mask: (text: string) => string,
): Played['lines'][number] {
  return [mask(line), code, mask(stdout), mask(stderr)]
}

/** Returns a function that leaves the part of a text that is always the same. */
function same(setup: Example, cwd: string, url: string): (text: string) => string {
  const masks = [[url, 'URL'], [cwd, 'FOLDER'], ...(setup.masks ?? []), ...always] as const
  return (text) => masks.reduce((rest, [from, to]) => rest.replaceAll(from, to), text)
}

/** Resolves when the example has written the number of lines in its setup. */
async function reached({endsAfter}: Example, example: Running, cwd: string): Promise<void> {
  if (typeof endsAfter === 'number') for (let i = 0; i < endsAfter; i++) await example.stdoutLine()
  else if (endsAfter !== undefined) {
    const [lines, name] = endsAfter
    const written = () => readFileSync(join(cwd, name), 'utf8').split('\n').length - 1
    await expect.poll(written, {timeout: 10_000}).toBe(lines)
  }
}

/** The processes of one example. */
class Processes implements AsyncDisposable {
  readonly #start: (line: string) => Running
  readonly #running: (readonly [line: string, running: Running])[] = []

  constructor(start: (line: string) => Running) {
    this.#start = start
  }

  get all(): Running[] {
    return this.#running.map(([, running]) => running)
  }

  start(line: string): Running {
    const running = this.#start(line)
    this.#running.push([line, running])
    return running
  }

  /** Ctrl-C for the servers that are still running; a subscriber ends by itself. */
  finish(): Promise<(readonly [line: string, ended: Ended])[]> {
    return Promise.all(
      this.#running.map(async ([line, running]) => {
        if (/^bus (rpc )?serve/.test(line)) running.interrupt()
        return [line, await running.ended] as const
      }),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all.map((running) => running[Symbol.asyncDispose]()))
  }
}

/** Text that is never the same twice. */
const always: readonly (readonly [pattern: RegExp, text: string])[] = [
  [/\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)/g, 'TIME'],
  [/(\d{4}-\d\d-\d\dT)?\b\d\d:\d\d:\d\d\.\d{3}(Z|[+-]\d\d:\d\d)/g, 'TIME'],
  [/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g, 'ID'],
  [/_INBOX\.[^\s"]+/g, 'INBOX'],
  [/[\d,.]+\/s\b/g, 'RATE'],
  [/\d[\d.]* (µs|ms|s|min|h)\b( \d+ (s|min))?/g, 'DURATION'],
  [/"seq":\d+,/g, ''],
  [/"([a-z]*_?processing_time|ms)":[\d.]+/g, '"$1":0'],
]
