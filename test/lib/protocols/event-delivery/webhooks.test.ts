import {createServer, type IncomingHttpHeaders, type ServerResponse} from 'node:http'
import type {AddressInfo} from 'node:net'
import {describe, expect, onTestFinished, test} from 'vitest'
import type {Message} from '../../../../src/lib/core/message.ts'
import {programSink} from '../../../../src/lib/messaging/sinks/programs.ts'
import {EventManager} from '../../../../src/lib/protocols/event-delivery/manager.ts'
import type {EventPlugin} from '../../../../src/lib/protocols/event-delivery/plugin.ts'
import {openRegistry} from '../../../../src/lib/protocols/event-delivery/registry.ts'
import {type SinkPluginConfig, sinkPlugin} from '../../../../src/lib/protocols/event-delivery/sink-plugin.ts'
import {webhooks} from '../../../../src/lib/protocols/event-delivery/webhooks.ts'
import type {Transport} from '../../../../src/lib/transport/contract.ts'
import {memoryBus, store} from './direct.ts'

interface Got {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** A real HTTP server, which answers 204 by default. */
async function hook(
  answer: (response: ServerResponse, got: Got, count: number) => void = (r) => r.writeHead(204).end(),
) {
  const got: Got[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    got.push({headers: request.headers, body})
    answer(response, {headers: request.headers, body}, got.length)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return {url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/events`, got}
}

async function served(bus: Transport, plugin: EventPlugin<SinkPluginConfig>, options: object, filter = {}) {
  const registry = await openRegistry(bus.streams)
  const wish = {namespace: 'ORDERS', name: 'app', transport: plugin.name, filter}
  await registry.add({...wish, options: plugin.validateOptions({firstEvent: 'oldest', ...options})})
  const said: string[] = []
  const warn = (line: string) => void said.push(line)
  const manager = await EventManager.start(bus, {warn})
  onTestFinished(() => manager[Symbol.asyncDispose]())
  await manager.use(plugin, {warn})
  const offset = async () => registry.offset(await registry.get('ORDERS', 'app'))
  return {said, until: (wanted: number) => expect.poll(() => offset(), {interval: 5, timeout: 4000}).toBe(wanted)}
}

const plugin = () => webhooks({timeoutMs: 1000})
const bodies = (got: readonly Got[]) => got.map(({body}) => body).join(' ')

describe('a webhook', () => {
  test('gets the payload with its event in headers, one after the other', async () => {
    const bus = await memoryBus()
    await store(bus, 1, 3)
    const {url, got} = await hook()
    const {until} = await served(bus, plugin(), {url})
    await until(3)
    expect(bodies(got)).toBe('1 2 3')
    expect(got[1]?.headers).toMatchObject({
      'bus-subject': 'orders.new',
      'bus-sequence': '2',
      'bus-stream': 'ORDERS',
      'bus-subscription': 'app',
      'bus-event': expect.stringMatching(/^[0-9a-f-]{36}$/),
    })
  })

  test('that refuses gets the event again before anything else, at the time that it set', async () => {
    const bus = await memoryBus()
    await store(bus, 1, 3)
    const times: number[] = []
    const {url, got} = await hook((response, {body}) => {
      times.push(performance.now())
      const isLate = body === '2' && got.filter((one) => one.body === '2').length === 1
      response.writeHead(isLate ? 503 : 200, isLate ? {'Retry-After': '1'} : {}).end()
    })
    const {until, said} = await served(bus, plugin(), {url})
    await until(3)
    expect(bodies(got)).toBe('1 2 2 3')
    expect((times[2] ?? 0) - (times[1] ?? 0)).toBeGreaterThan(950)
    expect(said.join()).toContain('event 2 was rejected')
  })

  test('with read-ahead never has the offset advance over a refused event', async () => {
    const bus = await memoryBus()
    await store(bus, 1, 5)
    const {url, got} = await hook((response, {body}, count) =>
      response.writeHead(body === '3' && count < 9 ? 500 : 200).end(),
    )
    const {until} = await served(bus, plugin(), {url, readAhead: 4})
    await until(5)
    expect(got.filter(({body}) => body === '3').length).toBeGreaterThan(1)
  })

  test('without data gets the event as JSON, and batches as an array', async () => {
    const bus = await memoryBus()
    await store(bus, 1, 3)
    const {url, got} = await hook()
    const {until} = await served(bus, plugin(), {url, withData: false, batch: true, batchTimeout: '10ms'})
    await until(3)
    const events = JSON.parse(got[0]?.body ?? '')
    expect(events).toMatchObject([{sequence: 1}, {sequence: 2}, {sequence: 3}])
    expect(events[0].data).toBeUndefined()
  })

  test('with fastack loses refused events, which is reported', async () => {
    const bus = await memoryBus()
    await store(bus, 1, 2)
    const {url, got} = await hook((response) => response.writeHead(500).end('broken'))
    const {until, said} = await served(bus, plugin(), {url, fastack: true})
    await until(2)
    await expect.poll(() => said.join()).toContain('event 2 was not handled, and is given up')
    expect(got).toHaveLength(2)
  })

  test('may reply: its response is published with the id of the event', async () => {
    const bus = await memoryBus()
    const answers = await bus.subscribe('answers')
    await bus.streams.publish({subject: 'orders.new', data: '1', headers: [['Bus-Reply-To', 'answers']]})
    const {url, got} = await hook((response) =>
      response.writeHead(200, {'Content-Type': 'text/plain'}).end('well done'),
    )
    const {until} = await served(bus, plugin(), {url, reply: true})
    await until(1)
    const [answer] = await answers.take(1)
    expect([answer?.text, answer?.header('Content-Type')]).toEqual(['well done', 'text/plain'])
    expect(answer?.header('Bus-Correlation-Id')).toBe(got[0]?.headers['bus-event'])
  })

  test.each([
    [{}, 'needs a URL'],
    [{url: 'ftp://x'}, 'not an HTTP URL'],
    [{url: 'http://x', fastack: true, reply: true}, 'has no reply'],
    [{url: 'http://x', color: 'red'}, '"color"'],
    [{url: 'http://x', fastack: 'yes'}, 'true or false'],
  ])('is not created with the options %j', (options, reason) => {
    expect(() => plugin().validateOptions(options)).toThrow(reason)
  })
})

describe('a program', () => {
  test('acknowledges with its exit code, and is the same sink as in a replay', async () => {
    const bus = await memoryBus()
    await store(bus, 1, 3)
    const out: string[] = []
    const argv = [
      'sh',
      '-c',
      'read n; echo "$BUS_SEQ:$n"; test "$BUS_SEQ" != 2 -o -f "$0" || { touch "$0"; exit 1; }',
      `/tmp/${crypto.randomUUID()}`,
    ]
    const onStdout = async (data: Uint8Array) => void out.push(String(data).trim())
    const open = () => ({sink: programSink({argv, concurrency: 1, timeoutMs: 5000, onStdout})})
    const {until, said} = await served(bus, sinkPlugin({name: 'exec', open}), {})
    await until(3)
    expect(out).toEqual(['1:1', '2:2', '3:3'])
    expect(said.join()).toContain('event 2 was rejected: sh exited with 1')
  })
})

test('a sink can give up a message for good', async () => {
  const bus = await memoryBus()
  await store(bus, 1, 2)
  const open = () => ({
    sink: {
      batch: 1,
      depth: 1,
      take: async ([message]: readonly Message[]) =>
        message?.text === '1' ? ({reason: 'poison', verdict: 'term'} as const) : undefined,
      async [Symbol.asyncDispose]() {},
    },
  })
  const {until, said} = await served(bus, sinkPlugin({name: 'direct', open}), {})
  await until(2)
  expect(said.join()).toContain('event 1 was not handled, and is given up: poison')
})
