/** Every command uses the first server of a list that can be reached, whatever --max-reconnects is. */
import {createServer, type Server} from 'node:net'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {bus, start} from '../bus.ts'
import {NatsServer} from '../nats-server.ts'

let server: NatsServer
let up: string
/** Accepts connections and sends nothing. */
let silent: Server
let silentUrl: string
const down = 'nats://127.0.0.1:1'
const unknown = 'nats://nobody.invalid:4222'

beforeAll(async () => {
  server = await NatsServer.start((home) => `jetstream {store_dir: "${home}"}`)
  up = server.url()
  silent = createServer((socket) => socket.on('error', () => {}))
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const address = silent.address()
  silentUrl = `nats://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
  await bus(['stream', 'add', 'S', 's.>', '-b', up])
  await bus(['consumer', 'add', 'S', 'c', '-b', up])
})
afterAll(async () => {
  silent.close()
  await server[Symbol.asyncDispose]()
})

const lists: Readonly<Record<string, () => string>> = {
  'one that is down': () => `${down},${up}`,
  'two that are down': () => `${down},${down}0,${up}`,
  'one that is down, and another after it': () => `${down},${up},${down}`,
  'an unknown host': () => `${unknown},${up}`,
}

describe.each(Object.keys(lists))('with %s in the list of servers', (name) => {
  const list = lists[name] ?? (() => up)

  test.each([
    [['pub', 'a', '1']],
    [['pub', 's.a', '1', '--ack']],
    [['stream', 'ls']],
    [['consumer', 'info', 'S', 'c']],
    [['consumer', 'next', 'S', 'c']],
    [['doctor']],
    [['rpc', 'ls']],
    [['events', 'ls']],
  ])('%j uses the server that is up', async (args) => {
    // For doctor, a name that cannot be resolved is a failure of its own.
    const code = args[0] === 'doctor' && list().includes('invalid') ? 9 : 0
    expect(await bus([...args, '-b', list()])).toMatchObject({code})
  })

  test.each([
    [['sub', 'x', '--max-reconnects', '0']],
    [['sub', 'x', '--max-reconnects', '1']],
    [['serve', 'x', '--echo']],
  ])('%j listens on the server that is up', async (args) => {
    await using running = start([...args, '-b', list()])
    await running.stderrLine('listening')
  })

  test('req finds its service', async () => {
    await using service = start(['serve', 'q', 'yes', '-b', list()])
    await service.stderrLine('listening')
    expect(await bus(['req', 'q', '-b', list()])).toMatchObject({code: 0, stdout: 'yes\n'})
  })

  test('BUS_URL and NATS_URL may contain the list', async () => {
    for (const variable of ['BUS_URL', 'NATS_URL'])
      expect(await bus(['pub', 'a', '1'], {env: {[variable]: list()}})).toMatchObject({code: 0})
  })
})

test('a server that accepts a connection and sends nothing is skipped after --connect-timeout', async () => {
  expect(await bus(['pub', 'a', '1', '--connect-timeout', '3s', '-b', `${silentUrl},${up}`])).toMatchObject({
    code: 0,
  })
})

test('a server that refuses the login is skipped, and is the reason if no other one can be reached', async () => {
  await using closed = await NatsServer.start('authorization {user: a, password: b}')
  expect(await bus(['pub', 'a', '1', '-b', `${closed.url()},${up}`])).toMatchObject({code: 0})
  for (const list of [`${closed.url()},${down}`, `${down},${closed.url()}`]) {
    const {code, stderr} = await bus(['pub', 'a', '1', '-b', list])
    expect([code, stderr]).toEqual([4, expect.stringContaining('requires a login')])
  }
})
