import {mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, expect, it} from 'vitest'
import {open} from '../../../src/lib/transport/open.ts'
import {onBothBuses} from '../../both-buses.ts'
import {bus} from '../../bus.ts'
import {NatsServer} from '../../nats-server.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-init-'))
afterAll(() => rmSync(folder, {recursive: true}))

onBothBuses((newScene) => {
  it('check init writes checks for what it finds, and they pass until something is removed', async () => {
    await using scene = await newScene()
    const cwd = mkdtempSync(join(folder, 'work-'))
    await scene.transport.streams.add({name: 'SHOP', subjects: ['events.>']})
    await scene.transport.streams.consumers.add('SHOP', {name: 'billing'})
    await using clock = scene.start(['serve', 'time.now', '{"now":1}'])
    await using orders = scene.start(['serve', 'orders.get', '--echo', '--service', 'orders'])
    await Promise.all([clock.stderrLine('listening on'), orders.stderrLine('listening on')])

    const written = await scene.run(['check', 'init', '--request', 'time.now', '--json'], {cwd})
    expect(JSON.parse(written.stdout)).toEqual({
      path: 'checks/bus.yaml',
      checks: [
        'messages are delivered',
        'time.now answers',
        'orders.get is served',
        'stream SHOP',
        'consumer billing of SHOP keeps up',
      ],
      left: [],
    })
    expect(readFileSync(join(cwd, 'checks', 'bus.yaml'), 'utf8')).toContain('- $exists(json.now)')
    expect((await scene.run(['check'], {cwd})).code).toBe(0)

    await scene.transport.streams.remove('SHOP')
    const {code, stdout} = await scene.run(['check'], {cwd})
    expect(code).toBe(9)
    expect(stdout).toMatch(/^FAILED .*stream SHOP/m)

    // There is no terminal for a prompt.
    expect((await scene.run(['check', 'init'], {cwd})).code).toBe(2)
    expect((await scene.run(['check', 'init', '--yes'], {cwd})).stderr).toContain('wrote 2 checks to checks/bus.yaml')
  })
})

it('check init writes checks for the streams of a login that may not list consumers', async () => {
  await using server = await NatsServer.start(
    (home) => `jetstream {store_dir: "${home}"}
      authorization {users: [
        {user: owner, password: p}
        {user: reader, password: p, permissions: {publish: {deny: "$JS.API.CONSUMER.LIST.>"}}}
      ]}`,
  )
  {
    await using owner = await open(server.url({login: 'owner:p'}))
    await owner.streams.add({name: 'SHOP', subjects: ['events.>']})
    await owner.streams.consumers.add('SHOP', {name: 'billing'})
  }
  const path = join(folder, 'reader.yaml')
  const {stdout} = await bus(['check', 'init', path, '--yes', '--json', '-b', server.url({login: 'reader:p'})])
  expect(JSON.parse(stdout)).toMatchObject({checks: ['messages are delivered', 'stream SHOP'], left: []})
})

it('no report contains a secret of the login, even if a message does', async () => {
  await using server = await NatsServer.start('authorization {user: ci, password: "s3cret-w0rd"}')
  const cwd = mkdtempSync(join(folder, 'secret-'))
  const url = server.url({login: 'ci:s3cret-w0rd'})
  const file = join(cwd, 'leak.yaml')
  writeFileSync(
    file,
    `checks:
  - name: a leak
    messages: {subject: leak, do: [{pub: {subject: leak, json: {url: '${url}', token: '{env.API_TOKEN}'}}}]}
    expect: {json: {url: none}}
  - req: {subject: nobody.s3cret-w0rd}
`,
  )
  const reports = ['junit', 'tap', 'json', 'github', 'prometheus'].flatMap((kind) => [
    '--report',
    `${kind}=out/${kind}`,
  ])
  const options = {cwd, env: {API_TOKEN: 'tok-12345'}}
  const {code, stdout, stderr} = await bus(['check', 'leak.yaml', '-b', url, ...reports, '--record', 'rec'], options)
  expect(code).toBe(9)
  const files = ['out', 'rec'].flatMap((name) => readdirSync(join(cwd, name)).map((one) => join(cwd, name, one)))
  expect(files).toHaveLength(6)
  for (const text of [stdout, stderr, ...files.map((path) => readFileSync(path, 'utf8'))])
    expect(text).not.toMatch(/s3cret|tok-12345/)
})
