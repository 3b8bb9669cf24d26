/** A requester names a subject of the bus itself as its reply subject: the service must not publish there with its permissions. */
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, describe, expect, test} from 'vitest'
import {register} from '../../src/lib/protocols/loom-rpc/serve.ts'
import {Messenger} from '../../src/lib/protocols/messenger/messenger.ts'
import {open} from '../../src/lib/transport/open.ts'
import {start} from '../bus.ts'
import {NatsServer} from '../nats-server.ts'

const folder = mkdtempSync(join(tmpdir(), 'reply-subjects-'))
const server = await NatsServer.start((home) => `jetstream {store_dir: "${home}/js"}`)
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  rmSync(folder, {recursive: true})
})
const buses = [server.url(), join(folder, 'bus.db')]
const system = [
  '$JS.API.STREAM.PURGE.S',
  '$KV.bus-events.x',
  '$SYS.REQ.ACCOUNT',
  '$O.x',
  '$G.x',
  '$MQTT.x',
  '$SRV.PING',
]

describe.each(buses)('on %s, a request whose reply subject belongs to the bus itself', (url) => {
  test.each([
    ['serve', 'q', '--exec', '--', 'true'],
    ['serve', 'q', '--echo', '--service', 'q'],
    ['serve', 'q', '--stream', 'tick'],
    ['rpc', 'serve', 'a', 'b', '{}', '--instance', 'one', '--prefix', 'q'],
  ])('gets no reply from bus %s %s %s, which is reported once', async (...args) => {
    await using bus = await open(url)
    const dashes = args.indexOf('--')
    const [options, program] = dashes < 0 ? [args, []] : [args.slice(0, dashes), args.slice(dashes)]
    await using service = start([...options, '--bus', url, ...program])
    await service.stderrLine('listening on ')
    await using replies = await bus.subscribe('$KV.>')
    const subject = args[0] === 'rpc' ? 'q.a.one.b' : 'q'
    for (const reply of system) bus.publish({subject, reply, data: 'x'})
    await bus.flush()
    if (args[2] === '--stream') await bus.flush()
    else await bus.request({subject, data: 'x'}, {timeoutMs: 20_000})
    service.interrupt()
    const {code, stderr} = await service.ended
    expect(code).toBe(0)
    expect(stderr.match(/get no reply: it belongs to the bus itself/g)).toHaveLength(1)
    await replies.drain()
    const seen: string[] = []
    for await (const message of replies) seen.push(message.subject)
    expect(seen).toEqual([])
  })

  test('gets one with --system-replies', async () => {
    await using bus = await open(url)
    await using service = start(['serve', 'q', 'yes', '--system-replies', '-n', '1', '--bus', url])
    await service.stderrLine('listening on ')
    await using replies = await bus.subscribe('$KV.x')
    bus.publish({subject: 'q', reply: '$KV.x'})
    await bus.flush()
    expect((await replies.take(1)).map(({text}) => text)).toEqual(['yes'])
  })

  test('gets none from Messenger and from registered methods', async () => {
    await using bus = await open(url)
    const errors: unknown[] = []
    await using messenger = new Messenger(await open(url), {onError: (error) => errors.push(error)})
    await messenger.serve('m', () => 'answer')
    await using method = await register(bus, 'loom.rpc.a.one.b', () => '1')
    await using replies = await bus.subscribe('$KV.>')
    for (const subject of ['m', 'loom.rpc.a.one.b']) {
      bus.publish({subject, reply: '$KV.x', data: '{}'})
      bus.publish({subject, reply: '$KV.y', data: '{}'})
      await bus.request({subject, data: '{}'}, {timeoutMs: 20_000})
    }
    expect(errors).toEqual([expect.objectContaining({kind: 'denied'})])
    await method.close()
    await replies.drain()
    expect((await replies.take(1)).length).toBe(0)
  })
})
