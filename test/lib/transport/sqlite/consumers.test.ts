import {join} from 'node:path'
import {describe, expect, onTestFinished, test} from 'vitest'
import type {Transport} from '../../../../src/lib/transport/contract.ts'
import {open} from '../../../../src/lib/transport/open.ts'
import {Database} from '../../../../src/lib/transport/sqlite/database.ts'
import type {ConsumerSettings, Consuming, Delivery} from '../../../../src/lib/transport/streams-contract.ts'
import {start, temporaryFolder} from './processes.ts'

/** A new file with a stream of messages 1 to `count`, and a consumer of it. */
async function freshConsumer(count: number, settings: Partial<ConsumerSettings> = {}) {
  const path = join(temporaryFolder(), 'bus.db')
  const bus = await open(path)
  onTestFinished(() => bus.close())
  await bus.streams.add({name: 'S', subjects: ['s.>']})
  await bus.streams.consumers.add('S', {name: 'c', ...settings})
  await publish(bus, count)
  const info = () => bus.streams.consumers.info('S', 'c')
  return {path, bus, info}
}

async function publish(bus: Transport, count: number, subject = 's.a'): Promise<void> {
  for (let n = 1; n <= count; n++) {
    bus.publish({subject, data: String(n)})
    if (n % 1000 === 0) await bus.flush()
  }
  await bus.flush()
}

async function takeAll(member: Consuming, count: number): Promise<Delivery[]> {
  const taken: Delivery[] = []
  while (taken.length < count) taken.push(...(await member.take(count - taken.length)))
  return taken
}

describe('members in several processes', () => {
  test('that are killed 20 times handle everything, and the ack floor never passes an unhandled message', {
    timeout: 240_000,
  }, async () => {
    const {path, bus, info} = await freshConsumer(0, {maxAckPending: 5000})
    const handled = new Set<number>()
    for (let round = 0; round < 20; round++) {
      await publish(bus, 500)
      const members = [
        start('consume', path, 'S', 'c', round % 2 === 0 ? '7' : '300'),
        start('consume', path, 'S', 'c', '50'),
      ]
      const said = () => members.flatMap(({lines}) => lines.filter((line) => line !== 'live'))
      await expect.poll(() => said().length, {interval: 1, timeout: 20_000}).toBeGreaterThan(20 * round)
      for (const {child} of members) child.kill('SIGKILL')
      for (const {ended} of members) await ended
      for (const line of said()) handled.add(Number(line))
      const {ackFloor} = await info()
      for (let seq = 1; seq <= ackFloor; seq++)
        if (!handled.has(seq)) expect.unreachable(`floor ${ackFloor}, not ${seq}`)
    }
    const last = start('consume', path, 'S', 'c', '500', '300')
    expect(await last.ended, last.stderr()).toBe(0)
    for (const line of last.lines.slice(1)) handled.add(Number(line))
    expect(handled.size).toBe(10_000)
    expect(await info()).toMatchObject({ackFloor: 10_000, ackPending: 0, pending: 0})
  })

  test('share the messages, each with one member', async () => {
    const {path, info} = await freshConsumer(0)
    const members = [1, 2].map(() => start('consume', path, 'S', 'c', '10'))
    for (const member of members) await member.atLeast(1)
    expect(await start('load', path, 's.a', '6000').ended).toBe(0)
    await expect.poll(async () => (await info()).ackFloor, {timeout: 20_000}).toBe(6000)
    const all = () => members.flatMap(({lines}) => lines.slice(1).map(Number))
    await expect.poll(() => all().length).toBe(6000)
    expect(all().sort((a, b) => a - b)).toEqual(Array.from({length: 6000}, (_, i) => i + 1))
    for (const {lines} of members) expect(lines.length).toBeGreaterThan(100)
  })

  test('that are killed pass their messages in flight to the others immediately', async () => {
    const {path, bus} = await freshConsumer(10)
    const hoarder = start('hoard', path, 'S', 'c', '10')
    await hoarder.atLeast(1)
    await using member = await bus.streams.consumers.consume('S', 'c')
    const taking = member.take(10)
    hoarder.child.kill('SIGKILL')
    const killed = performance.now()
    expect((await taking).map(({text, deliveries}) => [text, deliveries])).toHaveLength(10)
    expect(performance.now() - killed).toBeLessThan(6000)
  })

  test('that close normally leave their messages in flight until the ack wait is over', async () => {
    const {path, bus, info} = await freshConsumer(5, {ackWaitMs: 1500})
    const begun = performance.now()
    const hoarder = start('hoard', path, 'S', 'c', '3', 'leave')
    await hoarder.atLeast(1)
    await using member = await bus.streams.consumers.consume('S', 'c')
    expect((await takeAll(member, 2)).map(({text}) => text)).toEqual(['4', '5'])
    expect((await info()).ackPending).toBe(5)
    expect((await takeAll(member, 3)).map(({text, deliveries}) => [text, deliveries])).toEqual([
      ['1', 2],
      ['2', 2],
      ['3', 2],
    ])
    expect(performance.now() - begun).toBeGreaterThan(1400)
  })
})

