/** JetStream of another domain through a leaf node, and of another account through an imported API. */
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, expect, it} from 'vitest'
import {open} from '../../src/lib/transport/open.ts'
import {bus} from '../bus.ts'
import {NatsServer} from '../nats-server.ts'
import {leafPair} from '../zoo/networks.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-domains-'))
let hub: NatsServer
let leaf: NatsServer
const accounts = (home: string) => `jetstream {store_dir: "${home}"}
accounts {
  OWNER {jetstream: enabled, users: [{user: owner, password: p}], exports: [
    {service: "$JS.API.>"}, {service: "$JS.ACK.>"}, {service: "orders.>"}]}
  GUEST {users: [{user: guest, password: p}], imports: [
    {service: {account: OWNER, subject: "$JS.API.>"}, to: "JS.owner.API.>"},
    {service: {account: OWNER, subject: "orders.>"}}]}
}`

beforeAll(async () => {
  ;({hub, leaf} = await leafPair())
  for (const [server, messages] of [
    [hub, 1],
    [leaf, 3],
  ] as const) {
    await using own = await open(server.url())
    await own.streams.add({name: 'SAME', subjects: [messages === 1 ? 'hub.>' : 'leaf.>']})
    const subject = messages === 1 ? 'hub.a' : 'leaf.a'
    for (let i = 0; i < messages; i++) await own.streams.publish({subject, data: `${i}`})
  }
}, 60_000)
afterAll(async () => {
  await leaf[Symbol.asyncDispose]()
  await hub[Symbol.asyncDispose]()
  rmSync(folder, {recursive: true})
})

it('--js-domain chooses the streams of the hub or of the leaf, for every command', async () => {
  const onLeaf = (args: readonly string[], env = {}) => bus([...args, '-b', leaf.url()], {env})
  const messages = async (more: readonly string[], env = {}) =>
    JSON.parse((await onLeaf(['stream', 'info', 'SAME', '--json', ...more], env)).stdout).state.messages
  expect(await messages([])).toBe(3)
  expect(await messages(['--js-domain', 'hub'])).toBe(1)
  expect(await messages(['--js-api-prefix', '$JS.hub.API'])).toBe(1)
  expect(await messages([], {NATS_JS_DOMAIN: 'hub'})).toBe(1)
  expect(await messages(['--js-domain', ''], {NATS_JS_DOMAIN: 'hub'})).toBe(3)
  const added = await onLeaf(['consumer', 'add', 'SAME', 'c', '--js-domain', 'hub'])
  expect(added).toMatchObject({code: 0, stderr: 'consumer c has 1 pending in SAME\n'})
  const next = await onLeaf(['consumer', 'next', 'SAME', 'c', '-r', '--js-domain', 'hub', '-t', '5s'])
  expect(next).toMatchObject({code: 0, stdout: '0'})
  expect(await onLeaf(['consumer', 'info', 'SAME', 'c', '--js-domain', 'hub', '--json'])).toMatchObject({
    stdout: expect.stringContaining('"ackPending":0'),
  })
  expect(await onLeaf(['pub', 'hub.b', 'x', '--ack', '--js-domain', 'hub'])).toMatchObject({code: 0})
  expect(await onLeaf(['pub', 'leaf.b', 'x', '--ack', '--js-domain', 'hub'])).toMatchObject({code: 8})
  expect(await onLeaf(['context', 'check', '--js-domain', 'hub'])).toMatchObject({
    stdout: expect.stringContaining('$JS.hub.API'),
  })
  const purged = await onLeaf(['stream', 'purge', 'SAME', '--yes', '--js-domain', 'hub'])
  expect(purged).toMatchObject({code: 0, stderr: 'removed 2 messages from stream SAME\n'})
  expect(await messages([])).toBe(4)
})

it('a prefix reaches the API that an account imports', async () => {
  await using server = await NatsServer.start(accounts)
  const as = (user: string) => server.url().replace('://', `://${user}:p@`)
  await bus(['stream', 'add', 'ORDERS', 'orders.>', '-b', as('owner')])
  const guest = ['-b', as('guest'), '--js-api-prefix', 'JS.owner.API']
  expect(await bus(['stream', 'ls', ...guest, '--json'])).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('"name":"ORDERS"'),
  })
  expect(await bus(['stream', 'ls', '-b', as('guest')])).toMatchObject({code: 5})
})

it('a bus file refuses a domain, as does a name that is none', async () => {
  const path = join(folder, 'x.db')
  const refused = await bus(['stream', 'ls', '-b', path, '--js-domain', 'hub'])
  expect(refused).toMatchObject({code: 2, stderr: expect.stringContaining('--js-domain is for servers')})
  const odd = await bus(['stream', 'ls', '-b', leaf.url(), '--js-domain', 'a.b'])
  expect(odd).toMatchObject({code: 2, stderr: expect.stringContaining('is not the name of a JetStream domain')})
})

it('a context of the NATS CLI with a domain is obeyed', async () => {
  const config = join(folder, 'config')
  const contexts = join(config, 'nats', 'context')
  const {mkdirSync} = await import('node:fs')
  mkdirSync(contexts, {recursive: true})
  writeFileSync(join(contexts, 'hub.json'), JSON.stringify({url: leaf.url(), jetstream_domain: 'hub'}))
  const ended = await bus(['stream', 'subjects', 'SAME', '--context', 'hub', '--json'], {
    env: {XDG_CONFIG_HOME: config},
  })
  expect(ended).toMatchObject({code: 0})
  expect(ended.stdout).not.toContain('leaf.')
})
