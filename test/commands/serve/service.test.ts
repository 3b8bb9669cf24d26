import {randomUUID} from 'node:crypto'
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {Svcm} from '@nats-io/services'
import {connect} from '@nats-io/transport-node'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {bus, type Running, start} from '../../bus.ts'
import {NatsServer} from '../../nats-server.ts'

const folder = mkdtempSync(join(tmpdir(), 'service-'))
let server: NatsServer
beforeAll(async () => {
  server = await NatsServer.start()
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  rmSync(folder, {recursive: true})
})

interface Service {
  readonly running: Running
  readonly id: string
}

/** Starts `bus serve` with these words as the service `name` and resolves when it is live. */
async function serve(url: string, name: string, ...args: string[]): Promise<Service & AsyncDisposable> {
  const running = start(['serve', '--service', name, '--version', '1.2.3', '--bus', url, ...args])
  const [, id = ''] = /, id (\S+)$/.exec(await running.stderrLine('listening on ')) ?? []
  return {running, id, [Symbol.asyncDispose]: () => running[Symbol.asyncDispose]()}
}

/** The documents of all services that answer a discovery request, in the order of their ids. */
async function discover(url: string, subject: string): Promise<Record<string, unknown>[]> {
  const {stdout, code} = await bus(['req', subject, '', '--until-idle', '500ms', '--raw', '--bus', url])
  expect(code).toBe(0)
  const found = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  return found.sort((a, b) => (a.id < b.id ? -1 : 1))
}

async function listOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

describe.each([
  ['a bus file', () => join(folder, 'bus.db')],
  ['NATS', () => server.url()],
])('a service on %s', (_, where) => {
  test('is found by any request, by its name, and by its id', async () => {
    await using one = await serve(where(), 'finder', 'find.me', 'x')
    await using two = await serve(where(), 'finder', 'find.me', 'x')
    const ping = (id: string) => {
      const type = 'io.nats.micro.v1.ping_response'
      return {type, name: 'finder', id, version: '1.2.3', metadata: {}}
    }
    const both = [one.id, two.id].sort().map(ping)
    await expect.poll(() => discover(where(), '$SRV.PING')).toEqual(both)
    await expect.poll(() => discover(where(), '$SRV.PING.finder')).toEqual(both)
    expect(await discover(where(), `$SRV.PING.finder.${two.id}`)).toEqual([ping(two.id)])
    expect(await bus(['req', '$SRV.PING.other', '', '--bus', where()])).toMatchObject({code: 7})
  })

  test('describes itself', async () => {
    await using service = await serve(where(), 'teller', 'tell.*', 'x', '-q', 'tellers')
    await using plain = await serve(where(), 'plain', 'plain', 'x', '--no-queue')
    const [info] = await discover(where(), '$SRV.INFO.teller')
    expect(info).toEqual({
      ...{type: 'io.nats.micro.v1.info_response', name: 'teller', id: service.id, version: '1.2.3'},
      ...{description: 'bus serve tell.*', metadata: {}},
      endpoints: [{name: 'default', subject: 'tell.*', queue_group: 'tellers', metadata: {}}],
    })
    const [other] = await discover(where(), '$SRV.INFO.plain')
    expect(other).toMatchObject({id: plain.id, endpoints: [{name: 'default', subject: 'plain', metadata: {}}]})
  })

  test('reports its counters', async () => {
    const script = 'read x; test "$x" = good || { echo "not good" >&2; exit 1; }; sleep 0.1'
    await using service = await serve(where(), 'counter', 'count', '--exec', '--', 'sh', '-c', script)
    const [before] = await discover(where(), '$SRV.STATS.counter')
    const none = {num_requests: 0, num_errors: 0, last_error: '', processing_time: 0, average_processing_time: 0}
    expect(before).toMatchObject({
      ...{type: 'io.nats.micro.v1.stats_response', name: 'counter', id: service.id, version: '1.2.3'},
      started: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      endpoints: [{name: 'default', subject: 'count', queue_group: 'count', ...none}],
    })
    expect((await bus(['req', 'count', 'good', '--bus', where()])).code).toBe(0)
    expect((await bus(['req', 'count', 'bad', '--bus', where()])).code).toBe(8)
    const [after] = await discover(where(), '$SRV.STATS.counter')
    expect(after).toMatchObject({endpoints: [{num_requests: 2, num_errors: 1, last_error: '500:not good'}]})
    const {endpoints} = after as {endpoints: {processing_time: number; average_processing_time: number}[]}
    const {processing_time: nanos = 0, average_processing_time: average} = endpoints[0] ?? {}
    expect(nanos).toBeGreaterThan(100e6)
    expect(nanos).toBeLessThan(20e9)
    expect(average).toBe(Math.round(nanos / 2))
  })

  test('is no longer found while it finishes requests in progress', async () => {
    const mayEnd = join(folder, randomUUID())
    const script = `echo started >&2; until test -e ${mayEnd}; do sleep 0.05; done; echo done`
    await using service = await serve(where(), 'leaver', 'leave', '--exec', '--', 'sh', '-c', script)
    const reply = bus(['req', 'leave', 'x', '--bus', where()])
    await service.running.stderrLine('started')
    service.running.interrupt()
    await service.running.stderrLine('finishing 1 request; press Ctrl-C again to stop immediately')
    await expect.poll(async () => (await bus(['req', '$SRV.PING.leaver', '', '--bus', where()])).code).toBe(7)
    writeFileSync(mayEnd, '')
    expect((await reply).stdout).toBe('done\n\n')
    expect((await service.running.ended).code).toBe(0)
  })
})

