/**
 * A replay ends when its consumer is at its end: whatever is delivered twice, each message is handled, the ack floor is at the
 * end, and only then the exit code is 0.
 */
import {setTimeout as sleep} from 'node:timers/promises'
import {describe, expect, onTestFinished, test} from 'vitest'
import {Broker} from '../../src/lib/protocols/broker/broker.ts'
import type {Transport} from '../../src/lib/transport/contract.ts'
import {open} from '../../src/lib/transport/open.ts'
import type {ConsumerInfo} from '../../src/lib/transport/streams-contract.ts'
import {bin} from '../bus.ts'
import {addConsumer, ask} from '../lib/transport/nats/streams.ts'
import {type Program, startCommand, temporaryFolder} from '../lib/transport/sqlite/processes.ts'
import {Cluster} from '../nats-cluster.ts'
import {NatsServer} from '../nats-server.ts'
import {tally, until} from './tally.ts'

const total = 20_000
const ackWaitMs = 2000
const subject = 'S.x'

interface Scene {
  readonly url: string
  readonly servers: readonly NatsServer[]
  readonly cluster?: Cluster
}

type Kind = 'file' | 'R1' | 'R3'
type Delivered = 'pull' | 'push'

async function sceneOf(kind: Kind): Promise<Scene> {
  if (kind === 'file') return {url: `${temporaryFolder()}/bus.db`, servers: []}
  if (kind === 'R1') {
    const server = await NatsServer.start((home) => `jetstream {store_dir: "${home}"}`)
    onTestFinished(() => server[Symbol.asyncDispose]())
    return {url: server.url(), servers: [server]}
  }
  const cluster = await Cluster.start()
  onTestFinished(() => cluster[Symbol.asyncDispose]())
  return {url: cluster.servers.map((server) => server.url()).join(','), servers: cluster.servers, cluster}
}

/** Creates a stream `S` with this many messages and a durable consumer `c` on it, as soon as a leader allows. */
async function fill({url, servers}: Scene, delivered: Delivered, count = total): Promise<void> {
  await using bus = await open(url)
  const replicas = servers.length > 1 ? 3 : 1
  await until(() => succeeds(bus.streams.add({name: 'S', subjects: ['S.>'], replicas})))
  const push = {
    ack_policy: 'explicit',
    deliver_policy: 'all',
    ack_wait: ackWaitMs * 1e6,
    deliver_subject: '_INBOX.dead.S',
  }
  if (delivered === 'push') await addConsumer(bus, 'S', {name: 'c', ...push})
  else await bus.streams.consumers.add('S', {name: 'c', ackWaitMs})
  await using publisher = bus.streams.publisher({timeoutMs: 20_000})
  for (let n = 1; n <= count; n++) await publisher.push({subject, data: String(n)})
  await publisher.flush()
}

async function succeeds(asked: Promise<unknown>): Promise<boolean> {
  return asked.then(
    () => true,
    () => false,
  )
}

function run(...args: string[]): Program {
  return startCommand(process.execPath, [bin, ...args])
}

async function infoOf({url}: Scene): Promise<ConsumerInfo> {
  await using bus = await open(url)
  let info: ConsumerInfo | undefined
  await until(async () => {
    info = await bus.streams.consumers.info('S', 'c').catch(() => undefined)
    return info !== undefined
  })
  return info as ConsumerInfo
}

const numbers = (count = total) => Array.from({length: count}, (_, i) => String(i + 1))

/** The expectations of a command that has ended. */
async function expectComplete(name: string, scene: Scene, command: Program, count = total): Promise<void> {
  const code = await command.ended
  const found = tally(name, numbers(count), command.lines)
  expect([code, found.lost], command.stderr()).toEqual([0, 0])
  const info = await infoOf(scene)
  expect(info, command.stderr()).toMatchObject({pending: 0, ackPending: 0})
  expect(info.ackFloor).toBe(info.deliveredSeq)
}

type Fault = (scene: Scene, command: Program) => Promise<void>

const stopped: Fault = async (_, {child}) => {
  child.kill('SIGSTOP')
  await sleep(ackWaitMs + 2000)
  child.kill('SIGCONT')
}

