import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, describe, expect, test} from 'vitest'
import {failedList, recordFailures} from '../../../src/lib/messaging/stored/failed.ts'
import type {Transport} from '../../../src/lib/transport/contract.ts'
import {failureSubjects} from '../../../src/lib/transport/shared/advisories.ts'
import type {FailedMessage} from '../../../src/lib/transport/streams-contract.ts'
import {onBothBuses, type StoredScene} from '../../both-buses.ts'
import {bus} from '../../bus.ts'

const folder = mkdtempSync(join(tmpdir(), 'failed-'))
afterAll(() => rmSync(folder, {recursive: true}))
let files = 0
const checkFile = (failed: number) => {
  const path = join(folder, `${++files}.yaml`)
  writeFileSync(path, `name: failed\nchecks: [{consumer: {stream: S, name: c, failed: ${failed}}}]`)
  return path
}
const newFile = () => join(folder, `${++files}.ndjson`)

/** The consumer `c` of the stream `S` has failed at 1 (max deliver), 2 (terminated: bad order) and 3 (terminated) of five messages. */
async function failing(newScene: () => Promise<StoredScene>): Promise<StoredScene> {
  const scene = await newScene()
  const {transport} = scene
  const {streams} = transport
  await recordFailures(transport)
  await streams.add({name: 'S', subjects: ['s.*']})
  for (const n of [1, 2, 3, 4, 5]) await streams.publish({subject: `s.${n % 2}`, data: String(n)})
  await streams.consumers.add('S', {name: 'c', maxDeliver: 1, ackWaitMs: 150})
  await using member = await streams.consumers.consume('S', 'c', {max: 5})
  const [, second, third, ...others] = await taken(member, 5)
  for (const each of others) each?.ack()
  second?.term('bad order')
  third?.term()
  await member.flush()
  await member.close()
  return scene
}

async function taken(member: Awaited<ReturnType<Transport['streams']['consumers']['consume']>>, count: number) {
  const all = []
  while (all.length < count) all.push(...(await member.take(count - all.length)))
  return all
}

