/** The same command lines print the same on the bus file and on NATS, except for times, sequences, ids and URLs. */
import {execFileSync} from 'node:child_process'
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {brokenAtSpaces} from '../src/lib/cli/base/help.ts'
import {type Ended, type Running, root, startLine} from './bus.ts'
import {type Example, examples, failures, hasTestsOfItsOwn} from './examples.ts'
import {NatsServer} from './nats-server.ts'
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

/** The examples of all commands, as users type them. */
function documented(): string[] {
  const manifest = JSON.parse(readFileSync(join(root, 'oclif.manifest.json'), 'utf8'))
  const commands: {id: string; examples?: {command: string}[]}[] = Object.values(manifest.commands)
  return commands
    .filter(({id}) => !hasTestsOfItsOwn.test(id))
    .flatMap(({examples = []}) => examples.map(({command}) => command.replaceAll('<%= config.bin %>', 'bus')))
}

test('every documented example is run, and no others', () => {
  expect(Object.keys({...examples, ...storedExamples}).sort()).toEqual(documented().sort())
})

describe('both buses print the same', () => {
  test.each(Object.entries({...examples, ...failures}))('for %s', async (line, setup) => {
    const file = mkdtempSync(join(folder, 'file-'))
    const nats = mkdtempSync(join(folder, 'nats-'))
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
    await using server = await NatsServer.start((home) => `jetstream {store_dir: "${home}"}`)
    const file = mkdtempSync(join(folder, 'file-'))
    return await Promise.all([
      play(line, setup, file, `sqlite:${join(file, 'bus.db')}`),
      play(line, setup, mkdtempSync(join(folder, 'nats-')), server.url()),
    ])
  }

  test.each(Object.entries(storedExamples))('print the same: %s', async (line, setup) => {
    const [here, there] = await playBoth(line, setup)
    expect(here.code).toBe(setup.code ?? 0)
    expect(here.written).toMatch(setup.sees)
    expect(there.lines).toEqual(here.lines)
  })

  test.each(Object.entries(storedFailures))('fail in the same way: %s', async (line, setup) => {
    for (const {code, written} of await playBoth(line, setup)) {
      expect(code).toBe(setup.code)
      expect(written).toMatch(setup.sees)
    }
  })
})

interface Played {
  readonly code: number | null
  /** The whole output, unchanged. */
  readonly written: string
  /** Each command line, with its exit code and the part of its output that is always the same. */
  readonly lines: readonly (readonly [line: string, code: number | null, stdout: string, stderr: string])[]
}

/** Runs an example, as help shows it, with its setup in a folder and on a bus of its own. */
async function play(
  line: string,
  setup: Example & Partial<Pick<StoredExample, 'before'>>,
  cwd: string,
  url: string,
): Promise<Played> {
  for (const [name, content] of Object.entries(setup.files ?? {})) writeFileSync(join(cwd, name), content)
  const env = {BUS_URL: url, LC_ALL: 'C'}
  await using processes = new Processes((text) => startLine(text, {cwd, env}))
  for (const each of setup.before ?? []) await processes.start(each).ended
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
  const masks = [[url, 'URL'], [cwd, 'FOLDER'], ...(setup.masks ?? []), ...always] as const
  const same = (text: string) => masks.reduce((rest, [from, to]) => rest.replaceAll(from, to), text)
  return {
    code,
    written: ended.map(([, {stdout, stderr}]) => stdout + stderr).join(''),
    lines: ended.map(([text, {code, stdout, stderr}]) => [same(text), code, same(stdout), same(stderr)]),
  }
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