const crash: Fault = async ({servers: [server]}) => {
  await server?.stop('SIGKILL')
  await sleep(700)
  await server?.run()
}

function stepDown(operation: string): Fault {
  return async ({url}) => {
    await using bus = await open(url)
    for (let time = 0; time < 3; time++) {
      await ask(bus, operation).catch(() => undefined)
      await sleep(1000)
    }
  }
}

async function leaderOf(bus: Transport, operation: string): Promise<string> {
  let leader: string | undefined
  await until(async () => {
    const answer = await ask(bus, operation).catch(() => undefined)
    leader = (answer?.['cluster'] as {leader?: string} | undefined)?.leader
    return leader !== undefined
  })
  return leader as string
}

const leaderKilled: Fault = async ({url, cluster}) => {
  await using bus = await open(url)
  const server = cluster?.named(await leaderOf(bus, 'CONSUMER.INFO.S.c'))
  await server?.stop('SIGKILL')
  await sleep(3000)
  await server?.run()
}

const lameDuck: Fault = async ({servers: [server]}) => {
  // Like `nats-server --signal ldm=PID`.
  server?.signal('SIGUSR2')
  await sleep(2000)
}

const rollingRestart: Fault = async ({servers}) => {
  for (const server of servers) {
    await server.stop('SIGTERM')
    await sleep(500)
    await server.run()
    await sleep(4000)
  }
}

const faults: readonly (readonly [string, readonly Kind[], Fault])[] = [
  ['SIGSTOP of the replay for longer than the ack wait', ['file', 'R1', 'R3'], stopped],
  ['kill -9 of the server and a start', ['R1'], crash],
  ['step-downs of the consumer’s leader', ['R3'], stepDown('CONSUMER.LEADER.STEPDOWN.S.c')],
  ['step-downs of the stream’s leader', ['R3'], stepDown('STREAM.LEADER.STEPDOWN.S')],
  ['kill -9 of the consumer’s leader', ['R3'], leaderKilled],
  ['a lame duck', ['R3'], lameDuck],
  ['a rolling restart', ['R3'], rollingRestart],
]

const cases = faults.flatMap(([name, kinds, fault]) =>
  kinds.flatMap((kind) =>
    (kind === 'file' ? (['pull'] as const) : (['pull', 'push'] as const)).map(
      (delivered) => [name, kind, delivered, fault] as const,
    ),
  ),
)

describe('consumer replay handles everything and ends with 0', () => {
  test.each(cases)('over %s, on %s, %s', async (name, kind, delivered, fault) => {
    const scene = await sceneOf(kind)
    await fill(scene, delivered)
    const command = run('consumer', 'replay', 'S', 'c', '--raw', '--rate', '4000/s', '-b', scene.url)
    await command.atLeast(2000)
    await fault(scene, command)
    await expectComplete(`replay, ${kind}, ${delivered}: ${name}`, scene, command)
  })

  test.each([
    ['file', 'pull'],
    ['R1', 'pull'],
    ['R1', 'push'],
    ['R3', 'pull'],
    ['R3', 'push'],
  ] as const)('into a reader that pauses for longer than the ack wait, on %s, %s', async (kind, delivered) => {
    const scene = await sceneOf(kind)
    await fill(scene, delivered)
    const replay = `"${process.execPath}" "${bin}" consumer replay S c --raw -b "${scene.url}"`
    const reader = `{ head -c 2000; sleep ${ackWaitMs / 1000 + 2}; cat; }`
    const command = startCommand('bash', ['-c', `set -o pipefail; ${replay} | ${reader}`])
    await expectComplete(`replay, ${kind}, ${delivered}: a slow reader`, scene, command)
  })
})