async function failures({run}: StoredScene): Promise<Record<string, unknown>[]> {
  const {stdout} = await run(['consumer', 'failed', 'S', 'c', '--json'])
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

/** The failed messages, in order. A server publishes an advisory a moment later. */
async function untilFailed({transport}: StoredScene, count: number): Promise<readonly FailedMessage[]> {
  for (let tries = 0; ; tries++) {
    await using list = await failedList(transport, await transport.streams.consumers.info('S', 'c'))
    const found = await list.next()
    if (found.length === count || tries === 100) return found.toSorted((one, other) => one.seq - other.seq)
    await new Promise((resolve) => setTimeout(resolve, 30))
  }
}

describe('consumer failed', () => {
  onBothBuses((newScene) => {
    test('lists what reached the limit of deliveries or was terminated', async () => {
      await using scene = await failing(newScene)
      await untilFailed(scene, 3)
      const listed = await failures(scene)
      expect(listed.sort((one, other) => Number(one['seq']) - Number(other['seq']))).toMatchObject([
        {subject: 's.1', deliveries: 1, reason: 'max deliver', there: true},
        {subject: 's.0', deliveries: 1, reason: 'bad order', there: true},
        {subject: 's.1', deliveries: 1, reason: 'terminated', there: true},
      ])
      const {stdout, code} = await scene.run(['consumer', 'failed', 'S', 'c'])
      expect(code).toBe(0)
      expect(stdout).toMatch(/^seq +subject +deliveries +reason +in the stream +stored\n/)
      expect(stdout).toMatch(/s\.0 +1 +bad order +yes +\S+ \(.*\)\n/)
      expect((await scene.run(['consumer', 'failed', 'S', 'c', '-n', '2', '--json'])).stdout.split('\n')).toHaveLength(
        3,
      )
    })

    test('publishes or receives the same advisories', async () => {
      await using scene = await newScene()
      await using heard = await scene.transport.subscribe(failureSubjects())
      await scene.transport.streams.add({name: 'S', subjects: ['s.*']})
      await scene.transport.streams.publish({subject: 's.1'})
      await scene.transport.streams.publish({subject: 's.2'})
      await scene.run(['consumer', 'add', 'S', 'c', '--max-deliver', '1'])
      await scene.run(['consumer', 'next', 'S', 'c', '--nak'])
      await using member = await scene.transport.streams.consumers.consume('S', 'c', {max: 1})
      const [last] = await taken(member, 1)
      last?.term('why')
      await member.flush()
      const all = []
      while (all.length < 2) all.push(...(await heard.take(2)))
      const [one, other] = all.sort((a, b) => (a.subject < b.subject ? -1 : 1))
      expect(one?.subject).toBe('$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.S.c')
      const common = {stream: 'S', consumer: 'c', deliveries: 1, id: expect.stringMatching(/^\w{22,}$/)}
      expect(JSON.parse(one?.text ?? '')).toMatchObject({
        ...common,
        type: 'io.nats.jetstream.advisory.v1.max_deliver',
        timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
        stream_seq: 1,
      })
      expect(other?.subject).toBe('$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.S.c')
      expect(JSON.parse(other?.text ?? '')).toMatchObject({
        ...common,
        type: 'io.nats.jetstream.advisory.v1.terminated',
        stream_seq: last?.seq,
        reason: 'why',
      })
    })

    test('retries, and messages that were handled leave the list', async () => {
      await using scene = await failing(newScene)
      await untilFailed(scene, 3)
      const retry = (...args: string[]) => bus(['-b', scene.url, 'consumer', 'failed', 'S', 'c', '--retry', ...args])
      const fails = await retry('--exec', '--', 'sh', '-c', 'read n; test "$n" = 2')
      expect(fails).toMatchObject({code: 8, stderr: expect.stringContaining('2 messages stayed on the list')})
      expect(await untilFailed(scene, 2)).toMatchObject([{reason: 'max deliver'}, {reason: 'terminated'}])
      const dead = newFile()
      expect((await retry('--exec', '--dead', dead, '--', 'false')).code).toBe(8)
      expect(readFileSync(dead, 'utf8').match(/"subject":"s\.1"/g)).toHaveLength(2)
      expect(await retry('--raw')).toMatchObject({code: 0, stdout: expect.stringMatching(/^[13]\n[13]\n$/)})
      expect(await failures(scene)).toEqual([])
      const none = await scene.run(['consumer', 'failed', 'S', 'c'])
      expect(none).toMatchObject({code: 0, stdout: '', stderr: 'no failed messages of consumer c of S\n'})
    })

    test('copies to another bus, and writes records', async () => {
      await using scene = await failing(newScene)
      await untilFailed(scene, 3)
      const dead = newFile()
      expect(await scene.run(['consumer', 'failed', 'S', 'c', '--dead', dead])).toMatchObject({
        code: 0,
        stderr: '3 written\n',
      })
      expect(readFileSync(dead, 'utf8').trim().split('\n')).toHaveLength(3)
      const other = join(folder, `${++files}.db`)
      const into = ['consumer', 'failed', 'S', 'c', '--retry', '--into', other, '--create', '--json']
      const {stdout, code} = await scene.run(into)
      expect([code, JSON.parse(stdout)]).toMatchObject([0, {handled: 3, left: 0}])
      expect(await failures(scene)).toEqual([])
    })

    test('says what is no longer in the stream', async () => {
      await using scene = await failing(newScene)
      await untilFailed(scene, 3)
      await scene.transport.streams.purge('S', {})
      const hasCopies = scene.transport.features.failures
      expect((await failures(scene))[0]).toMatchObject({there: false, ...(hasCopies && {subject: 's.1'})})
      const ended = await scene.run(['consumer', 'failed', 'S', 'c', '--retry', '--raw'])
      expect(ended.code).toBe(hasCopies ? 0 : 8)
    })

    test('a check counts them', async () => {
      await using scene = await failing(newScene)
      await untilFailed(scene, 3)
      const check = (most: number) => scene.run(['check', checkFile(most)])
      expect((await check(3)).code).toBe(0)
      expect(await check(2)).toMatchObject({code: 9, stdout: expect.stringContaining('failed messages')})
    })
  })

  onBothBuses((newScene) => {
    test('cannot tell what failed before it was recorded', async () => {
      await using scene = await newScene()
      const {transport, run} = scene
      await transport.streams.add({name: 'S', subjects: ['s.*']})
      await transport.streams.consumers.add('S', {name: 'c'})
      const hasList = transport.features.failures
      const {code, stderr} = await run(['consumer', 'failed', 'S', 'c'])
      if (hasList) expect([code, stderr]).toEqual([0, 'no failed messages of consumer c of S\n'])
      else expect([code, stderr]).toEqual([5, expect.stringContaining('cannot tell what failed before')])
      const recorded = await run(['consumer', 'failed', '--record'])
      expect(recorded.stderr).toMatch(hasList ? /^nothing to do/ : /^stream BUS_FAILED records/)
      if (hasList) return
      expect((await run(['consumer', 'failed', 'S', 'c'])).stderr).toMatch(/^recorded since .*: cannot tell/)
    })

    test('--record with the names records the failures of all consumers, then lists those of this one', async () => {
      await using scene = await newScene()
      const {transport, run} = scene
      const hasList = transport.features.failures
      await transport.streams.add({name: 'S', subjects: ['s.*']})
      await transport.streams.consumers.add('S', {name: 'c'})
      for (const names of [['S'], ['S', 'none']])
        expect((await run(['consumer', 'failed', ...names, '--record'])).code).toBe(names.length === 1 ? 2 : 5)
      const [advisories = ''] = failureSubjects('S', 'c')
      if (!hasList) expect(await transport.streams.keeping(advisories)).toEqual([])
      const {code, stdout, stderr} = await run(['consumer', 'failed', 'S', 'c', '--record'])
      expect([code, stdout]).toEqual([0, ''])
      const lines = stderr.split('\n')
      expect(lines[0]).toMatch(hasList ? /^nothing to do: / : /^stream BUS_FAILED records the failed messages of all/)
      expect(lines.slice(1).join('\n')).toMatch(
        hasList ? /^no failed messages of consumer c of S\n$/ : /^recorded since .*\nno failed messages of consumer c/,
      )
      await transport.streams.remove('S')
      await failing(async () => scene)
      await untilFailed(scene, 3)
      const listed = await run(['consumer', 'failed', 'S', 'c', '--record', '--json'])
      expect(listed.stdout.trim().split('\n')).toHaveLength(3)
    })

    test('deletes no advisories from a stream of somebody else', async () => {
      await using scene = await newScene()
      if (scene.transport.features.failures) return
      await scene.transport.streams.add({name: 'ADVISORIES', subjects: ['$JS.EVENT.ADVISORY.>']})
      await failing(async () => scene)
      expect(await untilFailed(scene, 3)).toHaveLength(3)
      expect(await scene.run(['consumer', 'failed', 'S', 'c', '--retry', '--raw'])).toMatchObject({
        code: 4,
        stdout: '',
      })
    })
  })
})