describe('a member', () => {
  test('that waits for messages writes nothing', async () => {
    const {path, bus} = await freshConsumer(3)
    await using member = await bus.streams.consumers.consume('S', 'c')
    for (const delivery of await takeAll(member, 3)) delivery.ack()
    await member.flush()
    const taking = member.take(1)
    const db = new Database(path)
    onTestFinished(() => void db.close())
    const before = db.pragmaValue('data_version')
    await new Promise((resolve) => setTimeout(resolve, 400))
    expect(db.pragmaValue('data_version')).toBe(before)
    await publish(bus, 1)
    expect((await taking).map(({text}) => text)).toEqual(['1'])
  })

  test('finds its messages behind many others, however short it waits', async () => {
    const {bus, info} = await freshConsumer(0, {filters: ['s.rare']})
    await publish(bus, 250_000, 's.often')
    await publish(bus, 2, 's.rare')
    await using member = await bus.streams.consumers.consume('S', 'c')
    expect((await member.take(10, 1)).map(({text, pending}) => [text, pending])).toEqual([
      ['1', 1],
      ['2', 0],
    ])
    expect((await info()).pending).toBe(0)
  })

  test('that always finds messages yields to timers and signals', async () => {
    const {bus} = await freshConsumer(30_000)
    await using member = await bus.streams.consumers.consume('S', 'c')
    let [taken, ticks] = [0, 0]
    const timer = setInterval(() => ticks++, 1)
    while (taken < 30_000) {
      for (const delivery of await member.take(50)) {
        delivery.ack()
        taken++
      }
    }
    for await (const _ of await bus.streams.read('S')) taken++
    clearInterval(timer)
    expect(taken).toBe(60_000)
    expect(ticks).toBeGreaterThan(1)
  })

  test('that is closed can still acknowledge its deliveries until the bus is closed', async () => {
    const {path, bus, info} = await freshConsumer(3)
    const other = await open(path)
    const member = await other.streams.consumers.consume('S', 'c')
    const taken = await takeAll(member, 3)
    await member.close()
    for (const delivery of taken) delivery.ack()
    await other.close()
    expect(await info()).toMatchObject({ackPending: 0, ackFloor: 3})
    expect((await bus.streams.info('S')).state.messages).toBe(3)
  })

  test('that holds the maximum continues as soon as another one acknowledges', async () => {
    const {path, bus} = await freshConsumer(4, {maxAckPending: 2})
    await using other = await open(path)
    await using first = await bus.streams.consumers.consume('S', 'c')
    await using second = await other.streams.consumers.consume('S', 'c')
    const held = await takeAll(first, 2)
    const taking = second.take(1)
    held[0]?.ack()
    expect((await taking).map(({text}) => text)).toEqual(['3'])
  })

  test('keeps copies of messages that were delivered too often or given up', async () => {
    const {path, bus, info} = await freshConsumer(3, {maxDeliver: 2})
    await using member = await bus.streams.consumers.consume('S', 'c')
    const [one, two, three] = await takeAll(member, 3)
    one?.nak()
    two?.term('bad data')
    three?.ack()
    await member.flush()
    ;(await takeAll(member, 1))[0]?.nak()
    await member.flush()
    const db = new Database(path, {readOnly: true})
    onTestFinished(() => void db.close())
    const dead = db.prepare('SELECT CAST(data AS TEXT), tries, reason FROM dead ORDER BY seq').raw().all()
    expect(dead).toEqual([
      ['1', 2, 'max deliver'],
      ['2', 1, 'bad data'],
    ])
    expect(await info()).toMatchObject({ackFloor: 3, ackPending: 0, pending: 0})
  })
})

