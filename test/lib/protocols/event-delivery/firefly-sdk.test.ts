/** The SDK of Hyperledger FireFly as a client, with its newest and its oldest release. */
import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {createInterface} from 'node:readline'
import {fileURLToPath} from 'node:url'
import {describe, expect, onTestFinished, test} from 'vitest'
import {EventManager} from '../../../../src/lib/protocols/event-delivery/manager.ts'
import {openRegistry} from '../../../../src/lib/protocols/event-delivery/registry.ts'
import {parseOptions} from '../../../../src/lib/protocols/event-delivery/subscription.ts'
import {websockets} from '../../../../src/lib/protocols/event-delivery/websockets.ts'
import {open} from '../../../../src/lib/transport/open.ts'
import {store} from './direct.ts'

const program = fileURLToPath(new URL('firefly-client.ts', import.meta.url))

async function gateway(count: number, readAhead: number, token?: string) {
  const bus = await open(`memory:${crypto.randomUUID()}`)
  onTestFinished(() => bus.close())
  await bus.streams.add({name: 'ORDERS', subjects: ['orders.>']})
  await store(bus, 1, count)
  const registry = await openRegistry(bus.streams)
  const options = parseOptions({firstEvent: 'oldest', readAhead}, {withData: false})
  await registry.add({namespace: 'ORDERS', name: 'app', transport: 'websockets', filter: {}, options})
  const said: string[] = []
  const warn = (line: string) => void said.push(line)
  const manager = await EventManager.start(bus, {warn})
  onTestFinished(() => manager[Symbol.asyncDispose]())
  const plugin = websockets()
  await manager.use(plugin, {address: {host: '127.0.0.1', port: 0}, admission: {token, anonymous: true}, warn})
  const offset = async () => registry.offset(await registry.get('ORDERS', 'app'))
  return {url: plugin.url.replace('ws:', 'http:'), said, until: (n: number) => expect.poll(offset).toBe(n)}
}

/** The application; `got` are the events and errors that it received. */
function application(name: string, url: string, {token = '', ms = 0} = {}) {
  const child = spawn(process.execPath, [program, name, url, token, String(ms)], {stdio: ['pipe', 'pipe', 'ignore']})
  onTestFinished(async () => {
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  })
  const got: string[] = []
  const waiting: {readonly count: number; readonly resolve: () => void}[] = []
  createInterface({input: child.stdout}).on('line', (line) => {
    // The SDK writes to stdout, too.
    const [, event] = /^event (.+)/.exec(line) ?? []
    if (event === undefined) return
    got.push(event)
    for (const one of waiting) if (got.length >= one.count) one.resolve()
  })
  const received = (count: number) => new Promise<void>((resolve) => waiting.push({count, resolve}))
  return {got, received, cut: () => child.stdin.write('cut\n')}
}

const numbers = (from: number, to: number) => Array.from({length: to - from + 1}, (_, at) => String(from + at))

describe.each(['@hyperledger/firefly-sdk', 'firefly-sdk-oldest'])('the package %s', (name) => {
  test('acknowledges a subscription from its first to its last event', async () => {
    const {url, until, said} = await gateway(20, 0)
    const {got} = application(name, url)
    await until(20)
    expect([got, said]).toEqual([numbers(1, 20), []])
  })

  test('logs in with the token as its password', async () => {
    const {url, until} = await gateway(3, 0, 's3cret')
    application(name, url, {token: 's3cret'})
    await until(3)
  })

  test('with read-ahead recovers from a lost connection, and gets again only what was in flight', async () => {
    const {url, until, said} = await gateway(100, 49)
    const {got, received, cut} = application(name, url, {ms: 5})
    await received(10)
    cut()
    await until(100)
    expect(got.filter((line) => !/^\d+$/.test(line))).toEqual([])
    expect([...new Set(got)].sort((a, b) => Number(a) - Number(b))).toEqual(numbers(1, 100))
    expect(got.length).toBeLessThan(100 + 2 * 50)
    expect(said.length).toBeLessThanOrEqual(1)
  })
})
