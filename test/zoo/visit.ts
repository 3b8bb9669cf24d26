/**
 * The zoo: streams and consumers with options that no command of busline creates, made through the API of the server, and every
 * command that can be used with them. `expected/` has a transcript of each; `BUS_TESTS=all vitest run test/zoo -u` writes them anew:
 * read the diff as a user would. The transcripts are those of the newest server. Older servers answer differently: there, streams and
 * consumers that the server cannot create are skipped, and each command only has to end, without the exit code of a bug.
 */
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, type ExpectStatic, test} from 'vitest'
import type {Transport} from '../../src/lib/transport/contract.ts'
import {open} from '../../src/lib/transport/open.ts'
import {lacks, NatsServer} from '../nats-server.ts'
import {type Animal, create, filesOf} from './animal.ts'
import {CommandRunner} from './command-runner.ts'

export const folder = mkdtempSync(join(tmpdir(), 'bus-zoo-'))
afterAll(() => rmSync(folder, {recursive: true}))

/** A test for each of these streams or consumers, all on one server. */
export function visit(
  kind: 'streams' | 'consumers',
  animals: readonly Animal[],
  linesOf: (animal: Animal) => readonly string[],
): void {
  let server: NatsServer
  let bus: Transport
  beforeAll(async () => {
    server = await NatsServer.start((home) => `server_tags: [ssd]\njetstream {store_dir: "${home}"}`)
    bus = await open(server.url())
  }, 120_000)
  afterAll(async () => {
    await bus.close()
    await server[Symbol.asyncDispose]()
  })

  test.concurrent.for(animals)('$name', async (animal, {expect, skip}) => {
    const refusal = await create(bus, animal)
    if (refusal !== undefined) skip(`this server has no such ${kind.slice(0, -1)}: ${refusal}`)
    const shown = await withRunner((runner) => {
      for (const [name, text] of Object.entries(filesOf(animal))) runner.write(name, text)
      return met(runner, server.url(), animal.about, linesOf(animal))
    })
    await check(expect, shown, expectedFile(kind, animal.name))
  })
}

const runners: CommandRunner[] = []
const idle: CommandRunner[] = []
afterAll(() => Promise.all(runners.map((runner) => runner.stop())))

function newRunner(): CommandRunner {
  const runner = new CommandRunner(mkdtempSync(join(folder, 'home-')))
  runners.push(runner)
  return runner
}

export async function withRunner<T>(work: (runner: CommandRunner) => Promise<T>): Promise<T> {
  const runner = idle.pop() ?? newRunner()
  try {
    return await work(runner)
  } finally {
    idle.push(runner)
  }
}

export async function met(
  runner: CommandRunner,
  url: string,
  about: string,
  lines: readonly string[],
): Promise<string> {
  return `## ${about}\n${await linesMet(runner, url, lines)}`
}

export async function linesMet(runner: CommandRunner, url: string, lines: readonly string[]): Promise<string> {
  let shown = ''
  for (const line of lines) shown += `$ ${line}\n${varyingSize(await runner.play(line, url))}`
  return shown
}

/** A position holds the time when its stream was created, in which zeros at the end of the fraction are left out. */
export function varyingSize(shown: string): string {
  return shown.replace(/^((?:KV_)?bus-events .*? )[\d.]+ (B|KiB)/gm, '$1SIZE')
}

const isNewest = (await lacks(2, 15)) === ''

export async function check(expect: ExpectStatic, shown: string, file: string): Promise<void> {
  if (isNewest) await expect(shown).toMatchFileSnapshot(file)
  else expect(shown).not.toMatch(/^\[did not end\]$|^\[exit 1\]$/m)
}

export function expectedFile(kind: string, name: string): string {
  return join(import.meta.dirname, 'expected', kind, `${name.replaceAll(' ', '-')}.txt`)
}
