/** Every command that talks to JetStream waits for the election of a leader, and reports it once. */
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {expect, type TestContext, test} from 'vitest'
import type {Transport} from '../../src/lib/transport/contract.ts'
import {open} from '../../src/lib/transport/open.ts'
import {type BusOptions, bus} from '../bus.ts'
import {FaultyProxy} from '../faulty-proxy.ts'
import {NatsServer} from '../nats-server.ts'

/** How servers behave while they have no leader. */
type Behaviour = 'silent' | 'refusing' | 'absent'

const now = new Date().toISOString()
const streamInfo = {
  config: {
    name: 'S',
    subjects: ['s.>'],
    retention: 'limits',
    storage: 'file',
    discard: 'old',
    max_age: 0,
    max_msgs: -1,
    max_bytes: -1,
    max_msgs_per_subject: -1,
    num_replicas: 3,
  },
  created: now,
  state: {messages: 0, bytes: 0, first_seq: 1, last_seq: 0, first_ts: now, last_ts: now, consumer_count: 1},
}
const consumerInfo = {
  stream_name: 'S',
  name: 'c',
  created: now,
  config: {durable_name: 'c', ack_policy: 'explicit', ack_wait: 30e9, max_deliver: -1, max_ack_pending: 1000},
  delivered: {consumer_seq: 0, stream_seq: 0},
  ack_floor: {consumer_seq: 0, stream_seq: 0},
  num_pending: 0,
  num_ack_pending: 0,
  num_redelivered: 0,
  num_waiting: 0,
}
const page = {total: 1, offset: 0, limit: 1024}

function answerTo(subject: string): object {
  if (subject.startsWith('$JS.API.STREAM.INFO.')) return streamInfo
  if (subject === '$JS.API.STREAM.LIST') return {...page, streams: [streamInfo]}
  if (subject === '$JS.API.STREAM.NAMES') return {...page, streams: ['S']}
  if (subject.startsWith('$JS.API.CONSUMER.INFO.')) return consumerInfo
  if (subject.startsWith('$JS.API.CONSUMER.LIST.')) return {...page, consumers: [consumerInfo]}
  return {stream: 'S', seq: 1}
}

const electing = {error: {code: 503, err_code: 10008, description: 'JetStream system temporarily unavailable'}}

/** A server whose JetStream is simulated by the test, and the client that does so. */
async function playedServer(onTestFinished: TestContext['onTestFinished'], config = '') {
  const server = await NatsServer.start(config)
  onTestFinished(() => server[Symbol.asyncDispose]())
  const fake = await open(server.url())
  onTestFinished(() => fake.close())
  return {server, fake}
}

/**
 * A server of a cluster. Its JetStream is simulated by the test and has a leader only `ms` after the first request, or after
 * this many lost requests.
 */
async function withoutLeader(
  behaviour: Behaviour,
  {ms = 0, lost = 0}: {readonly ms?: number; readonly lost?: number},
  {onTestFinished}: TestContext,
): Promise<NatsServer> {
  const {server, fake} = await playedServer(onTestFinished, 'cluster {name: C, listen: "127.0.0.1:-1"}')
  let until: number | undefined
  let requests = 0
  const play = async (patterns: readonly string[]) => {
    const subscription = await fake.subscribe(patterns)
    await fake.flush()
    for await (const {subject, reply = ''} of subscription) {
      until ??= performance.now() + ms
      const isOver = performance.now() >= until && ++requests > lost
      if (!isOver && behaviour === 'silent') continue
      fake.publish({subject: reply, data: JSON.stringify(isOver ? answerTo(subject) : electing)})
    }
  }
  if (behaviour === 'absent') {
    // Any server of the cluster knows which stream stores a subject, also without its leader.
    const others = ['$JS.API.STREAM.INFO.*', '$JS.API.STREAM.LIST', '$JS.API.CONSUMER.>', 's.>']
    void answerNames(fake, () => setTimeout(() => void play(others), ms))
  } else void play(['$JS.API.>', 's.>'])
  await fake.flush()
  return server
}

async function answerNames(fake: Transport, onFirst: () => void): Promise<void> {
  let count = 0
  for await (const {reply = ''} of await fake.subscribe('$JS.API.STREAM.NAMES')) {
    if (count++ === 0) onFirst()
    fake.publish({subject: reply, data: JSON.stringify(answerTo('$JS.API.STREAM.NAMES'))})
  }
}

const folder = mkdtempSync(join(tmpdir(), 'elections-'))
process.once('exit', () => rmSync(folder, {recursive: true, force: true}))
const checkFile = join(folder, 'lag.yaml')
writeFileSync(checkFile, 'checks:\n  - name: lag\n    consumer: {stream: S, name: c, max-lag: 0}\n')

