import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, describe, expect, test} from 'vitest'
import {compileTemplate} from '../../src/lib/messaging/pubsub/template.ts'
import {open} from '../../src/lib/transport/open.ts'
import {bus, start} from '../bus.ts'
import {Socket} from '../lib/protocols/event-delivery/socket.ts'
import {NatsServer} from '../nats-server.ts'
import {publishRaw} from './hostile-text.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-hostile-'))
const server = await NatsServer.start((home) => `jetstream {store_dir: "${home}/js"}`)
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  rmSync(folder, {recursive: true})
})
const at = ['--bus', server.url()]
const second = 'x\r\nEvil: 1'

const bad: readonly (readonly [name: string, value: string])[] = [
  ['A', second],
  ['A', 'x\nEvil: 1'],
  ['A', 'x\rEvil: 1'],
  ['A', 'x\0'],
  ['A\r\nEvil', '1'],
  ['A\n', '1'],
  ['A:B', '1'],
  ['A B', '1'],
  ['Ä', '1'],
  ['', '1'],
]

describe.each([
  ['memory', () => 'memory:injection'],
  ['a bus file', () => join(folder, 'x.db')],
  ['a server', () => server.url()],
])('on %s', (_, url) => {
  test.each(bad)('the header %j: %j is refused wherever a message is sent', async (name, value) => {
    await using transport = await open(url())
    const message = {subject: 'a', headers: [[name, value]] as const}
    const refusal = expect.objectContaining({kind: 'usage'})
    expect(() => transport.publish(message)).toThrow(refusal)
    await expect(transport.request(message, {timeoutMs: 500})).rejects.toEqual(refusal)
    await expect(transport.streams.publish(message)).rejects.toEqual(refusal)
    await using publisher = transport.streams.publisher()
    await expect((async () => publisher.push(message))()).rejects.toEqual(refusal)
  })

  test.each(['a\r\nPUB b 1', 'a b', 'a\0', 'a\n', ' a'])(
    'the subject %j is refused, also as a reply subject',
    async (subject) => {
      await using transport = await open(url())
      const refusal = expect.objectContaining({kind: 'usage'})
      expect(() => transport.publish({subject})).toThrow(refusal)
      expect(() => transport.publish({subject: 'a', reply: subject})).toThrow(refusal)
      await expect(transport.subscribe(subject)).rejects.toEqual(refusal)
      await expect(transport.request({subject})).rejects.toEqual(refusal)
    },
  )
})

describe('a header with a line break is never sent', () => {
  const record = JSON.stringify({subject: 'a', headers: {A: second}, text: ''})
  const check = (headers: string) => {
    const path = join(folder, 'check.yaml')
    writeFileSync(path, `vars: {two: "x\\nEvil: 1"}\nchecks:\n  - pub: {subject: a, headers: {${headers}}}\n`)
    return ['check', path]
  }

  test.each<[string, () => readonly string[], string | undefined]>([
    ['by -H', () => ['pub', 'a', 'x', '-H', `A: ${second}`], undefined],
    ['by a name of -H', () => ['pub', 'a', 'x', '-H', 'A\nB: 1'], undefined],
    ['by a name with a space', () => ['pub', 'a', 'x', '-H', 'A B: 1'], undefined],
    ['by a request', () => ['req', 'a', 'x', '-H', `A: ${second}`], undefined],
    ['by a record', () => ['pub', '--records', '-'], record],
    ['by a template', () => ['pub', 'a', 'x', '--template', '-H', 'A: {n}\nEvil: {n}'], undefined],
    ['by a message id', () => ['pub', 'a', 'x', '--ack', '--msg-id', second], undefined],
    ['by a reply', () => ['pub', 'a', 'x', '--reply', 'b\r\nPUB c 0'], undefined],
    ['by the header of a service', () => ['serve', 'a', '--echo', '-H', `A: ${second}`], undefined],
    ['by a check file', () => check('A: "x\\nEvil: 1"'), undefined],
    ['by a variable of a check file', () => check('A: "{two}"'), undefined],
    ['by a name in a check file', () => check('"A:B": 1'), undefined],
    ['by a queue', () => ['sub', 'a', '--queue', 'q\r\nPUB b 0'], undefined],
    ['by a stream’s name', () => ['stream', 'info', 'S\r\nPUB b 0'], undefined],
    ['by an inbox prefix', () => ['req', 'a', 'x', '--inbox-prefix', 'i\r\nPUB b 0'], undefined],
  ])('%s', async (_, args, stdin) => {
    await using transport = await open(server.url())
    await using all = await transport.subscribe('>')
    const {code, stderr, stdout} = await bus([...args(), ...at], {stdin})
    expect([2, 9]).toContain(code)
    expect(stdout + stderr).toMatch(/line break|must be printable|newline|carriage return|has a space|no name|is not/)
    expect(stderr).not.toContain('    at ')
    await transport.flush()
    transport.publish({subject: 'over'})
    expect((await all.take(10)).map(({subject}) => subject).filter((subject) => !subject.startsWith('$JS'))).toEqual([
      'over',
    ])
  })

  test('when a template fills it in, because no placeholder produces a line break', () => {
    const {headers = []} = compileTemplate({
      subject: 'a',
      data: '',
      headers: [['A', '{n}{id}{time}{unix}{random:1-9}']],
    })()
    expect(headers.flat().join('')).toMatch(/^[\x20-\x7e]+$/)
  })
})

