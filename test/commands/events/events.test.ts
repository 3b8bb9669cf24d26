import {spawn} from 'node:child_process'
import {existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync} from 'node:fs'
import {createServer} from 'node:http'
import type {AddressInfo} from 'node:net'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'
import {describe, expect, onTestFinished, test} from 'vitest'
import {WebSocket} from 'ws'
import type {Transport} from '../../../src/lib/transport/contract.ts'
import {open} from '../../../src/lib/transport/open.ts'
import {onBothBuses, type StoredScene} from '../../both-buses.ts'
import {bus, type Running, root, start, startLine} from '../../bus.ts'
import {Socket} from '../../lib/protocols/event-delivery/socket.ts'
import {NatsServer} from '../../nats-server.ts'

async function orders({streams}: Transport, from: number, to: number): Promise<number[]> {
  const seqs: number[] = []
  await using publisher = streams.publisher({onStored: (_index, {seq}) => void seqs.push(seq)})
  for (let n = from; n <= to; n++) await publisher.push({subject: 'orders.new', data: `${n}`})
  await publisher.flush()
  return seqs.sort((a, b) => a - b)
}

const serveArgs = ['events', 'serve', '--ws', '127.0.0.1:0', '--allow-anonymous']

async function urlOf(gateway: Running): Promise<string> {
  return (await gateway.stderrLine('listening on ')).slice('listening on '.length)
}

/** A scene with the stream ORDERS of this many events, and a subscription `app` to all of them with their data. */
async function withOrders(newScene: () => Promise<StoredScene>, count: number, readAhead = 9) {
  const scene = await newScene()
  onTestFinished(() => scene[Symbol.asyncDispose]())
  await scene.transport.streams.add({name: 'ORDERS', subjects: ['orders.>']})
  const seqs = await orders(scene.transport, 1, count)
  const added = await scene.run([
    ...['events', 'add', 'ORDERS', 'app', '--first-event', 'oldest', '--with-data'],
    ...['--read-ahead', String(readAhead)],
  ])
  expect(added.code, added.stderr).toBe(0)
  const offset = async () => {
    const {stdout} = await scene.run(['events', 'info', 'ORDERS', 'app', '--json'])
    return JSON.parse(stdout).status.currentOffset as number
  }
  return {scene, seqs, offset}
}

const numbers = (socket: Socket) => socket.frames.map(({data}) => data?.json)

/** Acknowledges and records every event. */
async function acknowledging(url: string, got: unknown[]): Promise<Socket> {
  const socket = await Socket.open(url)
  socket.start()
  void (async () => {
    for (let n = 1; ; n++) {
      const event = await socket.last(n)
      got.push(event.data?.json)
      socket.ack(event)
    }
  })()
  return socket
}

