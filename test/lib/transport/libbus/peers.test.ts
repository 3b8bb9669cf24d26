import {describe, expect, test} from 'vitest'
import type {Message} from '../../../../src/lib/core/message.ts'
import type {Transport} from '../../../../src/lib/transport/contract.ts'
import {open} from '../../../../src/lib/transport/open.ts'
import {hex, livePeer, lookInto, peersDatabase, startPeer} from './peers.ts'

const bytes = Uint8Array.from({length: 256}, (_, i) => i)
const big = Uint8Array.from({length: 3 * 1024 * 1024}, (_, i) => (i * 7919) >> 5)

async function take(subscription: {take(max: number): Promise<readonly Message[]>}, count: number): Promise<Message[]> {
  const taken: Message[] = []
  while (taken.length < count) taken.push(...(await subscription.take(count - taken.length)))
  return taken
}

/** Answers every request with the result of `answer`. */
async function serve(bus: Transport, subject: string, answer: (request: Message) => string | Uint8Array) {
  const requests = await bus.subscribe(subject, {queue: 'any'})
  void (async () => {
    for await (const request of requests) bus.publish({subject: request.reply ?? '', data: answer(request)})
  })()
  return requests
}

describe('events', () => {
  test('reach a peer unchanged: empty, binary and large ones too, always as blobs', async () => {
    const path = await peersDatabase()
    await using bus = await open(`libbus:${path}`)
    const peer = await livePeer('stream', path, 'events.new')
    const payloads = ['', 'grüße', bytes, new Uint8Array(), big]
    for (const data of payloads) bus.publish({subject: 'events.new', data})
    bus.publish({subject: 'events.new'})
    await bus.flush()
    await peer.atLeast(7)
    expect(peer.lines.slice(1)).toEqual([...payloads, ''].map(hex))
    const db = lookInto(path)
    expect(db.prepare('SELECT DISTINCT typeof(data) FROM bus_events').pluck().all()).toEqual(['blob'])
  })

  test('of a peer arrive unchanged, with id and time, and without earlier ones', async () => {
    const path = await peersDatabase()
    await startPeer('publish', path, 'events.new', hex('old')).ended
    await using bus = await open(`libbus:${path}`)
    const [exact, all] = [await bus.subscribe('events.new'), await bus.subscribe('>')]
    const payloads = [new Uint8Array(), bytes, Buffer.from('x')]
    await startPeer('publish', path, 'events.new', ...payloads.map(hex)).ended
    await startPeer('publish', path, 'events.other', hex('y')).ended
    const got = await take(exact, 3)
    expect(got.map(({data}) => hex(data))).toEqual(payloads.map(hex))
    expect(got.map(({seq}) => seq)).toEqual([2, 3, 4])
    expect(got[0]?.time).toBeGreaterThan(Date.now() - 60_000)
    expect((await take(all, 4)).map(({subject}) => subject)).toEqual([...Array(3).fill('events.new'), 'events.other'])
  })

  test('with text or a number, as a shell writes them, are read too', async () => {
    const path = await peersDatabase()
    await using bus = await open(`libbus:${path}`)
    const subscription = await bus.subscribe('a')
    lookInto(path).exec("INSERT INTO bus_events (subject, data) VALUES ('a', 'text'), ('a', 42)")
    expect((await take(subscription, 2)).map(({text}) => text)).toEqual(['text', '42'])
  })

  test('reach a peer and a subscriber in the same order if both publish', async () => {
    const path = await peersDatabase()
    await using bus = await open(`libbus:${path}`)
    const [mine, peer] = [await bus.subscribe('a'), await livePeer('stream', path, 'a')]
    const publisher = startPeer('publish', path, 'a', ...Array.from({length: 200}, (_, i) => hex(`peer ${i}`)))
    for (let i = 0; i < 200; i++) {
      bus.publish({subject: 'a', data: `bus ${i}`})
      await bus.flush()
    }
    await publisher.ended
    await peer.atLeast(401)
    expect((await take(mine, 400)).map(({data}) => hex(data))).toEqual(peer.lines.slice(1))
  })
})

