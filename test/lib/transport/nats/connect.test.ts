import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {createServer, type Server, type Socket} from 'node:net'
import {join} from 'node:path'
import {afterAll, describe, expect, it} from 'vitest'
import {BusError} from '../../../../src/lib/core/errors.ts'
import type {OpenOptions} from '../../../../src/lib/transport/contract.ts'
import {open} from '../../../../src/lib/transport/open.ts'
import {NatsServer} from '../../../nats-server.ts'

const server = await NatsServer.start('websocket { listen: "127.0.0.1:-1", no_tls: true }')
const full = await NatsServer.start('max_connections: 1')
const openPath = join(import.meta.dirname, '../../../../src/lib/transport/open.ts')
const ends: (() => void)[] = []
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await full[Symbol.asyncDispose]()
  for (const end of ends) end()
})

/** Another kind of server: its port. */
async function listener(greet: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const other: Server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}))
    greet(socket)
  })
  ends.push(() => {
    for (const socket of sockets) socket.destroy()
    other.close()
  })
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  return (other.address() as {port: number}).port
}

/** A port where nothing listens. */
async function freePort(): Promise<number> {
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  const {port} = other.address() as {port: number}
  await new Promise((resolve) => other.close(resolve))
  return port
}

async function failure(url: string, options: OpenOptions = {}): Promise<BusError> {
  const error = await open(url, {connectTimeoutMs: 300, ...options}).catch((error: unknown) => error)
  if (!(error instanceof BusError)) throw new Error(`no failure of ours: ${error}`)
  return error
}