onBothBuses((newScene) => {
  test('subscriptions are created, listed, shown, changed and removed', async () => {
    const {scene} = await withOrders(newScene, 3)
    const again = await scene.run(['events', 'add', 'ORDERS', 'app', '--with-data', '--read-ahead', '9'])
    expect(again.stderr).toContain('subscription app of ORDERS resumes after #0')
    const other = await scene.run(['events', 'add', 'ORDERS', 'app', '--topic', 'paid$'])
    expect([other.code, other.stderr]).toEqual([2, expect.stringContaining('exists with other settings')])
    const changed = await scene.run(['events', 'add', 'ORDERS', 'app', '--topic', 'paid$', '--replace', '--json'])
    expect(JSON.parse(changed.stdout)).toMatchObject({
      filter: {topic: 'paid$'},
      options: {firstEvent: '0', readAhead: 0},
    })
    expect((await scene.run(['events', 'ls'])).stdout).toMatch(/ORDERS +app +websockets +#0 +#\d+ +topic=paid\$/)
    expect((await scene.run(['events', 'info', 'ORDERS', 'app'])).stdout).toMatch(/filter +topic=paid\$\n/)
    expect((await scene.run(['events', 'rm', 'ORDERS', 'app'])).code).toBe(2)
    expect((await scene.run(['events', 'rm', 'ORDERS', 'app', '--yes'])).code).toBe(0)
    expect((await scene.run(['events', 'info', 'ORDERS', 'app'])).code).toBe(5)
    expect((await scene.run(['events', 'add', 'NONE', 'app'])).code).toBe(5)
    expect((await scene.run(['events', 'add', 'ORDERS', 'app', '--topic', '('])).code).toBe(2)
  })

  test('listing subscriptions creates nothing on the bus', async () => {
    const scene = await newScene()
    onTestFinished(() => scene[Symbol.asyncDispose]())
    const {code, stderr} = await scene.run(['events', 'ls'])
    expect([code, stderr]).toEqual([0, 'no subscriptions\n'])
    expect((await scene.run(['events', 'info', 'ORDERS', 'app'])).code).toBe(5)
    expect((await scene.run(['stream', 'ls', '--json'])).stdout).toBe('[]\n')
  })

  test('an application gets events, acknowledges and rejects them, and resumes after its offset', async () => {
    const {scene, seqs, offset} = await withOrders(newScene, 5)
    await using gateway = scene.start(serveArgs)
    const url = await urlOf(gateway)
    {
      await using socket = await Socket.open(url)
      socket.start()
      const events = await socket.got(5)
      expect(events.map(({sequence}) => sequence)).toEqual(seqs)
      for (const event of [events[3], events[0], events[1]]) socket.ack(event)
      socket.say({type: 'nack', id: events[2]?.id})
      await socket.got(8)
      expect(numbers(socket)).toEqual([1, 2, 3, 4, 5, 3, 4, 5])
      await expect.poll(() => offset()).toBe(seqs[1])
    }
    await using next = await Socket.open(url)
    next.start()
    await next.got(3)
    expect(numbers(next)).toEqual([3, 4, 5])
    gateway.interrupt()
    expect((await gateway.ended).code).toBe(0)
  })

  test('a recreated stream is delivered from its first event, whatever the offset', async () => {
    const {scene, offset} = await withOrders(newScene, 3)
    const removeAndFill = async (from: number, to: number) => {
      await scene.transport.streams.remove('ORDERS')
      await scene.transport.streams.add({name: 'ORDERS', subjects: ['orders.>']})
      return orders(scene.transport, from, to)
    }
    const got: unknown[] = []
    const ids = new Set<unknown>()
    const serve = async (seqs: readonly number[], count: number) => {
      await using gateway = scene.start(serveArgs)
      await using socket = await acknowledging(await urlOf(gateway), got)
      await expect.poll(() => got.length, {timeout: 10_000}).toBe(count)
      for (const {id} of socket.frames) ids.add(id)
      await expect.poll(() => offset()).toBe(seqs.at(-1))
    }
    // Never served, served before, and while it is served.
    const seqs = await removeAndFill(4, 5)
    expect(await offset()).toBe(0)
    await serve(seqs, 2)
    const again = await removeAndFill(6, 9)
    expect(await offset()).toBe(0)
    await serve(again, 6)
    await using gateway = scene.start(serveArgs)
    await using socket = await acknowledging(await urlOf(gateway), got)
    await orders(scene.transport, 10, 10)
    await expect.poll(() => got.length).toBe(7)
    const last = await removeAndFill(11, 13)
    await expect.poll(() => got.length, {timeout: 10_000}).toBe(10)
    await expect.poll(() => offset()).toBe(last.at(-1))
    for (const {id} of socket.frames) ids.add(id)
    expect(got).toEqual([4, 5, 6, 7, 8, 9, 10, 11, 12, 13])
    expect(ids.size).toBe(10)
  })

  test('a gateway that is killed loses nothing: the next one resumes after the last acknowledged event', async () => {
    const total = 400
    const {scene, seqs, offset} = await withOrders(newScene, total, 19)
    const got: unknown[] = []
    for (let kills = 0; kills < 3; kills++) {
      await using gateway = scene.start(serveArgs)
      const before = got.length
      await using socket = await acknowledging(await urlOf(gateway), got)
      await expect.poll(() => got.length - before, {interval: 1}).toBeGreaterThan(50)
      gateway.kill('SIGKILL')
      await gateway.ended
      await socket.closed
      const acknowledged = seqs.filter((_, at) => got.includes(at + 1)).at(-1) ?? 0
      expect(await offset()).toBeLessThanOrEqual(acknowledged)
    }
    await using gateway = scene.start(serveArgs)
    await using _socket = await acknowledging(await urlOf(gateway), got)
    await expect.poll(() => offset()).toBe(seqs.at(-1))
    expect(new Set(got).size).toBe(total)
    expect(firstTimes(got)).toEqual(Array.from({length: total}, (_, n) => n + 1))
  })

  test('another gateway takes over from one that is killed, and the two never both deliver', async () => {
    const {scene, seqs, offset} = await withOrders(newScene, 3, 0)
    await using first = scene.start(serveArgs)
    await using one = await Socket.open(await urlOf(first))
    one.start()
    one.ack(await one.last(1))
    await one.got(2)
    await expect.poll(() => offset()).toBe(seqs[0])
    await using second = scene.start(serveArgs)
    await using two = await Socket.open(await urlOf(second))
    two.start()
    await second.stderrLine('subscription app: another gateway delivers it')
    expect(two.frames).toEqual([])
    first.kill('SIGKILL')
    const start = performance.now()
    await two.got(1)
    expect(performance.now() - start).toBeLessThan(2900)
    expect(numbers(two)).toEqual([2])
  })

  test('a gateway that hangs is replaced, and its later writes are refused', async () => {
    const {scene, seqs, offset} = await withOrders(newScene, 4, 0)
    await using first = scene.start(serveArgs)
    await using one = await Socket.open(await urlOf(first))
    one.start()
    one.ack(await one.last(1))
    const late = await one.last(2)
    await expect.poll(() => offset()).toBe(seqs[0])
    first.kill('SIGSTOP')
    await using second = scene.start(serveArgs)
    await using two = await Socket.open(await urlOf(second))
    two.start()
    two.ack(await two.last(1))
    two.ack(await two.last(2))
    await two.got(3)
    expect(numbers(two)).toEqual([2, 3, 4])
    first.kill('SIGCONT')
    one.ack(late)
    await first.stderrLine('subscription app: another gateway has taken it over')
    expect(await offset()).toBe(seqs[2])
  })

  test('webhooks are called until they accept an event', async () => {
    const {scene} = await withOrders(newScene, 2)
    const got: string[] = []
    const server = createServer(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      got.push(body)
      response.writeHead(got.length === 1 ? 503 : 200).end()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    await scene.run(['events', 'add', 'ORDERS', 'hook', '--webhook', url, '--first-event', 'oldest'])
    await using gateway = scene.start(['events', 'serve', '--webhooks'])
    await gateway.stderrLine('delivering')
    await expect.poll(() => got.join(' ')).toBe('1 1 2')
    gateway.interrupt()
    expect((await gateway.ended).code).toBe(0)
    const {stdout} = await scene.run(['events', 'info', 'ORDERS', 'hook', '--json'])
    const {currentOffset, lastSequence} = JSON.parse(stdout).status
    expect(currentOffset).toBe(lastSequence)
  })

  test('programs and stdout receive events', async () => {
    const {scene} = await withOrders(newScene, 2)
    for (const transport of ['exec', 'stdout'])
      await scene.run(['events', 'add', 'ORDERS', transport, '--transport', transport, '--first-event', 'oldest'])
    await using program = start([
      ...['events', 'serve', '-b', scene.url, '--exec', '--'],
      ...['sh', '-c', 'cat; echo " as $BUS_SUBJECT"'],
    ])
    expect([await program.stdoutLine(), await program.stdoutLine()]).toEqual(['1 as orders.new', '2 as orders.new'])
    await using records = scene.start(['events', 'serve', '--stdout'])
    expect(JSON.parse(await records.stdoutLine())).toMatchObject({subject: 'orders.new', json: 1})
  })

  test('events listen receives events of durable and ephemeral subscriptions, as JSON, and rejects them', async () => {
    const {scene, seqs, offset} = await withOrders(newScene, 4)
    await using gateway = scene.start(serveArgs)
    const url = await urlOf(gateway)
    const listen = (...args: string[]) => bus(['events', 'listen', url, '--namespace', 'ORDERS', ...args])
    const durable = await listen('--name', 'app', '--raw', '--count', '2')
    expect([durable.stdout, durable.code]).toEqual(['1\n2\n', 0])
    await expect.poll(() => offset()).toBe(seqs[1])
    const some = await listen(
      '--first-event',
      'oldest',
      '--topic',
      'new$',
      '--read-ahead',
      '5',
      '--json',
      '--count',
      '4',
    )
    const events = some.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(events.map(({sequence, data}) => [sequence, data.json])).toEqual(seqs.map((seq, at) => [seq, at + 1]))
    const rejecting = await listen('--name', 'app', '--raw', '--nak', '--count', '3')
    expect(rejecting.stdout.split('\n')[0]).toBe('3')
    expect(await offset()).toBe(seqs[1])
    const auto = await listen('--first-event', String(seqs[2]), '--auto-ack', '--raw', '--count', '1')
    expect(auto.stdout).toBe('4')
  })

  test('events listen and the gateway say that a subscription does not exist, and wait for it', async () => {
    const {scene} = await withOrders(newScene, 1)
    await using gateway = scene.start(serveArgs)
    const url = await urlOf(gateway)
    await using listening = start(['events', 'listen', url, '--namespace', 'ORDERS', '--name', 'late', '-n', '1', '-r'])
    const sentence = 'there is no subscription late of ORDERS: nothing is delivered until bus events add creates it'
    expect(await listening.stderrLine('there is no')).toBe(sentence)
    expect(await gateway.stderrLine('there is no')).toBe(sentence)
    await scene.run(['events', 'add', 'ORDERS', 'late', '--first-event', 'oldest', '--with-data'])
    expect(await listening.ended).toMatchObject({code: 0, stdout: expect.stringMatching(/^1\n?$/)})
  })
})

describe('a gateway without --token', () => {
  test('prints its token if it cannot be stored, for example without a home folder', async () => {
    const env = {HOME: '/dev/null', BUS_URL: 'memory:'}
    await using gateway = start(['events', 'serve', '--ws', '127.0.0.1:0'], {env})
    expect(await gateway.stderrLine('token: ')).toMatch(
      /^token: [\w-]{32} \(valid until the gateway ends; not saved to a file: cannot write /,
    )
  })

  test('creates a token, prints it, and stores it for its user until it ends', async () => {
    await using scene = await gatewayScene()
    const {gateway, url, home} = scene
    const [, token = '', path = ''] = /^token: (\S+) .* in (\S+), where/.exec(await gateway.stderrLine('token: ')) ?? []
    expect(token.length).toBeGreaterThanOrEqual(32)
    expect(path).toBe(join(home, `.local/state/busline/gateways/${new URL(url).port}.token`))
    expect(readFileSync(path, 'utf8')).toBe(`${token}\n`)
    for (const [file, mode] of [
      [path, 0o600],
      [dirname(path), 0o700],
    ] as const)
      expect(statSync(file).mode & 0o777).toBe(mode)
    await expect(Socket.open(url)).rejects.toThrow('status 401')
    await using socket = await Socket.open(url, {Authorization: `Bearer ${token}`})
    socket.say({type: 'start', namespace: 'ORDERS', ephemeral: true, options: {firstEvent: 'oldest'}})
    await socket.got(1)
    gateway.interrupt()
    expect((await gateway.ended).code).toBe(0)
    expect(existsSync(path)).toBe(false)
  })

  test('accepts events listen of its user, and of no other user', async () => {
    await using scene = await gatewayScene()
    const {url, home} = scene
    const listen = ['events', 'listen', url, '--namespace', 'ORDERS', '--first-event', 'oldest', '-n', '1', '--raw']
    expect(await bus(listen, {env: {HOME: home}})).toMatchObject({code: 0, stdout: 'x'})
    expect(await bus(listen, {env: {HOME: join(home, 'other')}})).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('answered 401'),
    })
    expect(await bus([...listen, '--token', 'wrong'], {env: {HOME: home}})).toMatchObject({code: 4})
  })

  test('accepts pages that offer the token as a subprotocol', async () => {
    await using scene = await gatewayScene('--allow-origin', 'https://app.example')
    const {gateway, url} = scene
    const [, token = ''] = /^token: (\S+)/.exec(await gateway.stderrLine('token: ')) ?? []
    const opening = async (protocols: string[], origin: string) => {
      const socket = new WebSocket(url, protocols, {origin})
      const {promise, resolve} = Promise.withResolvers<string>()
      socket.once('open', () => resolve(socket.protocol))
      socket.once('error', ({message}) => resolve(message))
      const outcome = await promise
      socket.terminate()
      return outcome
    }
    expect(await opening(['bus-events', `bearer.${token}`], 'https://app.example')).toBe('bus-events')
    expect(await opening(['bus-events', 'bearer.wrong'], 'https://app.example')).toContain('401')
    expect(await opening(['bus-events'], 'https://app.example')).toContain('401')
    expect(await opening(['bus-events', `bearer.${token}`], 'https://evil.example')).toContain('403')
  })
})

/** A gateway with its own home folder, without --token, on a bus with one event. */
async function gatewayScene(...flags: string[]) {
  const home = mkdtempSync(join(tmpdir(), 'bus-gateway-'))
  const env = {HOME: home, BUS_URL: join(home, 'bus.db')}
  await bus(['stream', 'add', 'ORDERS', 'orders.>'], {env})
  await bus(['pub', 'orders.a', 'x', '--ack'], {env})
  const gateway = start(['events', 'serve', '--ws', '127.0.0.1:0', ...flags], {env})
  return {
    ...{gateway, home, url: await urlOf(gateway)},
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]()
      rmSync(home, {recursive: true, force: true})
    },
  }
}