describe('requests', () => {
  test('to a peer are answered, and leave nothing behind', async () => {
    const path = await peersDatabase()
    await using bus = await open(`libbus:${path}`)
    const peer = await livePeer('serve', path, 'mcp.x.execute')
    for (const data of ['hello', '', bytes, big]) {
      const reply = await bus.request({subject: 'mcp.x.execute', data})
      expect(hex(reply.data)).toBe(hex(data))
      expect(reply.headers).toEqual([])
    }
    await peer.atLeast(4)
    expect(peer.lines.slice(1, 4)).toEqual(['hello', '', bytes].map(hex))
    await bus.flush()
    expect(leftIn(path)).toEqual({bus_requests: 0, bus_replies: 0})
  })

  test('of a peer are answered by us', async () => {
    const path = await peersDatabase()
    await using bus = await open(`libbus:${path}`)
    await serve(bus, 'mcp.x.list-tools', ({data}) => data)
    for (const payload of ['hello', '', bytes]) {
      const peer = startPeer('request', path, 'mcp.x.list-tools', hex(payload))
      await peer.atLeast(2)
      expect(peer.lines[1]).toBe(hex(payload))
    }
    expect(leftIn(path)).toEqual({bus_requests: 0, bus_replies: 0})
  })

  test('are claimed by one of two servers, ours and a peer, each once', async () => {
    const path = await peersDatabase()
    await using bus = await open(`libbus:${path}?poll=2ms`)
    await using asker = await open(`libbus:${path}`)
    const [peer, requests] = [await livePeer('serve', path, 'work'), await bus.subscribe('work', {queue: 'q'})]
    const mine: string[] = []
    const serving = (async () => {
      for (let some = await requests.take(10); some.length > 0; some = await requests.take(10)) {
        for (const {reply, text} of some) bus.publish({subject: reply ?? '', data: text})
        mine.push(...some.map(({text}) => text))
        // Leaves some requests to the peer.
        await peer.atLeast(2)
      }
    })()
    const numbers = Array.from({length: 500}, (_, i) => String(i))
    const replies = await Promise.all(numbers.map((data) => asker.request({subject: 'work', data})))
    expect(replies.map(({text}) => text)).toEqual(numbers)
    await requests.close()
    await serving
    await peer.atLeast(1 + 500 - mine.length)
    const theirs = peer.lines.slice(1).map((line) => Buffer.from(line, 'hex').toString())
    expect([...mine, ...theirs].sort((a, b) => Number(a) - Number(b))).toEqual(numbers)
    expect([mine.length > 0, theirs.length > 0]).toEqual([true, true])
  })

  test('wait for a server that starts later', async () => {
    const path = await peersDatabase()
    await using bus = await open(`libbus:${path}`)
    // Long enough for a busy machine to start the server.
    const waiting = bus.request({subject: 'late', data: 'x'}, {timeoutMs: 45_000})
    await bus.flush()
    const [reply] = await Promise.all([waiting, livePeer('serve', path, 'late')])
    expect(reply.text).toBe('x')
  })

  test('that nobody answers in time are withdrawn', async () => {
    const path = await peersDatabase()
    await using bus = await open(`libbus:${path}`)
    await expect(bus.request({subject: 'nobody'}, {timeoutMs: 50})).rejects.toMatchObject({kind: 'timeout'})
    await bus.flush()
    expect(leftIn(path)).toEqual({bus_requests: 0, bus_replies: 0})
  })

  test('are lost with a server that is killed after it claimed one, and the next one is served', async () => {
    const path = await peersDatabase()
    await using bus = await open(`libbus:${path}`)
    const dying = await livePeer('die', path, 'a')
    await expect(bus.request({subject: 'a'}, {timeoutMs: 300})).rejects.toMatchObject({kind: 'timeout'})
    expect(await dying.ended).toBe('SIGKILL')
    await livePeer('serve', path, 'a', 'back')
    expect((await bus.request({subject: 'a'})).text).toBe('back')
  })

  test('have one reply, and nobody waits for another', async () => {
    const path = await peersDatabase()
    await using bus = await open(`libbus:${path}`)
    await livePeer('serve', path, 'a', 'only')
    const replies: string[] = []
    for await (const {text} of bus.requestMany({subject: 'a'}, {count: 5, timeoutMs: 60_000})) replies.push(text)
    expect(replies).toEqual(['only'])
  })

  test('that wait when a server drains are answered, and no later ones', async () => {
    const path = await peersDatabase()
    await using bus = await open(`libbus:${path}`)
    const peers = await Promise.all([1, 2, 3].map((n) => livePeer('request', path, 'a', hex(String(n)))))
    const requests = await bus.subscribe('a', {queue: 'q'})
    await requests.drain()
    const late = await livePeer('request', path, 'a', hex('late'), '100')
    const got: string[] = []
    for await (const {text, reply} of requests) {
      got.push(text)
      bus.publish({subject: reply ?? '', data: text})
    }
    await bus.flush()
    for (const peer of peers) await peer.atLeast(2)
    expect(got.sort()).toEqual(['1', '2', '3'])
    await late.atLeast(2)
    expect(late.lines[1]).toBe('timeout')
  })
})

describe('a peer that', () => {
  test('locks the database makes publishers and servers wait, but not readers', async () => {
    const path = await peersDatabase()
    await using bus = await open(`libbus:${path}`)
    const subscription = await bus.subscribe('a')
    await serve(bus, 'echo', ({data}) => data)
    await startPeer('publish', path, 'a', hex('before')).ended
    const holder = await livePeer('hold', path, '2000')
    const began = performance.now()
    bus.publish({subject: 'a', data: 'after'})
    const reply = bus.request({subject: 'echo', data: 'y'})
    expect((await take(subscription, 1))[0]?.text).toBe('before')
    expect(performance.now() - began).toBeLessThan(1500)
    await bus.flush()
    expect(performance.now() - began).toBeGreaterThan(200)
    expect((await take(subscription, 1))[0]?.text).toBe('after')
    expect((await reply).text).toBe('y')
    expect(await holder.ended).toBe(0)
  })

  test('is killed during a write loses only its own write', async () => {
    const path = await peersDatabase()
    await using bus = await open(`libbus:${path}`)
    const subscription = await bus.subscribe('a')
    expect(await startPeer('crash', path, 'a').ended).toBe('SIGKILL')
    bus.publish({subject: 'a', data: 'mine'})
    expect((await take(subscription, 1)).map(({text}) => text)).toEqual(['mine'])
  })
})

function leftIn(path: string): Record<string, number> {
  const db = lookInto(path)
  const count = (table: string) => Number(db.prepare(`SELECT count(*) FROM ${table}`).pluck().get())
  return {bus_requests: count('bus_requests'), bus_replies: count('bus_replies')}
}