const commands: readonly (readonly [string, readonly string[], BusOptions?])[] = [
  ['stream info', ['stream', 'info', 'S']],
  ['stream ls', ['stream', 'ls']],
  ['consumer info', ['consumer', 'info', 'S', 'c']],
  ['consumer ls', ['consumer', 'ls', 'S']],
  ['consumer replay', ['consumer', 'replay', 'S', 'c', '--raw']],
  ['pub --ack', ['pub', 's.a', 'x', '--ack']],
  ['pub --lines --ack', ['pub', 's.a', '--lines', '--ack'], {stdin: 'one\n'}],
  ['bench pub --ack', ['bench', 'pub', 's.a', '--ack', '--msgs', '1']],
  ['check', ['check', checkFile]],
]

for (const behaviour of ['silent', 'refusing', 'absent'] as const) {
  // A message published without an answer may or may not be stored, so it is not sent again.
  const waiting = commands.filter(([name]) => behaviour !== 'silent' || !name.endsWith(' --ack'))
  test.concurrent.for(waiting)(
    `while servers without a leader are ${behaviour}, %s waits for it beyond --timeout`,
    async ([name, args, options], context) => {
      const server = await withoutLeader(behaviour, {ms: 4000}, context)
      const timeout = name === 'check' ? [] : ['-t', '1s']
      const {code, stderr} = await bus([...args, ...timeout, '-b', server.url()], options)
      expect(code, stderr).toBe(0)
      const told = stderr.split('\n').filter((line) => line.includes('leader'))
      expect(told, stderr).toHaveLength(1)
    },
  )
}

test.concurrent('a request that is lost in an election is sent again, however long --timeout is', async (context) => {
  const server = await withoutLeader('silent', {lost: 1}, context)
  const {code, stderr} = await bus(['consumer', 'info', 'S', 'c', '-t', '1h', '-b', server.url()])
  expect(code, stderr).toBe(0)
})

test.concurrent('a request that is lost with its connection is sent again after the reconnect, however long --timeout is', async ({
  onTestFinished,
}) => {
  const {server, fake} = await playedServer(onTestFinished)
  const requests = await fake.subscribe('$JS.API.>')
  await using proxy = await FaultyProxy.before(server)
  const client = await open(proxy.url, {timeoutMs: 3_600_000})
  onTestFinished(() => client.close())
  const asking = client.streams.consumers.info('S', 'c')
  expect(await requests.take(1)).toHaveLength(1)
  proxy.cut()
  const [again] = await requests.take(1)
  fake.publish({subject: again?.reply ?? '', data: JSON.stringify(consumerInfo)})
  expect(await asking).toMatchObject({stream: 'S'})
})

test.concurrent('a leader that is not elected within 30 seconds is exit code 6', async (context) => {
  const server = await withoutLeader('silent', {ms: Number.POSITIVE_INFINITY}, context)
  const began = performance.now()
  const {code, stderr} = await bus(['consumer', 'info', 'S', 'c', '-t', '1s', '-b', server.url()])
  expect([code, stderr]).toEqual([6, expect.stringContaining('leader')])
  expect(performance.now() - began).toBeGreaterThan(29_000)
})

test.concurrent('a single server that refuses requests for 30 seconds has no election', async ({onTestFinished}) => {
  const {server, fake} = await playedServer(onTestFinished)
  const refusal = {error: {code: 409, err_code: 10158, description: 'duplicate message id is in process'}}
  const subscription = await fake.subscribe(['s.>', '$JS.API.>'])
  const refuse = async () => {
    for await (const {reply = ''} of subscription) fake.publish({subject: reply, data: JSON.stringify(refusal)})
  }
  void refuse()
  const commands = [
    ['pub', 's.a', 'x', '--ack'],
    ['consumer', 'info', 'S', 'c'],
  ]
  for (const {code, stderr} of await Promise.all(commands.map((args) => bus([...args, '-b', server.url()])))) {
    expect([code, stderr]).toEqual([6, expect.stringContaining('did not accept the request within 3')])
    expect(stderr).toContain('duplicate message id is in process')
    expect(stderr).not.toContain('leader')
  }
})

test.concurrent('a single JetStream server that does not answer is waited for no longer than --timeout', async ({
  onTestFinished,
}) => {
  const {server, fake} = await playedServer(onTestFinished)
  await fake.subscribe('$JS.API.>')
  const began = performance.now()
  const {code, stderr} = await bus(['consumer', 'info', 'S', 'c', '-b', server.url()])
  expect([code, stderr]).toEqual([6, expect.stringContaining('no answer')])
  expect(performance.now() - began).toBeLessThan(15_000)
})
