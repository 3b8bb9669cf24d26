/**
 * The zoo: streams and consumers with options that no command of busline creates, made through the API of the server, and every
 * command that can meet them. `expected/` has a transcript of each; `BUS_TESTS=all vitest run test/zoo -u` writes them anew:
 * read the diff as a user would.
 */
import {mkdirSync, mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, describe, test} from 'vitest'
import type {Transport} from '../../src/lib/transport/contract.ts'
import {open} from '../../src/lib/transport/open.ts'
import {NatsServer} from '../nats-server.ts'
import {type Animal, consumerLines, create, streamLines} from './animal.ts'
import {CommandRunner} from './command-runner.ts'
import {consumers} from './consumers.ts'
import {streams} from './streams.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-zoo-'))
afterAll(() => rmSync(folder, {recursive: true}))

describe.each([
  ['streams', streams, streamLines],
  ['consumers', consumers, consumerLines],
] as const)('%s:', (kind, animals, linesOf) => {
  let server: NatsServer
  let bus: Transport
  beforeAll(async () => {
    server = await NatsServer.start((home) => `server_tags: [ssd]\njetstream {store_dir: "${home}"}`)
    bus = await open(server.url())
  })
  afterAll(async () => {
    await bus.close()
    await server[Symbol.asyncDispose]()
  })

  test.concurrent.for(animals)('$name', async (animal, {expect, skip}) => {
    const refusal = await create(bus, animal)
    if (refusal !== undefined) skip(`this server has no such ${kind.slice(0, -1)}: ${refusal}`)
    const shown = await withRunner((runner) => met(runner, server.url(), animal, linesOf(animal)))
    const file = `${animal.name.replaceAll(' ', '-')}.txt`
    await expect(shown).toMatchFileSnapshot(join(import.meta.dirname, 'expected', kind, file))
  })
})

const idle = [1, 2, 3, 4, 5].map((n) => {
  const home = join(folder, `home-${n}`)
  mkdirSync(home)
  return new CommandRunner(home)
})
afterAll(() => Promise.all(idle.map((runner) => runner.stop())))

async function withRunner<T>(work: (runner: CommandRunner) => Promise<T>): Promise<T> {
  const runner = idle.pop()
  if (runner === undefined) throw new Error('more tests at the same time than runners: vitest --maxConcurrency')
  try {
    return await work(runner)
  } finally {
    idle.push(runner)
  }
}

async function met(runner: CommandRunner, url: string, {about}: Animal, lines: readonly string[]): Promise<string> {
  let shown = `## ${about}\n`
  for (const line of lines) shown += `$ ${line}\n${await runner.play(line, url)}`
  return shown
}
