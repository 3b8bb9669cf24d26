/** The server ends for good while a command has work outstanding: signals and the bounds of the command end it all the same. */
import {expect, onTestFinished, test} from 'vitest'
import {Broker} from '../../src/lib/protocols/broker/broker.ts'
import {Messenger} from '../../src/lib/protocols/messenger/messenger.ts'
import type {Transport} from '../../src/lib/transport/contract.ts'
import {open} from '../../src/lib/transport/open.ts'
import {bus, type Running, start} from '../bus.ts'
import {NatsServer} from '../nats-server.ts'

const lost = (running: Running) => running.stderrLine('the connection to')
/** Milliseconds: one second, and a reserve for a busy machine. */
const most = 4000

interface Scene {
  readonly args: readonly string[]
  /** For stdin, which stays open. */
  readonly lines?: string
  /** Resolves when the command has unconfirmed work; without it that is seen at the server. */
  readonly begun?: (running: Running) => Promise<unknown>
}

const shown = (running: Running) => running.stdoutLine()
const listening = (running: Running) => running.stderrLine('listening')

/** Messages or acknowledgements of each are not confirmed when the server ends. */
const scenes: readonly Scene[] = [
  {args: ['sub', 's.>', '--durable', 'explicit'], begun: shown},
  {args: ['sub', 's.>', '--durable', 'all'], begun: shown},
  {args: ['sub', 's.>', '--durable', 'none'], begun: shown},
  {args: ['sub', 's.>', '--durable', 'limited'], begun: shown},
  {args: ['sub', 's.>', '--from', 'first'], begun: shown},
  {args: ['consumer', 'next', 'S', 'next', '-n', '100', '-t', '60s'], begun: shown},
  {args: ['consumer', 'replay', 'S', 'replayed', '--follow', '--raw'], begun: shown},
  {args: ['consumer', 'replay', 'S', 'executed', '--follow', '--exec', '--', 'cat']},
  {args: ['consumer', 'replay', 'S', 'copied', '--follow', '--into', 'sqlite:copy.db', '--create']},
  {args: ['pub', 'zz', '--lines'], lines: 'a\nb\n'},
  {args: ['pub', 's.a', '--lines', '--ack'], lines: 'a\nb\n'},
  {args: ['serve', 'zz', '--echo'], begun: listening},
  {args: ['events', 'serve', '--ws', '127.0.0.1:0', '--allow-anonymous'], begun: listening},
  {args: ['bench', 'replay', 'S', '--durable', 'benched', '--for', '1h']},
]

/** A server with one stream, and consumers of it. */
async function begin(): Promise<NatsServer> {
  const started = await NatsServer.start((home) => `jetstream {store_dir: "${home}"}`)
  const at = ['-b', started.url()]
  await bus(['stream', 'add', 'S', 's.>', ...at])
  await bus(['pub', 's.a', 'x', '--ack', '--count', '20', ...at])
  for (const name of ['explicit', 'next', 'replayed', 'executed', 'copied', 'benched'])
    await bus(['consumer', 'add', 'S', name, ...at])
  await bus(['consumer', 'add', 'S', 'all', '--ack', 'all', ...at])
  await bus(['consumer', 'add', 'S', 'none', '--ack', 'none', ...at])
  await bus(['consumer', 'add', 'S', 'limited', '--max-deliver', '3', ...at])
  return started
}

async function endsAfter(from: number, running: Running) {
  const {code, stderr} = await running.ended
  return {code, stderr, late: performance.now() - from > most}
}

/** Resolves when these consumers have delivered, and a message was published with --ack. */
async function areAtWork({streams}: Transport, consumers: readonly string[]): Promise<void> {
  for (const name of consumers)
    await expect.poll(async () => (await streams.consumers.info('S', name)).deliveredSeq).toBeGreaterThan(0)
  await expect.poll(async () => (await streams.info('S')).state.messages).toBeGreaterThan(20)
}

test('SIGTERM ends every command', async () => {
  await using server = await begin()
  const env = {BUS_URL: server.url()}
  await using transport = await open(server.url())
  await using published = await transport.subscribe('zz')
  const all = scenes.map((scene) => {
    const running = start(scene.args, {stdin: 'open', env})
    onTestFinished(() => running[Symbol.asyncDispose]())
    if (scene.lines !== undefined) running.stdin.write(scene.lines)
    return {...scene, running}
  })
  await Promise.all(all.map(({begun, running}) => begun?.(running)))
  await published.take(1)
  await areAtWork(transport, ['executed', 'copied', 'benched'])
  await server.stop('SIGKILL')
  await Promise.all(all.map(({running}) => lost(running)))
  const from = performance.now()
  for (const {running} of all) running.kill('SIGTERM')
  const ended = await Promise.all(
    all.map(async ({args, running}) => ({args, ...(await endsAfter(from, running)), stderr: ''})),
  )
  expect(ended.filter(({code, late}) => late || code === null)).toEqual([])
})

test.each([
  [['sub', 's.>', '--durable', 'explicit', '--for', '3s']],
  [['sub', 's.>', '--durable', 'explicit', '--idle', '3s']],
])('%j ends although acknowledgements are not confirmed, and reports it', async (args) => {
  await using server = await begin()
  await bus(['pub', 's.a', 'x', '--ack', '-b', server.url()])
  await using running = start([...args, '-b', server.url()])
  await shown(running)
  await server.stop('SIGKILL')
  const {code, stderr, late} = await endsAfter(performance.now() + 3000, running)
  expect({code, late}).toEqual({code: 3, late: false})
  expect(stderr).toMatch(/did not confirm .* to explicit of S: the connection is lost; the messages may be redelivered/)
})

test('an interrupted "consumer next" ends before its timeout, and reports it', async () => {
  await using server = await begin()
  await bus(['pub', 's.a', 'x', '--ack', '-b', server.url()])
  await using running = start(['consumer', 'next', 'S', 'next', '-n', '100', '-t', '60s', '-b', server.url()])
  await shown(running)
  await server.stop('SIGKILL')
  await lost(running).catch(() => {})
  const from = performance.now()
  running.kill('SIGTERM')
  expect(await endsAfter(from, running)).toMatchObject({late: false})
})

test('a broker and a messenger of the library stop', async () => {
  await using server = await begin()
  const broker = new Broker({url: server.url(), stream: 'B', jetstream: true}, {})
  await broker.start()
  await using messenger = new Messenger(await open(server.url()))
  const handled = Promise.withResolvers<void>()
  await broker.subscribeDurable('B.n', 'durable', () => handled.resolve())
  await broker.publish('B.n', '1')
  await messenger.serve('m', () => new Uint8Array())
  await handled.promise
  await server.stop('SIGKILL')
  const from = performance.now()
  messenger.publish('m', 'lost').catch(() => {})
  await Promise.all([broker.stop().catch(() => {}), messenger.close().catch(() => {})])
  // Unconfirmed acknowledgements wait five seconds for the server to return.
  expect(performance.now() - from).toBeLessThan(5000 + most)
})