describe('a gateway', () => {
  test('serves other machines only with a token or with --allow-anonymous', async () => {
    const refused = await bus(['events', 'serve', '--ws', '0.0.0.0:0'])
    expect([refused.code, refused.stderr]).toEqual([4, expect.stringContaining('use a token')])
    await using open = start(['events', 'serve', '--ws', '0.0.0.0:0', '--allow-anonymous'])
    await urlOf(open)
    await using guarded = start(['events', 'serve', '--ws', '127.0.0.1:0'], {env: {BUS_EVENTS_TOKEN: 's3cret'}})
    const url = await urlOf(guarded)
    const anonymous = await bus(['events', 'listen', url])
    expect([anonymous.code, anonymous.stderr]).toEqual([4, expect.stringContaining('answered 401')])
    await expect(Socket.open(url, {Authorization: 'Bearer s3cret', Origin: 'https://evil.example'})).rejects.toThrow(
      '403',
    )
    const listening = await bus(['events', 'listen', url, '--token', 's3cret', '--namespace', 'NONE'])
    expect([listening.code, listening.stderr]).toEqual([8, expect.stringContaining('the gateway says: ')])
  })

  test('that does not exist is reported with a sentence', async () => {
    const none = await bus(['events', 'listen', 'ws://127.0.0.1:1'])
    expect([none.code, none.stderr]).toEqual([3, expect.stringContaining('nothing listens there')])
    expect((await bus(['events', 'listen', 'http://127.0.0.1:1'])).code).toBe(2)
    expect((await bus(['events', 'serve', '--ws', 'nowhere'])).code).toBe(2)
  })
})

