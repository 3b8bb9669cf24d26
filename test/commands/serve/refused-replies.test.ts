/** A reply that cannot be sent is the failure of one request; the service continues. */
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {open} from '../../../src/lib/transport/open.ts'
import {bus, start} from '../../bus.ts'
import {NatsServer} from '../../nats-server.ts'

let server: NatsServer
beforeAll(async () => {
  server = await NatsServer.start(
    () => `authorization {users: [
      {user: full, password: p}
      {user: deny, password: p, permissions: {publish: {deny: ["deny.>"]}}}
      {user: late, password: p, permissions: {publish: {deny: [">"]}, allow_responses: {max: 1, expires: "500ms"}}}
    ]}`,
  )
})
afterAll(() => server[Symbol.asyncDispose]())

const rpcRequest = JSON.stringify({service: 'a', method: 'm'})
const ways: readonly (readonly [string, string, readonly string[]])[] = [
  ['serve', 'k', ['serve', 'k', 'hi']],
  ['serve --service', 'l', ['serve', 'l', 'hi', '--service', 'greeter']],
  ['serve --exec', 'm', ['serve', 'm', '--exec', '--', 'echo', 'hi']],
  ['rpc serve', 'loom.rpc.a.one.m', ['rpc', 'serve', 'a', 'm', '"hi"', '--instance', 'one']],
]

describe('a service', () => {
  test.each(ways)('of %s continues after replies that it may not send', async (_, subject, args) => {
    const [command, ...rest] = args
    const split = rest.indexOf('--')
    const own = split < 0 ? [command ?? '', ...rest] : [command ?? '', ...rest.slice(0, split)]
    const program = split < 0 ? [] : rest.slice(split)
    await using run = start([...own, '-b', server.url({login: 'deny:p'}), ...program])
    await using full = await open(server.url({login: 'full:p'}))
    await expect
      .poll(
        () =>
          full.request({subject, data: rpcRequest}, {timeoutMs: 500}).then(
            ({text}) => text,
            () => '',
          ),
        {timeout: 10_000},
      )
      .toContain('hi')
    for (const [n, reply] of ['deny.me', 'deny.you', 'deny.me'].entries()) {
      full.publish({subject, reply, data: rpcRequest})
      if (n < 2) expect(await run.stderrLine('a reply could not be sent')).toContain(`"${reply}"`)
      expect((await full.request({subject, data: rpcRequest}, {timeoutMs: 3000})).text).toContain('hi')
    }
    run.kill('SIGINT')
    const {code, stderr} = await run.ended
    expect(code, stderr).toBe(0)
    expect(stderr.match(/a reply could not be sent: .*"deny\.me"/g)).toHaveLength(1)
    expect(stderr.match(/a reply could not be sent: .*"deny\.you"/g)).toHaveLength(1)
    expect(stderr).toMatch(/3 failed/)
  })

  test('continues after a reply that comes too late for its permission', async () => {
    await using run = start(['serve', 'slow', 'hi', '--delay', '1s', '-b', server.url({login: 'late:p'})])
    await using full = await open(server.url({login: 'full:p'}))
    await expect
      .poll(() => full.request({subject: 'slow'}, {timeoutMs: 3000}).catch(({kind}) => kind), {timeout: 10_000})
      .toBe('timeout')
    await expect(full.request({subject: 'slow'}, {timeoutMs: 3000})).rejects.toMatchObject({kind: 'timeout'})
    run.kill('SIGINT')
    const {code, stderr} = await run.ended
    expect([code, stderr]).toEqual([0, expect.stringContaining('a reply could not be sent')])
  })

  test('of rpc serve says in an envelope that its answer is too large', async () => {
    const url = server.url({login: 'full:p'})
    const expr = '$join([1..200000].("xxxxxxxxxx"))'
    await using run = start(['rpc', 'serve', 'big', 'm', '--expr', expr, '--instance', 'one', '-b', url])
    await run.stderrLine()
    const {code, stderr} = await bus(['rpc', 'call', 'big', 'm', '--instance', 'one', '-b', url])
    expect([code, stderr]).toEqual([8, expect.stringMatching(/bytes|too large/)])
    expect(stderr).not.toContain('envelope')
  })
})