describe('random actions of members', () => {
  /** The same sequence of numbers below 1 for the same seed. */
  function makeRandom(seed: number): () => number {
    let state = seed
    return () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return state / 2 ** 32
    }
  }

  function checkFlights(path: string): void {
    const db = new Database(path, {readOnly: true})
    const flights = db.prepare('SELECT lo, hi, messages FROM flight ORDER BY lo').all() as {
      lo: number
      hi: number
      messages: number
    }[]
    const next = db.prepare('SELECT next FROM consumer').pluck().get() as number
    const count = db
      .prepare("SELECT count(*) FROM msg m JOIN subject s ON s.id = m.sid WHERE seq BETWEEN ? AND ? AND name = 's.a'")
      .pluck()
    let end = 0
    for (const {lo, hi, messages} of flights) {
      expect(lo).toBeGreaterThan(end)
      expect(hi).toBeGreaterThanOrEqual(lo)
      expect(count.get(lo, hi)).toBe(messages)
      end = hi
    }
    expect(end).toBeLessThan(next)
    db.close()
  }

  test.each([1, 2, 3])('lose no message, and none is acknowledged without being handled (seed %i)', async (seed) => {
    const random = makeRandom(seed)
    const {path, bus, info} = await freshConsumer(0, {filters: ['s.a'], maxAckPending: 60})
    for (let n = 1; n <= 1500; n++) bus.publish({subject: random() < 0.4 ? 's.b' : 's.a', data: String(n)})
    await bus.flush()
    const wanted: number[] = []
    for await (const {seq = 0} of await bus.streams.read('S', {filters: ['s.a']})) wanted.push(seq)
    const done = new Set<number>()
    const consume = () => bus.streams.consumers.consume('S', 'c', {prefetch: Math.floor(random() * 40)})
    const members = [await consume(), await consume(), await consume()]
    let inHand: Delivery[] = []
    for (let step = 0; done.size < wanted.length; step++) {
      const at = Math.floor(random() * members.length)
      const member = members[at] as Consuming
      inHand.push(...(await member.take(1 + Math.floor(random() * 20), 0)))
      const later: Delivery[] = []
      for (const delivery of inHand) {
        const choice = random()
        if (choice < 0.3) later.push(delivery)
        else if (choice < 0.8) {
          delivery.ack()
          done.add(delivery.seq ?? 0)
        } else if (choice < 0.95) delivery.nak(random() < 0.5 ? 0 : 3)
        else {
          delivery.working()
          later.push(delivery)
        }
      }
      inHand = later
      if (random() < 0.1) {
        await member.close()
        members[at] = await consume()
      }
      if (step % 10 === 0) {
        await Promise.all(members.map((each) => each.flush()))
        checkFlights(path)
        const {ackFloor, ackPending} = await info()
        expect(ackPending).toBeLessThanOrEqual(60)
        expect(wanted.find((seq) => seq <= ackFloor && !done.has(seq))).toBeUndefined()
      }
    }
    for (const member of members) await member.close()
    await expect.poll(info).toMatchObject({pending: 0, ackPending: 0})
  })
})

test('an ack wait of 30 days causes no busy loop: no timer exceeds the limit of Node', async () => {
  const {bus} = await freshConsumer(1, {ackWaitMs: 30 * 24 * 3_600_000})
  const overflows: Error[] = []
  const onWarning = (warning: Error) => void (warning.name === 'TimeoutOverflowWarning' && overflows.push(warning))
  process.on('warning', onWarning)
  onTestFinished(() => void process.off('warning', onWarning))
  await using member = await bus.streams.consumers.consume('S', 'c')
  expect(await member.take(1)).toHaveLength(1)
  expect(await member.take(1, 100)).toEqual([])
  expect(overflows).toHaveLength(0)
})
