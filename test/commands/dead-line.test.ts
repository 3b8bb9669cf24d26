/** A connection that stops forwarding at any moment: every command ends within a limited time, and reports what happened. */
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {bus, start} from '../bus.ts'
import {FaultyProxy} from '../faulty-proxy.ts'
import {NatsServer} from '../nats-server.ts'

let server: NatsServer
beforeAll(async () => {
  server = await NatsServer.start((home) => `jetstream {store_dir: "${home}"}`)
  await bus(['stream', 'add', 'S', 's.>', '-b', server.url()])
  for (const name of ['c', 'd']) await bus(['consumer', 'add', 'S', name, '-b', server.url()])
  for (let i = 0; i < 3; i++) await bus(['pub', 's.a', `${i}`, '--ack', '-b', server.url()])
})
afterAll(() => server[Symbol.asyncDispose]())

const bounds = ['--timeout', '1s', '--connect-timeout', '1s']
/** Milliseconds: far more than several waits of one second take, also on a busy machine. */
const most = 30_000

async function timed(args: readonly string[], deadAfter: number) {
  await using proxy = await FaultyProxy.before(server, deadAfter)
  const from = performance.now()
  const ended = await bus([...args, ...bounds, '-b', proxy.url])
  return {...ended, ms: performance.now() - from}
}

const cuts = Array.from({length: 20}, (_, i) => i + 1)

describe.each([
  [['pub', 'a', 'hi']],
  [['pub', 's.a', 'hi', '--ack']],
  [['req', 'nobody', 'x']],
  [['req', 's.a', 'x', '--count', '3']],
  [['stream', 'ls']],
  [['stream', 'info', 'S']],
  [['stream', 'get', 'S', '1']],
  [['consumer', 'next', 'S', 'c']],
  [['consumer', 'replay', 'S', 'd', '--for', '1s']],
  [['consumer', 'replay', 'S', '--from', 'first', '--for', '3s']],
  [['sub', 'zz', '--for', '1s']],
  [['sub', 's.>', '--durable', 'c', '--for', '1s']],
  [['sub', 's.>', '--from', 'first', '--for', '1s']],
  [['serve', 'zz', '--echo', '--for', '1s']],
  [['stream', 'open', 'cd']],
  [['rpc', 'call', 'loom.rpc.a.b.c']],
  [['rpc', 'ls']],
  [['context', 'check']],
  [['doctor']],
])('%j on a connection that stops forwarding', (args) => {
  test('ends after each of the first twenty lines of the protocol', async () => {
    const slow: unknown[] = []
    const silent: unknown[] = []
    for (let at = 0; at < cuts.length; at += 5) {
      const results = await Promise.all(cuts.slice(at, at + 5).map(async (cut) => ({cut, ...(await timed(args, cut))})))
      for (const {cut, code, ms, stderr, stdout} of results) {
        if (ms > most || code === null) slow.push({cut, code, ms, stderr})
        if (code !== 0 && stderr === '' && stdout === '') silent.push({cut, code})
      }
    }
    expect({slow, silent}).toEqual({slow: [], silent: []})
  })
})

test.each([[['rpc', 'ls']], [['rpc', 'ls', '--json']]])('%j does not say that there are no services', async (args) => {
  for (const deadAfter of [4, 5, 6]) expect(await timed(args, deadAfter)).toMatchObject({code: 3, stdout: ''})
})

describe.each([
  [['sub', 'zz']],
  [['serve', 'zz', '--echo']],
  [['sub', 's.>', '--durable', 'c']],
  [['consumer', 'replay', 'S', 'd', '--follow']],
  [['pub', 'zz', 'x', '--every', '100ms', '--count', '1000']],
])('%j on a connection that stops forwarding', (args) => {
  test.each(['SIGTERM', 'SIGINT'] as const)('ends at %s', async (signal) => {
    const late: unknown[] = []
    await Promise.all(
      [3, 5, 6, 8, 12].map(async (cut) => {
        await using proxy = await FaultyProxy.before(server, cut)
        await using running = start([...args, '-b', proxy.url])
        await new Promise((resolve) => setTimeout(resolve, 1500))
        const from = performance.now()
        running.kill(signal)
        const {code} = await running.ended
        const ms = performance.now() - from
        // One second, and a reserve for a busy machine.
        if (ms > 4000) late.push({cut, code, ms})
      }),
    )
    expect(late).toEqual([])
  })
})