/** Fewer messages, because each program takes time. */
describe('programs that each run for part of the ack wait', () => {
  test.each([
    ['file', 'pull'],
    ['R1', 'pull'],
    ['R1', 'push'],
  ] as const)('get every message once, on %s, %s', async (kind, delivered) => {
    const count = 150
    const scene = await sceneOf(kind)
    await fill(scene, delivered, count)
    const command = run(
      ...['consumer', 'replay', 'S', 'c', '-b', scene.url, '--exec', '--'],
      ...['sh', '-c', 'cat; echo; sleep 0.08'],
    )
    await expectComplete(`replay --exec, ${kind}, ${delivered}`, scene, command, count)
    expect(command.lines).toHaveLength(count)
  })
})

const others: readonly (readonly [string, Kind, Fault])[] = [
  ['kill -9 of the server and a start', 'R1', crash],
  ['SIGSTOP for longer than the ack wait', 'R1', stopped],
  ['SIGSTOP for longer than the ack wait', 'file', stopped],
  ['kill -9 of the consumer’s leader', 'R3', leaderKilled],
  ['a rolling restart', 'R3', rollingRestart],
]

describe.each(others)('over %s, on %s,', (name, kind, fault) => {
  test('sub --durable shows everything', async () => {
    const scene = await sceneOf(kind)
    await fill(scene, 'pull')
    const command = run('sub', 'S.>', '--durable', 'c', '--raw', '-b', scene.url)
    await command.atLeast(2000)
    await fault(scene, command)
    await until(() => new Set(command.lines).size >= total)
    await until(async () => (await infoOf(scene)).ackPending === 0)
    command.child.kill('SIGINT')
    await expectComplete(`sub --durable, ${kind}: ${name}`, scene, command)
  })

  test('consumer next -n shows all messages; after a crash the consumer still has the others', async () => {
    const scene = await sceneOf(kind)
    await fill(scene, 'pull')
    const command = run('consumer', 'next', 'S', 'c', '-n', String(total), '--raw', '-t', '100s', '-b', scene.url)
    await command.atLeast(1)
    await fault(scene, command)
    const code = await command.ended
    const found = tally(`consumer next, ${kind}: ${name}`, numbers(), command.lines)
    const {pending, ackPending, ackFloor, deliveredSeq} = await infoOf(scene)
    if (fault === crash) {
      // A crashed server has forgotten deliveries: it cannot confirm these acknowledgements, and delivers the messages again.
      expect(code === 0 || (code === 6 && command.stderr().includes('not confirm')), command.stderr()).toBe(true)
      expect(found.lost).toBeLessThanOrEqual(pending + ackPending)
      return
    }
    expect([code, found.lost], command.stderr()).toEqual([0, 0])
    expect([pending, ackFloor], command.stderr()).toEqual([0, deliveredSeq])
  })

  test('bench replay --durable reads all messages; after a crash it may report unconfirmed acknowledgements', async () => {
    const scene = await sceneOf(kind)
    await fill(scene, 'pull')
    const command = run('bench', 'replay', 'S', '--durable', 'c', '-b', scene.url)
    await until(async () => (await infoOf(scene)).deliveredSeq > 0)
    await fault(scene, command)
    const code = await command.ended
    if (fault === crash && code === 6) {
      expect(command.stderr()).toContain('not confirm')
      return
    }
    expect(code, command.stderr()).toBe(0)
    expect(await infoOf(scene)).toMatchObject({pending: 0, ackPending: 0})
  })

  test('a durable subscription of the library handles everything', async () => {
    if (fault === stopped) return
    const scene = await sceneOf(kind)
    await fill(scene, 'pull')
    const broker = new Broker({url: scene.url, stream: 'S', jetstream: true})
    onTestFinished(() => broker.stop())
    await broker.start()
    const handled: string[] = []
    const stop = await broker.subscribeDurable('S.>', 'c', (data) => void handled.push(Buffer.from(data).toString()))
    await until(() => handled.length > 1000)
    await fault(scene, undefined as unknown as Program)
    await until(() => new Set(handled).size >= total)
    // A crashed server has lost acknowledgements: it redelivers these messages when their ack wait has ended.
    await until(async () => (await infoOf(scene)).ackPending === 0)
    await stop()
    expect(tally(`library, ${kind}: ${name}`, numbers(), handled).lost).toBe(0)
    expect(await infoOf(scene)).toMatchObject({pending: 0, ackPending: 0})
  })
})