test('a bus without streams has no events', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'bus-events-libbus-'))
  onTestFinished(() => rmSync(folder, {recursive: true}))
  const url = `libbus:${join(folder, 'app.db')}?create`
  for (const words of [['ls'], ['add', 'ORDERS', 'app'], ['serve', '--ws', '127.0.0.1:0']]) {
    const {code, stderr} = await bus(['events', ...words, '-b', url])
    expect([code, stderr]).toEqual([5, expect.stringContaining('has no streams')])
  }
})

test('no event in flight is lost when the server is killed', async () => {
  const server = await NatsServer.start((home) => `jetstream {store_dir: "${home}", sync_interval: always}`)
  onTestFinished(() => server[Symbol.asyncDispose]())
  const transport = await open(server.url())
  await transport.streams.add({name: 'ORDERS', subjects: ['orders.>']})
  const seqs = await orders(transport, 1, 300)
  await transport.close()
  const run = (...args: string[]) => bus(['-b', server.url(), ...args])
  await run('events', 'add', 'ORDERS', 'app', '--first-event', 'oldest', '--with-data', '--read-ahead', '9')
  await using gateway = start(['-b', server.url(), ...serveArgs])
  const got: unknown[] = []
  await using _socket = await acknowledging(await urlOf(gateway), got)
  await expect.poll(() => got.length, {interval: 1}).toBeGreaterThan(50)
  await server.stop('SIGKILL')
  await server.run()
  const offset = async () =>
    JSON.parse((await run('events', 'info', 'ORDERS', 'app', '--json')).stdout).status.currentOffset
  await expect.poll(() => offset()).toBe(seqs.at(-1))
  expect(firstTimes(got)).toEqual(Array.from({length: 300}, (_, n) => n + 1))
})

