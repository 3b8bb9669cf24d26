import {once} from 'node:events'
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {createServer, type ServerResponse} from 'node:http'
import type {AddressInfo} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, expect, onTestFinished, test} from 'vitest'
import {onBothBuses, type StoredScene} from '../both-buses.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-webhooks-'))
afterAll(() => rmSync(folder, {recursive: true}))

interface Got {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly headers: NodeJS.Dict<string | string[]>
}

async function receiver(answer: (response: ServerResponse) => void) {
  const got: Got[] = []
  const server = createServer(({method, url, headers}, response) => {
    got.push({method, url, headers})
    answer(response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return {got, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`}
}

async function withOrder(newScene: () => Promise<StoredScene>) {
  const scene = await newScene()
  onTestFinished(() => scene[Symbol.asyncDispose]())
  await scene.transport.streams.add({name: 'ORDERS', subjects: ['orders.>']})
  await scene.transport.streams.publish({subject: 'orders.new', data: '{"id":1}'})
  return scene
}

onBothBuses((newScene) => {
  test.each([
    ['consumer replay', ['consumer', 'replay', 'ORDERS', '--webhook'], 130],
    ['events serve', ['events', 'serve', '--webhooks'], 0],
  ])('%s reports a Retry-After, limits it to an hour, and Ctrl-C ends the wait', async (name, args, code) => {
    const scene = await withOrder(newScene)
    const {url} = await receiver(
      (response) => void response.writeHead(503, {'Retry-After': '99999999999'}).end('later'),
    )
    const isReplay = name === 'consumer replay'
    if (!isReplay) await scene.run(['events', 'add', 'ORDERS', 'hook', '--webhook', url, '--first-event', 'oldest'])
    await using running = scene.start(isReplay ? [...args, url] : args)
    const start = isReplay ? `${url} answered 503: later; ` : 'subscription hook: event '
    expect(await running.stderrLine(start)).toMatch(/answered 503: later; the next attempt is in 1h$/)
    running.interrupt()
    const stopped = performance.now()
    expect((await running.ended).code).toBe(code)
    expect(performance.now() - stopped).toBeLessThan(5000)
  })

  test('Ctrl-C ends the wait also for messages that would not be delivered again, without another attempt', async () => {
    const scene = await withOrder(newScene)
    await scene.run(['consumer', 'add', 'ORDERS', 'once', '--max-deliver', '1'])
    const {url, got} = await receiver((response) => void response.writeHead(503, {'Retry-After': '60'}).end())
    await using running = scene.start(['consumer', 'replay', 'ORDERS', 'once', '--webhook', url])
    await running.stderrLine(`${url} answered 503; the next attempt is in 1m`)
    running.interrupt()
    const {code, stderr} = await running.ended
    // On a server, such messages are not delivered in advance.
    expect([8, 130], stderr).toContain(code)
    expect(stderr.match(/next attempt/g)).toHaveLength(1)
    expect(got).toHaveLength(1)
  })

  test('a webhook that does not answer is left by Ctrl-C', async () => {
    const scene = await withOrder(newScene)
    const arrived = Promise.withResolvers<void>()
    const {url} = await receiver(() => arrived.resolve())
    await scene.run(['events', 'add', 'ORDERS', 'hook', '--webhook', url, '--first-event', 'oldest'])
    for (const args of [
      ['consumer', 'replay', 'ORDERS', '--webhook', url],
      ['events', 'serve', '--webhooks'],
    ]) {
      await using running = scene.start([...args, '--timeout', '10m'])
      await arrived.promise
      running.interrupt()
      const stopped = performance.now()
      await running.ended
      expect(performance.now() - stopped).toBeLessThan(5000)
    }
  })

  test('the options of a webhook come from a file and flags, and no listing shows their secrets', async () => {
    const scene = await withOrder(newScene)
    const {url, got} = await receiver((response) => void response.writeHead(204).end())
    const path = join(folder, `${crypto.randomUUID()}.json`)
    const options = {method: 'PUT', query: {code: 'SECRET1'}, auth: {username: 'ann', password: 'SECRET2'}}
    writeFileSync(path, JSON.stringify(options))
    const flags = [
      '--webhook-options',
      path,
      '--webhook-header',
      'X-Key: env://HOOK_KEY',
      '--webhook-header',
      'X-Other: SECRET3',
    ]
    const hook = ['--webhook', `${url.replace('//', '//u:SECRET4@')}?sig=SECRET5`, ...flags]
    const added = await scene.run(['events', 'add', 'ORDERS', 'hook', ...hook, '--first-event', 'oldest', '--json'])
    const listings = [added]
    for (const args of [['ls', '--json'], ['ls'], ['info', 'ORDERS', 'hook'], ['info', 'ORDERS', 'hook', '--json']])
      listings.push(await scene.run(['events', ...args]))
    for (const {code, stdout, stderr} of listings) {
      expect([code, stdout + stderr]).toEqual([0, expect.not.stringContaining('SECRET')])
    }
    expect(JSON.parse(added.stdout).options).toMatchObject({
      url: `${url.replace('//', '//u:***@')}?sig=***`,
      headers: {'X-Key': 'env://HOOK_KEY', 'X-Other': '***'},
    })
    const env = {HOOK_KEY: 'k3y'}
    const replayed = await scene.run(['consumer', 'replay', 'ORDERS', ...hook], {env})
    expect(replayed.code, replayed.stderr).toBe(0)
    await using gateway = scene.start(['events', 'serve', '--webhooks'], {env})
    await expect.poll(() => got.length).toBe(2)
    for (const one of got) {
      expect(one).toMatchObject({method: 'PUT', url: '/hook?sig=SECRET5&code=SECRET1'})
      expect(one.headers).toMatchObject({
        'x-key': 'k3y',
        'x-other': 'SECRET3',
        'user-agent': expect.stringMatching(/^busline\/\d+\.\d+/),
        authorization: `Basic ${Buffer.from('ann:SECRET2').toString('base64')}`,
      })
    }
    gateway.interrupt()
    await gateway.ended
  })

  test.each([
    ['{"replytx": "x"}', 'no option "replytx"'],
    ['{"httpOptions": {"expectContinueTimeout": "1s"}}', 'no option "httpOptions.expectContinueTimeout"'],
    ['{"url": "http://x"}', 'the URL of a webhook is given with --webhook'],
    ['[]', 'is not a JSON object'],
  ])('the file %s is refused by name', async (text, reason) => {
    const scene = await withOrder(newScene)
    const path = join(folder, `${crypto.randomUUID()}.json`)
    writeFileSync(path, text)
    for (const args of [
      ['consumer', 'replay', 'ORDERS'],
      ['events', 'add', 'ORDERS', 'hook'],
    ]) {
      const {code, stderr} = await scene.run([...args, '--webhook', 'http://127.0.0.1:9/', '--webhook-options', path])
      expect([code, stderr]).toEqual([2, expect.stringContaining(reason)])
    }
  })

  test('a URL that is none is refused without being shown', async () => {
    const scene = await withOrder(newScene)
    for (const args of [
      ['consumer', 'replay', 'ORDERS'],
      ['events', 'add', 'ORDERS', 'hook'],
    ]) {
      const {code, stderr} = await scene.run([...args, '--webhook', 'u:S3CRET@host/x'])
      expect([code, stderr]).toEqual([2, expect.not.stringContaining('S3CRET')])
    }
  })
})