describe('a client of the gateway', () => {
  const command = 'S\r\nPUB evil 0\r\n\r\n'

  test.each<[string, unknown]>([
    ['a namespace', {namespace: command, name: 'app'}],
    ['a name', {namespace: 'G', name: command}],
    ['an ephemeral namespace', {namespace: command, ephemeral: true}],
    ['a dead letter', {namespace: 'G', ephemeral: true, options: {deadLetter: 'evil\r\nPUB evil 0'}}],
    ['a member of a prototype', {namespace: '__proto__', name: 'constructor', options: {__proto__: {}}}],
  ])('cannot inject a command through %s', async (_, wish) => {
    await using transport = await open(server.url())
    await transport.streams.add({name: 'G', subjects: ['g.>']})
    await using all = await transport.subscribe('evil')
    await using gateway = start(['events', 'serve', '--ws', '127.0.0.1:0', '--allow-anonymous', ...at])
    const url = (await gateway.stderrLine('listening on ')).split(' ').at(-1) ?? ''
    await using client = await Socket.open(url)
    client.say({type: 'start', ...(wish as object)})
    client.say({type: 'nack', id: command, info: command})
    await client.closed
    gateway.interrupt()
    const ended = await gateway.ended
    expect(ended.stderr).not.toContain('    at ')
    expect(ended.stderr.split('\n').filter((line) => line.startsWith('PUB'))).toEqual([])
    await transport.flush()
    await all.drain()
    expect(await all.take(1)).toEqual([])
  })
})

describe('a hostile header', () => {
  const evil = 'NATS/1.0\r\nA: x\nEvil: 1\r\nB C: 2\r\nD: \0\r\n\r\n'

  test('affects only its own reply and not the service', async () => {
    await using transport = await open(server.url())
    await using service = start(['serve', 'echo', '--echo', '-n', '2', ...at])
    await service.stderrLine('listening on ')
    await using inbox = await transport.subscribe('inbox')
    await transport.flush()
    await publishRaw(server.port(), 'echo inbox', evil, 'x')
    await transport.request({subject: 'echo', data: 'y'})
    const ended = await service.ended
    expect(ended).toMatchObject({code: 0})
    expect(ended.stderr).not.toContain('    at ')
    const [reply] = await inbox.take(1)
    for (const text of (reply?.headers ?? []).flat()) expect(text).not.toMatch(/[\r\n\0]/)
  })

  test('is reported when it is copied, and nothing is injected', async () => {
    await using transport = await open(server.url())
    await transport.streams.add({name: 'E', subjects: ['e.>']})
    await publishRaw(server.port(), 'e.1', evil, 'x')
    await using copies = await transport.subscribe('copy.>')
    const ended = await bus(['consumer', 'replay', 'E', '--republish', 'copy.{subject}', ...at])
    expect(ended.stderr).not.toContain('    at ')
    expect(ended).toMatchObject({code: 8, stderr: expect.stringContaining('has a line break or NUL')})
    await copies.drain()
    expect(await copies.take(1)).toEqual([])
  })
})