test('an application that is killed gets unacknowledged events again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'bus-events-'))
  onTestFinished(() => rmSync(folder, {recursive: true}))
  const url = join(folder, 'bus.db')
  const run = (...args: string[]) => bus(['-b', url, ...args])
  await run('stream', 'add', 'ORDERS', 'orders.>')
  await run('pub', 'orders.new', '{n}', '--template', '--count', '20', '--ack')
  await run('events', 'add', 'ORDERS', 'app', '--first-event', 'oldest', '--read-ahead', '4')
  await using gateway = start(['-b', url, ...serveArgs])
  const socket = await urlOf(gateway)
  const args = ['events', 'listen', socket, '--namespace', 'ORDERS', '--name', 'app', '--json']
  await using first = start(args)
  for (let n = 0; n < 7; n++) await first.stdoutLine()
  first.kill('SIGKILL')
  const shown = (await first.ended).stdout.trim().split('\n')
  const rest = await bus([...args, '--count', '1'])
  const [last, next] = [shown.at(-1), rest.stdout].map((line) => JSON.parse(line ?? '').sequence as number)
  expect(next).toBeLessThanOrEqual((last ?? 0) + 1)
})

test('the example of docs/delivery.md runs unchanged', async () => {
  const text = readFileSync(join(root, 'docs/delivery.md'), 'utf8')
  const block = (language: string) => new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 's').exec(text)?.[1] ?? ''
  const folder = mkdtempSync(join(tmpdir(), 'bus-events-docs-'))
  onTestFinished(() => rmSync(folder, {recursive: true}))
  const env = {BUS_URL: join(folder, 'bus.db')}
  // A free port instead of the default one.
  const lines = block('sh').replace(':5599', ':0').trim().split('\n')
  for (const line of lines.slice(0, 2)) {
    const {code, stderr} = await startLine(line, {env}).ended
    expect(code, stderr).toBe(0)
  }
  await using gateway = startLine(lines[2] ?? '', {env})
  const app = join(folder, 'app.mjs')
  writeFileSync(app, block('js').replace('ws://127.0.0.1:5599', await urlOf(gateway)))
  const [, token = ''] = /^token: (\S+)/.exec(await gateway.stderrLine('token: ')) ?? []
  const child = spawn(process.execPath, [app], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {...process.env, BUS_EVENTS_TOKEN: token},
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let shown = ''
  child.stdout.on('data', (chunk) => {
    shown += chunk
  })
  await bus(['pub', 'orders.created', '{"id":1}'], {env})
  await bus(['pub', 'orders.paid', '{"id":1}'], {env})
  await expect.poll(() => shown).toBe('orders.created { id: 1 }\norders.paid { id: 1 }\n')
})

/** Each number at its first occurrence. */
function firstTimes(got: readonly unknown[]): unknown[] {
  return [...new Set(got)]
}
