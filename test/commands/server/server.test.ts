import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {open} from '../../../src/lib/transport/open.ts'
import {bus} from '../../bus.ts'
import {temporaryFolder} from '../../lib/transport/sqlite/processes.ts'
import {NatsServer} from '../../nats-server.ts'

let server: NatsServer
beforeAll(async () => {
  server = await NatsServer.start(
    (folder) => `
      server_name: one
      jetstream { store_dir: "${folder}" }
      system_account: SYS
      accounts {
        SYS { users: [{user: sys, password: p}] }
        A { jetstream: enabled, users: [{user: a, password: p}] }
      }`,
  )
})
afterAll(() => server[Symbol.asyncDispose]())
const urlOf = (user: string) => server.url({login: `${user}:p`})
const run = (user: string, ...args: string[]) => bus([...args, '-b', urlOf(user)])
const json = async (user: string, ...args: string[]) => JSON.parse((await run(user, ...args, '--json')).stdout)

describe('with a system login', () => {
  test('server ls, ping and info show each server', async () => {
    expect(await json('sys', 'server', 'ls')).toMatchObject([
      {server: 'one', version: expect.stringMatching(/^\d/), connections: 1, jetstream: true, slowConsumers: 0},
    ])
    expect((await run('sys', 'server', 'ls')).stdout).toMatch(/^server +cluster +version +host +connections .*\none /)
    expect(await json('sys', 'server', 'ping')).toMatchObject([{server: 'one', ms: expect.any(Number)}])
    expect(await json('sys', 'server', 'info')).toMatchObject([{name: 'one', raw: {server_name: 'one'}}])
    expect((await run('sys', 'server', 'info', 'one')).stdout).toMatch(
      /^server +one\n(.*\n)*connections +1 of 65,536\n/,
    )
    expect(await run('sys', 'server', 'info', 'two')).toMatchObject({
      ...{code: 5, stderr: expect.stringContaining('try: one of one')},
    })
  })

  test('server report shows connections, accounts, JetStream and health', async () => {
    await using a = await open(urlOf('a'), {name: 'reported'})
    await a.subscribe('x')
    await a.streams.add({name: 'S', subjects: ['s']})
    const connections = await json('sys', 'server', 'report', 'connections')
    expect(connections.find(({name}: {name: string}) => name === 'reported')).toMatchObject({
      ...{account: 'A', user: 'a', server: 'one', language: 'nats.js', pendingBytes: 0},
    })
    const accounts = await json('sys', 'server', 'report', 'accounts')
    expect(accounts.find(({account}: {account: string}) => account === 'A')).toMatchObject({connections: 1})
    expect(await json('sys', 'server', 'report', 'jetstream')).toMatchObject([{server: 'one', streams: 1}])
    expect((await run('sys', 'server', 'report', 'health')).stdout).toMatch(/^server .*\none .* ok$/m)
    expect(await run('sys', 'server', 'report', 'weather')).toMatchObject({code: 2, stdout: ''})
  })
})

describe('with another login', () => {
  test('what needs a system login is exit code 4, and says so', async () => {
    for (const args of [['ls'], ['ping'], ['info'], ['report', 'jetstream'], ['report', 'health']]) {
      const {code, stdout, stderr} = await run('a', 'server', ...args)
      expect([args, code, stdout, stderr]).toEqual([
        args,
        4,
        '',
        expect.stringContaining('try: a login of the system account'),
      ])
    }
  })

  test('server report connections shows its own account', async () => {
    await using _sys = await open(urlOf('sys'), {name: 'hidden'})
    expect(await json('a', 'server', 'report', 'connections')).toMatchObject([{account: 'A', user: 'a'}])
  })

  test('account info shows connections, usage and limits; a system login its own account only', async () => {
    expect(await json('a', 'account', 'info')).toMatchObject({
      ...{account: 'A', user: 'a', connections: 1, leafNodes: 0, jetstream: {storage: {used: 0}}},
    })
    expect((await run('a', 'account', 'info')).stdout).toMatch(/^account +A\nuser +a\nconnections +1\n/)
    await using _a = await open(urlOf('a'))
    expect(await json('sys', 'account', 'info')).toMatchObject({account: 'SYS', connections: 1})
  })
})

test('a bus file has no servers and no accounts', async () => {
  const file = `${temporaryFolder()}/bus.db`
  for (const args of [
    ['server', 'ls'],
    ['server', 'report', 'accounts'],
    ['account', 'info'],
  ])
    expect(await bus([...args, '-b', file])).toMatchObject({
      ...{code: 5, stdout: '', stderr: expect.stringMatching(/there is no NATS server behind|has no accounts/)},
    })
})
