/** Which of the received messages is the answer to a request. */
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {open} from '../../../src/lib/transport/open.ts'
import {bus, start} from '../../bus.ts'
import {NatsServer} from '../../nats-server.ts'

let server: NatsServer
let url: string
const folder = mkdtempSync(join(tmpdir(), 'bus-answers-'))

beforeAll(async () => {
  server = await NatsServer.start((home) => `jetstream {store_dir: "${home}"}`)
  url = server.url()
  await using transport = await open(url)
  await transport.streams.add({name: 'RQ', subjects: ['rq.>']})
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  rmSync(folder, {recursive: true})
})

const run = (...args: string[]) => bus([...args, '-b', url])

describe('the acknowledgement of a stream', () => {
  test('is not the answer of req when a service answers too', async () => {
    await using service = start(['serve', 'rq.slow', '--exec', '-b', url, '--', 'sh', '-c', 'sleep 0.3; printf Hello'])
    await service.stderrLine('listening')
    const {code, stdout, stderr} = await run('req', 'rq.slow', 'hi')
    expect({code, stdout}).toEqual({code: 0, stdout: 'Hello\n'})
    expect(stderr).toContain('the stream RQ stored the request on "rq.slow"; its acknowledgement is not a reply')
  })

  test('is not counted by req --count, req --replies, bench req and --expect', async () => {
    await using service = start(['serve', 'rq.hello', 'Hello', '-b', url])
    await service.stderrLine('listening')
    const counted = await run('req', 'rq.hello', 'hi', '--count', '50', '-c', '8', '--raw')
    expect(counted.stdout).toBe('Hello\n'.repeat(50))
    expect(counted.stderr.match(/stored the request/g)).toHaveLength(1)
    const two = await run('req', 'rq.hello', 'hi', '--replies', '2', '-t', '500ms')
    expect({code: two.code, stdout: two.stdout}).toEqual({code: 6, stdout: 'Hello\n'})
    expect(await run('req', 'rq.hello', '--expect', 'text = "Hello"')).toMatchObject({code: 0})
    const bench = await run('bench', 'req', 'rq.nobody', '--msgs', '3', '--timeout', '300ms')
    expect(bench.code).toBe(6)
  })

  test('is not the answer of a check', async () => {
    const file = join(folder, 'checks.yaml')
    writeFileSync(
      file,
      'checks:\n  - name: hello\n    req: {subject: rq.nobody, within: 300ms}\n    expect: {text: Hello}\n',
    )
    const {code, stdout} = await run('check', file)
    expect(code).not.toBe(0)
    expect(stdout).toContain('no reply')
  })

  test('without any other answer is exit code 6, and the sentence names the stream', async () => {
    const {code, stdout, stderr} = await run('req', 'rq.nobody', 'hi', '-t', '300ms')
    expect({code, stdout}).toEqual({code: 6, stdout: ''})
    expect(stderr).toContain('the stream RQ stored the request')
    expect(stderr).toContain('--ack-is-reply')
  })

  test('is the answer with --ack-is-reply', async () => {
    const {code, stdout} = await run('req', 'rq.nobody', 'hi', '--ack-is-reply')
    expect({code, reply: JSON.parse(stdout)}).toMatchObject({code: 0, reply: {stream: 'RQ'}})
  })

  test('is not the result of a request of the library, unless the options request it', async () => {
    await using transport = await open(url)
    const message = {subject: 'rq.nobody', data: 'hi'}
    await expect(transport.request(message, {timeoutMs: 300})).rejects.toMatchObject({kind: 'timeout'})
    const reply = await transport.request(message, {ackIsReply: true})
    expect(JSON.parse(reply.text)).toMatchObject({stream: 'RQ'})
  })

  test('that a stream refuses is not an answer either', async () => {
    await using transport = await open(url)
    await transport.streams.add({name: 'FULL', subjects: ['full.>'], maxMsgs: 1, discard: 'new'})
    await run('pub', 'full.a', '1', '--ack')
    const {code, stderr} = await run('req', 'full.a', 'hi', '-t', '300ms')
    expect(code).toBe(6)
    expect(stderr).toContain('FULL')
  })
})

describe('a reply under a subject other than that of its inbox', () => {
  const next = '$JS.API.CONSUMER.MSG.NEXT.ST.c'
  beforeAll(async () => {
    await using transport = await open(url)
    await transport.streams.add({name: 'ST', subjects: ['st.>']})
    await transport.streams.consumers.add('ST', {name: 'c'})
    for (let i = 1; i <= 6; i++) transport.publish({subject: `st.${i}`, data: `${i}`})
    await transport.flush()
  })

  test('is the answer', async () => {
    const {code, stdout} = await run('req', next, '1', '--json')
    expect({code, answer: JSON.parse(stdout)}).toMatchObject({code: 0, answer: {subject: 'st.1', json: 1}})
  })

  test('is an answer of req --replies', async () => {
    const {code, stdout} = await run('req', next, '2', '--replies', '2')
    expect({code, stdout}).toEqual({code: 0, stdout: '2\n3\n'})
  })

  test('is returned to the oldest of several requests', async () => {
    const {code, stdout} = await run('req', next, '1', '--count', '3', '-c', '3', '--raw')
    expect({code, stdout}).toEqual({code: 0, stdout: '4\n5\n6\n'})
  })

  test('that is only a status is shown', async () => {
    const {code, stdout, stderr} = await run('req', next, '{"batch":1,"no_wait":true}')
    expect({code, stdout}).toEqual({code: 0, stdout: '\n'})
    expect(stderr).toContain('the reply is only a status: 404 No Messages')
  })
})

describe('sub without a wildcard', () => {
  test('shows the subject of a message that a push consumer delivers', async () => {
    await using transport = await open(url)
    await transport.streams.add({name: 'PUSH', subjects: ['c.*']})
    transport.publish({subject: 'c.7', data: 'seven'})
    await transport.flush()
    await using listener = start(['sub', 'push.here', '-n', '1', '--json', '-b', url])
    await listener.stderrLine('listening')
    const config = {deliver_subject: 'push.here', ack_policy: 'none', durable_name: 'p'}
    const made = await transport.request({
      subject: '$JS.API.CONSUMER.CREATE.PUSH.p',
      data: JSON.stringify({stream_name: 'PUSH', config}),
    })
    expect(made.text).not.toContain('error')
    expect(JSON.parse((await listener.ended).stdout)).toMatchObject({subject: 'c.7', text: 'seven'})
  })
})