const nowhere = await freePort()
const silent = await listener(() => {})
const web = await listener((socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'))
const hangsUp = await listener((socket) => socket.end())
const endsLater = await listener((socket) => {
  socket.write('INFO {"server_id":"x","version":"2.10.0","proto":1,"max_payload":1024,"headers":true}\r\n')
  socket.once('data', () => socket.end())
})

it('wss:// to a WebSocket listener without TLS fails with a sentence of its own', async () => {
  const url = server.url({scheme: 'wss'})
  const failing = open(url, {connectTimeoutMs: 5000})
  await expect(failing).rejects.toMatchObject({
    kind: 'connect',
    message: `cannot connect to ${url}: it does not speak TLS there`,
  })
})

describe('connecting', () => {
  it.each<[string, string, string]>([
    ['to a port where nothing listens', `nats://127.0.0.1:${nowhere}`, 'nothing listens there'],
    ['to a host name of nobody', 'nats://no-such-host.invalid:4222', 'the host name is unknown'],
    ['to something silent', `nats://127.0.0.1:${silent}`, 'no answer within 300 ms'],
    ['to a web server', `nats://127.0.0.1:${web}`, 'the server there is not a NATS server'],
    ['to something that hangs up', `nats://127.0.0.1:${hangsUp}`, 'it closed the connection'],
    ['to something that hangs up after the greeting', `nats://127.0.0.1:${endsLater}`, 'it closed the connection'],
    ['by WebSocket to a port where nothing listens', `ws://127.0.0.1:${nowhere}`, 'nothing listens there'],
    ['by WebSocket to something silent', `ws://127.0.0.1:${silent}`, 'no answer within 300 ms'],
    ['by WebSocket to a web server', `ws://127.0.0.1:${web}`, 'the server there accepts no WebSockets'],
    ['by WebSocket to a NATS port', `ws://127.0.0.1:${server.port()}`, ''],
    [
      'to several where nothing listens',
      `nats://127.0.0.1:${nowhere},nats://127.0.0.1:${hangsUp}`,
      'it closed the connection',
    ],
  ])('%s fails quickly in a sentence that names the server', async (_, url, sentence) => {
    const began = performance.now()
    const error = await failure(url)
    expect(error).toMatchObject({kind: 'connect', exitCode: 3})
    expect(error.message).toMatch(`cannot connect to ${url}: ${sentence}`)
    expect(performance.now() - began).toBeLessThan(4000)
  })

  it('to a server that accepts no more connections reports that, unless the system discarded the error', async () => {
    await using bus = await open(full.url())
    await bus.flush()
    const sentence = expect.stringMatching(/: it (accepts no more connections|closed the connection)$/)
    expect(await failure(full.url())).toMatchObject({kind: 'connect', message: sentence})
  })

  it('leaves nothing behind that keeps the process from ending if it fails', async () => {
    const attempts: [string, OpenOptions][] = [
      [`nats://127.0.0.1:${silent}`, {connectTimeoutMs: 30}],
      [`ws://127.0.0.1:${silent}`, {connectTimeoutMs: 30}],
      [`nats://127.0.0.1:${silent}`, {connectTimeoutMs: 30, tls: {first: true}}],
      [`nats://127.0.0.1:${endsLater}`, {connectTimeoutMs: 60_000}],
    ]
    const program = `import {open} from ${JSON.stringify(openPath)}
      for (const [url, options] of ${JSON.stringify(attempts)}) await open(url, options).catch(() => {})
      await open(${JSON.stringify(`nats://127.0.0.1:${silent}`)}, {signal: AbortSignal.timeout(20)}).catch(() => {})`
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {timeout: 20_000})
    expect(await once(child, 'exit')).toEqual([0, null])
  })

  it('is interrupted by its signal immediately, before and while it waits', async () => {
    const url = `nats://127.0.0.1:${silent}`
    expect(await failure(url, {signal: AbortSignal.abort()})).toMatchObject({kind: 'interrupted'})
    const began = performance.now()
    const error = await failure(url, {connectTimeoutMs: 60_000, signal: AbortSignal.timeout(20)})
    expect(error).toMatchObject({kind: 'interrupted'})
    expect(performance.now() - began).toBeLessThan(10_000)
  })

  it('tries the next server of the list', async () => {
    const ports = [nowhere, silent, hangsUp, endsLater, web]
    const url = `${ports.map((port) => `nats://127.0.0.1:${port}`).join(',')},${server.url()}`
    await using bus = await open(url, {connectTimeoutMs: 300})
    expect(bus.url).toBe(url)
    await bus.flush()
  })

  it('accepts hosts after the first without a scheme, and the default port', async () => {
    const error = await failure(`nats://127.0.0.1:${nowhere}, 127.0.0.1:${hangsUp}`)
    expect(error.message).toContain(`nats://127.0.0.1:${nowhere},nats://127.0.0.1:${hangsUp}`)
  })

  it('works over WebSocket as over TCP, both in one process', async () => {
    await using socket = await open(server.url({scheme: 'ws'}), {name: 'by socket'})
    await using tcp = await open(server.url())
    await using subscription = await socket.subscribe('a.>')
    const data = 'x'.repeat(200_000)
    for (let i = 0; i < 20; i++) tcp.publish({subject: `a.${i}`, data})
    socket.publish({subject: 'a.last', data: 'grüße', headers: [['A', '1']]})
    const got: string[] = []
    while (got.length < 21) got.push(...(await subscription.take(100)).map(({text}) => text))
    expect(got.filter((text) => text === data)).toHaveLength(20)
    expect(got).toContain('grüße')
    await using serving = await socket.subscribe('serve')
    const reply = tcp.request({subject: 'serve'})
    const [request] = await serving.take(1)
    socket.publish({subject: request?.reply ?? '', data: 'served'})
    expect((await reply).text).toBe('served')
  })

  it('sends the name of the connection to the server', async () => {
    await using monitored = await NatsServer.start('http: "127.0.0.1:-1"')
    const port = /Starting http monitor on \S+:(\d+)/.exec(monitored.log)?.[1]
    await using bus = await open(monitored.url(), {name: 'bus sub'})
    await bus.flush()
    const answer = await fetch(`http://127.0.0.1:${port}/connz`)
    expect((await answer.json()) as unknown).toMatchObject({connections: [{name: 'bus sub'}]})
  })

  it.each(['nats://', 'nats://:4222', 'nats://a:b:c@', 'nats://host:port', 'nats://a,ws://b', 'nats://a,http://b'])(
    'to %j is refused as an invalid server URL, without its secrets',
    async (url) => {
      const error = await failure(url)
      expect(error).toMatchObject({kind: 'usage'})
      expect(error.message).not.toContain('b:c')
    },
  )
})
