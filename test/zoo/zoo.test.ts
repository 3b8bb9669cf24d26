/**
 * The zoo: streams and consumers with options that no command of busline creates, made through the API of the server, and every
 * command that can meet them. `expected/` has a transcript of each; `BUS_TESTS=all vitest run test/zoo -u` writes them anew:
 * read the diff as a user would. They are those of the newest server: with an older one, whose answers differ, animals that it does
 * not have are left out, and each command has to end, without the exit code of a bug.
 */
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, describe, type ExpectStatic, test} from 'vitest'
import type {Transport} from '../../src/lib/transport/contract.ts'
import {open} from '../../src/lib/transport/open.ts'
import {lacks, NatsServer} from '../nats-server.ts'
import {consumerLines, create, filesOf, streamLines} from './animal.ts'
import {both, bothLines} from './both.ts'
import {CommandRunner} from './command-runner.ts'
import {consumers} from './consumers.ts'
import {loginConfig, loginLines, logins, urlOf} from './logins.ts'
import {clusterFiles, clusterLines, clusterText, clusterWithOneDown, leafLines, leafPair} from './networks.ts'
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
})

describe('on both buses:', () => {
  let server: NatsServer
  beforeAll(async () => {
    server = await NatsServer.start((home) => `jetstream {store_dir: "${home}"}`)
  }, 120_000)
  afterAll(() => server[Symbol.asyncDispose]())

  test.concurrent.for(both)('$name', async (animal, {expect}) => {
    const path = join(folder, `${animal.name.replaceAll(' ', '-')}.db`)
    const shown = await withRunner(async (runner) => {
      let text = `## ${animal.about}\n`
      // Each bus counts sizes in its own way.
      const play = async (line: string, url: string) =>
        (await runner.play(line, url)).replace(/^(size +).*/gm, '$1SIZE').replace(/\d+ B$/gm, 'SIZE')
      for (const line of bothLines(animal)) {
        const onFile = await play(line, `sqlite:${path}`)
        const onServer = await play(line, server.url())
        text += `$ ${line}\n${onFile === onServer ? onFile : `[on a bus file]\n${onFile}[on a server]\n${onServer}`}`
      }
      return text
    })
    await check(expect, shown, expectedFile('both', animal.name))
  })
})

describe('logins:', () => {
  let server: NatsServer
  beforeAll(async () => {
    server = await NatsServer.start(loginConfig)
  }, 120_000)
  afterAll(() => server[Symbol.asyncDispose]())

  test.for(logins)('$name', async ({name, about, user}, {expect}) => {
    await using owner = await open(urlOf(server, 'owner'))
    for (const {config} of await owner.streams.list()) await owner.streams.remove(config.name)
    await owner.streams.add({name: 'ORDERS', subjects: ['orders.>']})
    for (const [i, token] of ['a', 'b', 'a', 'a'].entries())
      await owner.streams.publish({subject: `orders.${token}`, data: `${i + 1}`})
    await owner.streams.consumers.add('ORDERS', {name: 'c'})
    const shown = await withRunner((runner) => met(runner, urlOf(server, user), about, loginLines))
    await check(expect, shown, expectedFile('logins', name))
  })
})

describe('networks:', () => {
  test('leaf node', {timeout: 120_000, retry: 0}, async ({expect}) => {
    await using pair = await leafPair()
    const shown = await withRunner(async (runner) => {
      let text = '## A leaf node with a domain of its own; it and its hub each have a stream S.\n'
      for (const [place, line] of leafLines) {
        const url = pair[place].url()
        const played = varyingSize(await runner.play(line, url))
        text += `$ ${line}\n[at the ${place}]\n${played}`
      }
      return text
    })
    await check(expect, shown, expectedFile('networks', 'leaf node'))
  })

  test('cluster with a server down', {timeout: 120_000}, async ({expect}) => {
    await using cluster = await clusterWithOneDown()
    const url = cluster.servers[1].url()
    const shown = await Promise.all(
      clusterLines.map((lines) =>
        withRunner((runner) => {
          for (const [name, text] of Object.entries(clusterFiles)) runner.write(name, text)
          return linesMet(runner, url, lines)
        }),
      ),
    )
    const about = '## A cluster with a server down: HERE is on all servers, LOST only on that one.\n'
    await check(expect, clusterText(about + shown.join('')), expectedFile('networks', 'cluster with a server down'))
  })
})

const runners: CommandRunner[] = []
const idle: CommandRunner[] = []
afterAll(() => Promise.all(runners.map((runner) => runner.stop())))

function newRunner(): CommandRunner {
  const runner = new CommandRunner(mkdtempSync(join(folder, 'home-')))
  runners.push(runner)
  return runner
}

async function withRunner<T>(work: (runner: CommandRunner) => Promise<T>): Promise<T> {
  const runner = idle.pop() ?? newRunner()
  try {
    return await work(runner)
  } finally {
    idle.push(runner)
  }
}

async function met(runner: CommandRunner, url: string, about: string, lines: readonly string[]): Promise<string> {
  return `## ${about}\n${await linesMet(runner, url, lines)}`
}

async function linesMet(runner: CommandRunner, url: string, lines: readonly string[]): Promise<string> {
  let shown = ''
  for (const line of lines) shown += `$ ${line}\n${varyingSize(await runner.play(line, url))}`
  return shown
}

/** A position holds the time when its stream was created, in which zeros at the end of the fraction are left out. */
function varyingSize(shown: string): string {
  return shown.replace(/^((?:KV_)?bus-events .*? )[\d.]+ (B|KiB)/gm, '$1SIZE')
}

const isNewest = (await lacks(2, 15)) === ''

async function check(expect: ExpectStatic, shown: string, file: string): Promise<void> {
  if (isNewest) await expect(shown).toMatchFileSnapshot(file)
  else expect(shown).not.toMatch(/^\[did not end\]$|^\[exit 1\]$/m)
}

function expectedFile(kind: string, name: string): string {
  return join(import.meta.dirname, 'expected', kind, `${name.replaceAll(' ', '-')}.txt`)
}
