import {expect, test} from 'vitest'
import {onBothBuses, type StoredScene} from '../../both-buses.ts'
import type {Running} from '../../bus.ts'

/** More than a busy machine needs between two replies. */
const patient = ['--idle', '2s']

onBothBuses((newScene) => {
  async function serve(scene: StoredScene, ...args: string[]): Promise<Running> {
    const running = scene.start(['serve', ...args])
    await running.stderrLine('listening on ')
    return running
  }

  test('service ls, stats and info show each instance with its counters and endpoints', async () => {
    await using scene = await newScene()
    await using _one = await serve(scene, 'orders.get', 'hi', '--service', 'orders', '--version', '1.2.3')
    await using _two = await serve(scene, 'orders.get', 'hi', '--service', 'orders', '--version', '1.2.3')
    for (let i = 0; i < 4; i++) await scene.run(['req', 'orders.get', 'x'])
    const listed = JSON.parse((await scene.run(['service', 'ls', '--json', ...patient])).stdout)
    expect(listed).toMatchObject([
      {name: 'orders', version: '1.2.3', endpoints: [{name: 'default', subject: 'orders.get', errors: 0}]},
      {name: 'orders'},
    ])
    const [one, two] = listed.map(({endpoints: [endpoint]}: {endpoints: {requests: number}[]}) => endpoint?.requests)
    expect(one + two).toBe(4)
    const {stdout} = await scene.run(['service', 'stats', 'orders', ...patient])
    expect(stdout.split('\n')[0]).toMatch(/^service +instance +endpoint +subject +requests +errors +mean +last error$/)
    expect(stdout.match(/^orders .* default +orders\.get /gm)).toHaveLength(2)
    const info = await scene.run(['service', 'info', 'orders', ...patient])
    expect(info.stdout).toMatch(/^endpoint default +orders\.get, queue group orders\.get$/m)
    const pinged = await scene.run(['service', 'ping', ...patient])
    expect(pinged.stdout.match(/^orders +1\.2\.3 .*s$/gm)).toHaveLength(2)
  })

  test('service stats --watch shows a list each time', async () => {
    await using scene = await newScene()
    await using _service = await serve(scene, 'a', 'x', '--service', 'watched')
    await using watching = scene.start(['service', 'stats', '--watch', '--every', '100ms', '--json'])
    for (let i = 0; i < 2; i++) expect(JSON.parse(await watching.stdoutLine())).toMatchObject([{name: 'watched'}])
    watching.interrupt()
    expect(await watching.ended).toMatchObject({code: 0})
  })

  test('nobody there is exit code 7 for a named service and for ping, and an empty list otherwise', async () => {
    await using scene = await newScene()
    for (const args of [['info', 'x'], ['stats', 'x'], ['ping'], ['ping', 'x'], ['req', 'x', '1']])
      expect(await scene.run(['service', ...args, '-t', '1s'])).toMatchObject({code: 7, stdout: ''})
    expect(await scene.run(['service', 'ls', '-t', '1s', '--json'])).toMatchObject({code: 0, stdout: '[]\n'})
  })

  test('a malformed reply is shown with a warning, and a name with a dot is found', async () => {
    await using scene = await newScene()
    const replies = [
      'hello',
      '[]',
      '{"name":"a.b","id":7}',
      '{"name":"a.b","id":"1","endpoints":[null,{"num_requests":"x"}]}',
    ]
    await using subscription = await scene.transport.subscribe(['$SRV.STATS', '$SRV.INFO'])
    void (async () => {
      for await (const {reply} of subscription)
        for (const data of replies) scene.transport.publish({subject: reply ?? '', data})
    })()
    const {code, stdout, stderr} = await scene.run(['service', 'ls', '--json', ...patient])
    expect([code, JSON.parse(stdout)]).toEqual([0, [{name: 'a.b', id: '1', endpoints: [{}], ms: expect.any(Number)}]])
    expect(stderr).toContain('warning: a reply to $SRV.STATS is not the document of a service: "hello"\n')
    expect(stderr.match(/^warning: /gm)).toHaveLength(3)
    expect(await scene.run(['service', 'info', 'a.b', ...patient])).toMatchObject({code: 0})
    expect(await scene.run(['service', 'req', 'a.b'])).toMatchObject({
      ...{code: 5, stderr: expect.stringContaining('the service a.b has no endpoint with a subject')},
    })
  })

  test('service req sends to the endpoint that it is given', async () => {
    await using scene = await newScene()
    await using _one = await serve(scene, 'orders.get', 'got', '--service', 'orders')
    expect(await scene.run(['service', 'req', 'orders', '1'])).toMatchObject({code: 0, stdout: 'got\n'})
    expect(await scene.run(['service', 'req', 'orders', '1', '--endpoint', 'default'])).toMatchObject({code: 0})
    expect(await scene.run(['service', 'req', 'orders', '1', '--endpoint', 'no'])).toMatchObject({
      ...{code: 5, stderr: expect.stringContaining('the service orders has no endpoint no')},
    })
    expect(await scene.run(['service', 'req', 'orders', '1', '--expect', 'text = "x"'])).toMatchObject({code: 9})
    await using _two = await serve(scene, 'orders.put', 'put', '--service', 'orders')
    expect(await scene.run(['service', 'req', 'orders', '1', ...[]])).toMatchObject({code: expect.any(Number)})
    await using _wild = await serve(scene, 'w.*', 'x', '--service', 'wild')
    expect(await scene.run(['service', 'req', 'wild', '1'])).toMatchObject({
      ...{code: 2, stderr: expect.stringContaining('has wildcards in its subject: w.*')},
    })
  })
})
