/** Two clusters of one server each, joined by a gateway. */
import {afterAll, beforeAll, expect, test} from 'vitest'
import {open} from '../../src/lib/transport/open.ts'
import {bus} from '../bus.ts'
import {freePorts} from '../nats-cluster.ts'
import {lacks, NatsServer} from '../nats-server.ts'

const servers: NatsServer[] = []
const login = (user: string, at = 0) => servers[at]?.url({login: `${user}:p`}) ?? ''

beforeAll(async () => {
  const ports = await freePorts(2)
  const gateways = ['EAST', 'WEST'].map((name, i) => `{name: ${name}, url: "nats://127.0.0.1:${ports[i]}"}`).join(', ')
  for (const [i, name] of ['EAST', 'WEST'].entries())
    servers.push(
      await NatsServer.start(
        `server_name: ${name.toLowerCase()}
        gateway {name: ${name}, listen: "127.0.0.1:${ports[i]}", gateways: [${gateways}]}
        system_account: SYS
        accounts {
          SYS { users: [{user: sys, password: p}] }
          APP { users: [{user: app, password: p}] }
        }`,
      ),
    )
  await servers[0]?.logged(/Outbound gateway connection .* registered/i)
}, 60_000)
afterAll(() => Promise.all(servers.map((server) => server[Symbol.asyncDispose]())))

const json = async (...args: string[]) => JSON.parse((await bus([...args, '--json'])).stdout)

test('server ls, ping, info and report show the servers of both clusters', async () => {
  const found = await bus(['server', 'ls', '-b', login('sys')])
  expect([found.code, found.stdout]).toEqual([0, expect.stringMatching(/east[\s\S]*west/)])
  expect((await bus(['server', 'ping', '-b', login('sys')])).stdout).toMatch(/east[\s\S]*west|west[\s\S]*east/)
  expect(await bus(['server', 'info', 'west', '-b', login('sys')])).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('WEST'),
  })
  await using _east = await open(login('app'), {name: 'near'})
  await using _west = await open(login('app', 1), {name: 'far'})
  const {code, stdout} = await bus(['server', 'report', 'connections', '-b', login('sys')])
  expect([code, stdout]).toEqual([0, expect.stringMatching(/near[\s\S]*far|far[\s\S]*near/)])
})

test('who and trace show a subscriber of the other cluster', async () => {
  await using far = await open(login('app', 1), {name: 'far'})
  await far.subscribe('spread')
  await expect
    .poll(async () => (await json('who', 'spread', '-b', login('app'))).subscribers)
    .toMatchObject([{name: 'far', server: 'west'}])
  if ((await lacks(2, 11)) !== '') return
  const {stdout} = await bus(['trace', 'spread', 'x', '-b', login('app')])
  expect(stdout).toMatch(/gateway to west[\s\S]*subscriber far/)
})

test('doctor finds nothing wrong', async () => {
  expect((await bus(['doctor', '-b', login('sys')])).code).toBe(0)
})
