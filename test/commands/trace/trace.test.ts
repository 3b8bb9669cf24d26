import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {open} from '../../../src/lib/transport/open.ts'
import {onBothBuses} from '../../both-buses.ts'
import {bus} from '../../bus.ts'
import {lacks, NatsServer} from '../../nats-server.ts'

const old = await lacks(2, 11)

onBothBuses((newScene) => {
  test.skipIf(old)(`trace shows subscribers, groups and streams, and delivers nothing${old}`, async () => {
    await using scene = await newScene()
    const {streams} = scene.transport
    await streams.add({name: 'ORDERS', subjects: ['orders.*']})
    await streams.consumers.add('ORDERS', {name: 'billing'})
    await using plain = await scene.transport.subscribe('orders.>')
    await scene.transport.subscribe('orders.new', {queue: 'team'})
    const {code, stdout, stderr} = await scene.run(['trace', 'orders.new', 'hi'])
    expect([code, stderr]).toEqual([0, 'nothing was delivered; --deliver delivers it\n'])
    const lines = stdout.replaceAll(/ · (process \d+|connection \d+|without a name)/g, '')
    expect(lines).toMatch(/^orders\.new\n├─ stream ORDERS\n│ {2}└─ consumer billing · lag 0\n/)
    expect(lines).toMatch(/─ subscriber .*orders\.>$/m)
    expect(lines).toMatch(/queue group team/)
    expect((await streams.info('ORDERS')).state.messages).toBe(0)

    const sent = await scene.run(['trace', 'orders.new', 'hi', '--deliver', '--json'])
    const {delivered, steps, consumers} = JSON.parse(sent.stdout)
    expect(delivered).toBe(true)
    expect(steps.map(({kind}: {kind: string}) => kind).sort()).toContain('stream')
    expect(consumers).toMatchObject([{stream: 'ORDERS', consumer: 'billing'}])
    expect((await plain.take(1)).map(({text}) => text)).toEqual(['hi'])
    expect((await streams.info('ORDERS')).state.messages).toBe(1)
  })

  test.skipIf(old)(`a message that nobody receives is exit code 7${old}`, async () => {
    await using scene = await newScene()
    const {code, stdout, stderr} = await scene.run(['trace', 'nobody', 'x'])
    expect([code, stdout, stderr]).toEqual([7, 'nobody\n', expect.stringContaining('nobody receives "nobody" on ')])
    expect(await scene.run(['trace', 'a.*', 'x'])).toMatchObject({code: 2, stdout: ''})
  })
})

test.skipIf(!old)('trace needs a server of 2.11', async () => {
  await using server = await NatsServer.start()
  const {code, stderr} = await bus(['trace', 'a', 'x', '-b', server.url()])
  expect([code, stderr]).toEqual([2, expect.stringContaining('tracing needs 2.11')])
})

describe.skipIf(old)(`on a server with accounts${old}`, () => {
  let server: NatsServer
  beforeAll(async () => {
    server = await NatsServer.start(`
      accounts {
        A {
          mappings: {"old.*": "new.$1"}
          exports: [{service: "shop.>", allow_trace: true}, {service: "dark.>"}]
          users: [{user: a, password: p}, {user: mute, password: p, permissions: {publish: {deny: ["secret"]}}}]
        }
        B {
          imports: [{service: {account: A, subject: "shop.>"}}, {service: {account: A, subject: "dark.>"}}]
          users: [{user: b, password: p}]
        }
      }`)
  })
  afterAll(() => server[Symbol.asyncDispose]())
  const trace = (user: string, subject: string) => bus(['trace', subject, 'x', '-b', server.url({login: `${user}:p`})])

  test('trace shows mappings, and follows an import that allows it', async () => {
    await using a = await open(server.url({login: 'a:p'}), {name: 'shop'})
    await a.subscribe(['new.1', 'shop.get', 'dark.get'])
    expect((await trace('a', 'old.1')).stdout).toMatch(
      /^old\.1 at account A\n├─ mapped to new\.1\n└─ subscriber shop · new\.1\n$/,
    )
    const followed = await trace('b', 'shop.get')
    expect(followed.stdout).toMatch(/─ service of account A shop\.get\n(.*\n)*.*─ subscriber shop · shop\.get/)
    expect((await trace('b', 'dark.get')).code).toBe(0)
  })

  test('a message that the login may not publish is exit code 4', async () => {
    expect(await trace('mute', 'secret')).toMatchObject({code: 4, stdout: ''})
  })
})