test('a service is found by another NATS library', async () => {
  await using service = await serve(server.url(), 'greeter', 'greet', 'hello')
  await bus(['req', 'greet', '', '--bus', server.url()])
  const connection = await connect({servers: server.url()})
  try {
    // The types of its own copy of the core are older; at run time it only uses `requestMany`.
    const library = new Svcm(connection as unknown as ConstructorParameters<typeof Svcm>[0])
    const client = library.client({strategy: 'stall', maxWait: 2000} as never)
    const [pings, infos, all] = [await client.ping(), await client.info('greeter'), await client.stats('greeter')]
    expect(await listOf(pings)).toMatchObject([{name: 'greeter', id: service.id}])
    expect(await listOf(infos)).toMatchObject([{id: service.id, endpoints: [{subject: 'greet'}]}])
    expect(await listOf(all)).toMatchObject([{id: service.id, endpoints: [{num_requests: 1, num_errors: 0}]}])
  } finally {
    await connection.close()
  }
})

describe('a usage error of a service is exit code 2 with a sentence:', () => {
  test.each([
    [['--service', 'a b'], 'the service name "a b" may contain only letters, digits, "_" and "-"'],
    [['--service', 'a.b'], 'the service name "a.b" may contain only letters, digits, "_" and "-"'],
    [['--service', ''], 'the service name "" may contain only letters, digits, "_" and "-"'],
    [['--service', 'a', '--version', '1.2'], 'the version "1.2" is not a semantic version'],
    [['--service', 'a', '--version', 'v1.2.3'], 'the version "v1.2.3" is not a semantic version'],
    [['--service', 'a', '--version', '01.2.3'], 'the version "01.2.3" is not a semantic version'],
    [['--version', '1.2.3'], '--version needs --service'],
  ])('%j', async (args, sentence) => {
    const {code, stdout, stderr} = await bus(['serve', 'x', 'y', ...args, '--bus', join(folder, 'bus.db')])
    expect({code, stdout}).toEqual({code: 2, stdout: ''})
    expect(stderr).toContain(`bus: ${sentence}\n  try: `)
  })
})

test('a version is 0.0.0 by default, and may be anything that semver.org allows', async () => {
  const url = join(folder, 'versions.db')
  await using plain = start(['serve', 'x', 'y', '--service', 'plain', '--bus', url])
  expect(await plain.stderrLine('listening on ')).toContain(' as plain 0.0.0, id ')
  await using full = start(['serve', 'x', 'y', '--service', 'full', '--version', '1.0.0-rc.1+b-7', '--bus', url])
  expect(await full.stderrLine('listening on ')).toContain(' as full 1.0.0-rc.1+b-7, id ')
})
