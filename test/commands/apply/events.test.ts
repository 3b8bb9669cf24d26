import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, expect, test} from 'vitest'
import {onBothBuses} from '../../both-buses.ts'
import {bus} from '../../bus.ts'
import {NatsServer} from '../../nats-server.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-apply-events-'))
afterAll(() => rmSync(folder, {recursive: true}))
let files = 0
function file(text: string): string {
  const path = join(folder, `${++files}.yaml`)
  writeFileSync(path, text)
  return path
}

onBothBuses((newScene) => {
  test('event subscriptions are made, changed and removed as described', async () => {
    await using scene = await newScene()
    const {streams} = scene.transport
    const path = file(`
streams: {S: {}}
events:
  S:
    billing: {filter: {topic: paid}, options: {firstEvent: oldest, readAhead: 3}}
    mail: {transport: webhooks, options: {url: 'http://127.0.0.1:9/', headers: {X-Key: env://KEY}, batch: true}}
`)
    const dry = await scene.run(['apply', path, '--dry-run'])
    expect(dry).toMatchObject({code: 9, stderr: 'bus: 3 changes would be made\n'})
    expect(dry.stdout).toContain('+ subscription billing of S\n+   filter {"topic":"paid"}\n+   read-ahead 3\n')
    expect(await streams.list()).toEqual([])
    expect(await scene.run(['apply', path])).toMatchObject({code: 0, stderr: 'made 3 changes\n'})
    expect(await scene.run(['apply', path])).toMatchObject({code: 0, stderr: 'everything is as described\n'})
    await streams.publish({subject: 'S', data: '1'})

    const changed = file('events: {S: {billing: {options: {readAhead: 4}}}}\n')
    const change = await scene.run(['apply', changed])
    expect(change).toMatchObject({code: 0, stderr: 'made 1 change\n'})
    expect(change.stdout).toBe(
      '  subscription billing of S\n- filter {"topic":"paid"}\n+ filter none\n- read-ahead 3\n+ read-ahead 4\n',
    )
    const {stdout} = await scene.run(['events', 'info', 'S', 'billing', '--json'])
    expect(JSON.parse(stdout)).toMatchObject({filter: {}, options: {firstEvent: '0', readAhead: 4}})

    const exported = await scene.run(['export', '--json'])
    expect(JSON.parse(exported.stdout)).toEqual({
      streams: {S: {subjects: ['S']}},
      events: {
        S: {
          billing: {options: {readAhead: 4}},
          mail: {
            transport: 'webhooks',
            options: {batch: true, url: 'http://127.0.0.1:9/', headers: {'X-Key': 'env://KEY'}},
          },
        },
      },
    })
    const other = await bus(['apply', '-', '-b', join(folder, `other${++files}.db`)], {stdin: exported.stdout})
    expect(other).toMatchObject({code: 0, stderr: 'made 3 changes\n'})

    const refused = await scene.run(['apply', changed, '--prune'])
    expect(refused).toMatchObject({code: 2, stderr: expect.stringContaining('which remove subscription mail of S')})
    expect(await scene.run(['apply', changed, '--prune', '--yes'])).toMatchObject({code: 0, stderr: 'made 1 change\n'})
    expect(await scene.run(['apply', file('kv: {}\n'), '--prune'])).toMatchObject({
      ...{code: 0, stderr: 'everything is as described\n'},
    })
    expect((await scene.run(['events', 'ls', 'S', '--json'])).stdout).toContain('billing')
  })

  test('secrets of event subscriptions are exported masked, and a mask is not applied', async () => {
    await using scene = await newScene()
    await scene.transport.streams.add({name: 'S'})
    const secret = ['--webhook', 'http://user:word@127.0.0.1:9/', '--webhook-header', 'X-Key: secret']
    expect(await scene.run(['events', 'add', 'S', 'mail', ...secret])).toMatchObject({code: 0})
    const {stdout} = await scene.run(['export'])
    expect(stdout).toContain('***')
    expect(stdout).not.toMatch(/secret|word/)
    expect(await scene.run(['apply', '-', '--dry-run'], {stdin: stdout})).toMatchObject({code: 0})
    const elsewhere = await bus(['apply', '-', '-b', join(folder, `other${++files}.db`)], {stdin: stdout})
    expect(elsewhere).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('subscription mail of S has a masked secret'),
    })
    const without = await scene.run(['apply', file('streams: {T: {}}\nevents: {NONE: {x: {}}}\n')])
    expect(without).toMatchObject({code: 5, stderr: expect.stringContaining('there is no stream NONE'), stdout: ''})
    for (const [text, sentence] of [
      ['{options: {readahead: 4}}', 'a subscription of transport websockets has no option "readahead"'],
      ['{filter: {topic: "("}}', 'the filter "topic" is not an RE2 regular expression'],
      ['{transport: mail}', 'events.S.x.transport: Invalid option'],
    ])
      expect(await scene.run(['apply', file(`events: {S: {x: ${text}}}\n`)])).toMatchObject({
        code: 2,
        stderr: expect.stringContaining(sentence ?? ''),
      })
  })
})

test('a login that may not read the subscriptions exports the rest, and says what is left out', async () => {
  await using server = await NatsServer.start(
    (home) => `jetstream {store_dir: "${home}"}
      authorization {
        users: [
          {user: a, password: p}
          {user: b, password: p, permissions: {publish: {deny: ["$JS.API.*.*.KV_bus-events.>", "$JS.API.*.*.KV_bus-events", "$JS.API.*.*.*.KV_bus-events.>"]}}}
        ]
      }`,
  )
  const as = (user: string, ...args: string[]) => bus([...args, '-b', server.url({login: `${user}:p`})])
  await as('a', 'stream', 'add', 'S')
  expect(await as('a', 'events', 'add', 'S', 'billing')).toMatchObject({code: 0})
  const {code, stdout, stderr} = await as('b', 'export', '--json')
  expect([code, JSON.parse(stdout)]).toEqual([0, {streams: {S: {subjects: ['S']}}}])
  expect(stderr).toMatch(/^warning: subscriptions of bus events are left out: /)
})
