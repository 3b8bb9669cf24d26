import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {natsInterests} from '../../../src/lib/transport/nats/interests.ts'
import {open} from '../../../src/lib/transport/open.ts'
import {onBothBuses} from '../../both-buses.ts'
import {bus} from '../../bus.ts'
import {lacks, NatsServer} from '../../nats-server.ts'

onBothBuses((newScene) => {
  test('who shows subscribers, streams, consumers whose filters match, and services', async () => {
    await using scene = await newScene()
    const {streams} = scene.transport
    await streams.add({name: 'ORDERS', subjects: ['orders.*', 'other']})
    await streams.consumers.add('ORDERS', {name: 'billing', filters: ['orders.new']})
    await streams.consumers.add('ORDERS', {name: 'others', filters: ['other']})
    for (const data of ['1', '2']) await streams.publish({subject: 'orders.new', data})
    await using sub = scene.start(['sub', 'orders.>', '-q', 'team'])
    await using serve = scene.start(['serve', 'orders.new', 'x', '--service', 'shop', '--version', '1.2.3'])
    for (const each of [sub, serve]) await each.stderrLine('listening on ')
    const {code, stdout} = await scene.run(['who', 'orders.new', '--json'])
    expect(code).toBe(0)
    const found = JSON.parse(stdout)
    expect(found).toEqual({
      subject: 'orders.new',
      subscribers: expect.arrayContaining([
        expect.objectContaining({pattern: 'orders.>', queue: 'team', name: 'bus sub'}),
        expect.objectContaining({pattern: 'orders.new', queue: 'orders.new', name: 'bus serve'}),
      ]),
      streams: [{stream: 'ORDERS', subjects: ['orders.*'], messages: 2}],
      consumers: [
        {
          ...{stream: 'ORDERS', consumer: 'billing', filters: ['orders.new'], durable: true},
          ...{pending: 2, ackPending: 0, lag: 2},
        },
      ],
      services: [
        {service: 'shop', id: expect.any(String), version: '1.2.3', subject: 'orders.new', queue: 'orders.new'},
      ],
    })
    expect(found.subscribers).toHaveLength(2)
    const shown = await scene.run(['who', 'orders.new'])
    expect(shown.stdout).toMatch(
      /^subscriber +bus sub +orders\.> +team +(process \d+|nats\.js .* pending 0 B · rtt .*)$/m,
    )
    expect(shown.stdout).toMatch(/^consumer +ORDERS\/billing +orders\.new +lag 2$/m)
  })

  test('nobody is exit code 7, a stream alone is somebody, and a bad subject is exit code 2', async () => {
    await using scene = await newScene()
    expect(await scene.run(['who', 'nobody'])).toMatchObject({
      ...{code: 7, stdout: '', stderr: expect.stringMatching(/^bus: nobody receives "nobody" on /)},
    })
    await scene.transport.streams.add({name: 'S', subjects: ['kept']})
    expect(await scene.run(['who', 'kept'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^stream +S +kept/m),
    })
    expect(await scene.run(['who', 'a..b'])).toMatchObject({code: 2, stdout: ''})
  })
})

describe('on a server', () => {
  let server: NatsServer
  beforeAll(async () => {
    server = await NatsServer.start(`
      system_account: SYS
      accounts {
        SYS { users: [{user: sys, password: p}] }
        A { users: [
          {user: a, password: p}
          {user: mute, password: p, permissions: {publish: {deny: ["$SYS.>"]}}}
        ] }
        B { users: [{user: b, password: p}] }
      }`)
  })
  afterAll(() => server[Symbol.asyncDispose]())
  const urlOf = (user: string) => server.url({login: `${user}:p`})

  test('who shows its own account only, also with a system login', async () => {
    await using a = await open(urlOf('a'), {name: 'of A'})
    await a.subscribe('x')
    await using sys = await open(urlOf('sys'), {name: 'of SYS'})
    await sys.subscribe('x')
    const names = async (user: string) => {
      const {code, stdout} = await bus(['who', 'x', '--json', '-b', urlOf(user)])
      return [code, code === 0 && JSON.parse(stdout).subscribers.map(({name}: {name: string}) => name)]
    }
    expect(await names('a')).toEqual([0, ['of A']])
    expect(await names('sys')).toEqual((await lacks(2, 10)) === '' ? [0, ['of SYS']] : [8, false])
    expect(await names('b')).toEqual([7, false])
  })

  test('a login that may not ask cannot tell, which is not "nobody"', async () => {
    const {code, stdout, stderr} = await bus(['who', 'x', '-b', urlOf('mute')])
    expect([code, stdout]).toEqual([4, ''])
    expect(stderr).toContain('cannot tell who receives "x": not allowed to publish to "$SYS.REQ.ACCOUNT.PING.CONNZ"')
  })

  test('the connections of a server are read page by page', async () => {
    await using asking = await open(urlOf('b'))
    const others = await Promise.all([1, 2, 3, 4, 5].map(() => open(urlOf('b'))))
    try {
      for (const other of others) await other.subscribe('paged.x')
      const request = await asking.request({subject: '$SYS.REQ.ACCOUNT.PING.CONNZ'})
      const self = {server_id: JSON.parse(request.text).server.id, client_id: 0, inbox: '_INBOX.>'}
      const found = await natsInterests(asking, self, 'paged.*', {pageSize: 2})
      expect('known' in found && found.known.map(({pattern}) => pattern)).toEqual(Array(5).fill('paged.x'))
    } finally {
      for (const other of others) await other.close()
    }
  })
})

test('a server without a system account cannot tell who subscribes', async () => {
  await using server = await NatsServer.start('no_system_account: true')
  const {code, stderr} = await bus(['who', 'x', '-b', server.url()])
  expect([code, stderr]).toEqual([
    8,
    expect.stringMatching(/^bus: cannot tell who receives "x": .* has no system account/),
  ])
})
