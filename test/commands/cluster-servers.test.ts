/** Commands about the servers of a cluster of three: who subscribes where, the way of a message, leaders and copies. */
import {afterAll, beforeAll, expect, test} from 'vitest'
import type {Transport} from '../../src/lib/transport/contract.ts'
import {open} from '../../src/lib/transport/open.ts'
import {bus} from '../bus.ts'
import {Cluster} from '../nats-cluster.ts'
import {lacks} from '../nats-server.ts'
import {leafPair} from '../zoo/networks.ts'

let cluster: Cluster
let urls: readonly string[] = []
let app: Transport
const login = (user: string) => cluster.servers[0].url({login: `${user}:p`})

beforeAll(async () => {
  const config = `
    system_account: SYS
    accounts {
      SYS { users: [{user: sys, password: p}] }
      APP { jetstream: enabled, users: [{user: app, password: p}] }
    }`
  cluster = await Cluster.start({config})
  urls = cluster.servers.map((server) => server.url({login: 'app:p'}))
  app = await open(login('app'))
  await app.streams.add({name: 'R3', subjects: ['r3'], replicas: 3})
  await app.streams.add({name: 'R1', subjects: ['r1']})
  await app.streams.consumers.add('R3', {name: 'c'})
}, 90_000)
afterAll(async () => {
  await app.close()
  await cluster[Symbol.asyncDispose]()
})

test('who and trace see subscribers of all servers', async () => {
  const others = await Promise.all(urls.map((url, i) => open(url, {name: `client ${i}`})))
  try {
    for (const other of others) await other.subscribe('spread')
    // The servers have exchanged their subscriptions.
    await expect
      .poll(async () => (await bus(['who', 'spread', '--json', '-b', login('app')])).stdout)
      .toContain('client 2')
    const {stdout} = await bus(['who', 'spread', '--json', '-b', login('app')])
    const found = JSON.parse(stdout).subscribers.map((each: {name: string; server: string}) => [each.name, each.server])
    expect(found.sort()).toEqual([
      ['client 0', 'one'],
      ['client 1', 'two'],
      ['client 2', 'three'],
    ])
    if ((await lacks(2, 11)) !== '') return
    const traced = await bus(['trace', 'spread', 'x', '-b', login('app')])
    expect(traced.stdout).toMatch(
      /^spread at one in cluster C, account APP\n├─ subscriber client 0 · spread\n(├─|└─) route to (two|three) · (two|three) in cluster C, account APP\n/,
    )
    expect(traced.stdout.match(/ {2}└─ subscriber client [12] · spread$/gm)).toHaveLength(2)
  } finally {
    for (const other of others) await other.close()
  }
})

test('a server without subscribers of its own answers for the others', async () => {
  await using other = await open(urls[2] ?? '', {name: 'far'})
  await other.subscribe('far')
  expect(JSON.parse((await bus(['who', 'far', '--json', '-b', login('app')])).stdout).subscribers).toMatchObject([
    {name: 'far', server: 'three'},
  ])
  expect(await bus(['who', 'nobody', '-b', login('app')])).toMatchObject({code: 7})
})

test('stream and consumer step-down let another server lead, after a question', async () => {
  expect(await bus(['stream', 'step-down', 'R3', '-b', login('app')])).toMatchObject({
    ...{code: 2, stderr: expect.stringContaining('confirmation is needed to take the lead of stream R3 from ')},
  })
  const {code, stdout} = await bus(['stream', 'step-down', 'R3', '--yes', '--json', '-b', login('app')])
  const {before, leader} = JSON.parse(stdout)
  expect([code, ['one', 'two', 'three'].includes(leader), leader === before]).toEqual([0, true, false])
  expect((await app.streams.info('R3')).leader).toBe(leader)
  const consumer = await bus(['consumer', 'step-down', 'R3', 'c', '--yes', '--json', '-b', login('app')])
  expect([consumer.code, JSON.parse(consumer.stdout)]).toMatchObject([0, {stream: 'R3', consumer: 'c'}])
  expect(await bus(['stream', 'step-down', 'R1', '--yes', '-b', login('app')])).toMatchObject({
    ...{code: 2, stderr: expect.stringContaining('no other server has a copy of stream R1')},
  })
})

test('stream peer-rm removes the copy of a server, and refuses a server that has none', async () => {
  await app.streams.add({name: 'R2', subjects: ['r2'], replicas: 2})
  const {leader, peers = []} = await app.streams.info('R2')
  const holders = [leader, ...peers.map(({server}) => server)]
  const free = ['one', 'two', 'three'].find((name) => !holders.includes(name)) ?? ''
  const peer = peers[0]?.server ?? ''
  expect(await bus(['stream', 'peer-rm', 'R2', free, '--yes', '-b', login('app')])).toMatchObject({
    ...{code: 5, stderr: expect.stringContaining(`the server ${free} has no copy of stream R2`)},
  })
  expect(await bus(['stream', 'peer-rm', 'R2', peer, '--yes', '-b', login('app')])).toMatchObject({code: 0})
  const servers = async () => (await app.streams.info('R2')).peers?.map(({server}) => server) ?? []
  await expect.poll(servers, {timeout: 20_000}).not.toContain(peer)
})

test('a leaf node is a subscriber of its hub, and a trace leads through it', async () => {
  await using pair = await leafPair()
  await using far = await open(pair.leaf.url(), {name: 'far'})
  await far.subscribe('far.>', {queue: 'team'})
  const who = () => bus(['who', 'far.x', '-b', pair.hub.url()])
  await expect.poll(async () => (await who()).stdout).toMatch(/^leaf node +\S+ +far\.> +team +/m)
  if ((await lacks(2, 11)) !== '') return
  const {code, stdout} = await bus(['trace', 'far.x', 'hi', '-b', pair.hub.url()])
  expect([code, stdout]).toEqual([
    0,
    expect.stringMatching(/─ leaf node to .*\n {3}└─ subscriber far · far\.> · queue group team/),
  ])
})
