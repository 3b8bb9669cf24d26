import {describe, expect, test, vi} from 'vitest'
import {closedError} from '../../../../src/lib/core/errors.ts'
import {Message} from '../../../../src/lib/core/message.ts'
import type {Outgoing} from '../../../../src/lib/transport/contract.ts'
import {Requests} from '../../../../src/lib/transport/shared/requests.ts'

const prefix = '_INBOX.me.'

/** Requests of a bus that only records what is sent. */
function noted(send: (message: Outgoing) => void = () => {}) {
  const sent: Outgoing[] = []
  const requests = new Requests(
    'memory:x',
    () => prefix,
    (message) => {
      sent.push(message)
      send(message)
    },
  )
  const reply = (to: number, data: string) => requests.arrived(new Message(sent[to]?.reply ?? '', data))
  return {requests, sent, reply}
}

async function all(replies: AsyncIterable<Message>): Promise<string[]> {
  const texts: string[] = []
  for await (const reply of replies) texts.push(reply.text)
  return texts
}

describe('a request', () => {
  test('is sent with an inbox of its own, and otherwise unchanged', async () => {
    const {requests, sent, reply} = noted()
    const first = requests.one({subject: 'a', data: 'x', headers: [['K', 'v']], reply: 'mine'})
    const second = requests.one({subject: 'a'})
    expect(sent[0]).toMatchObject({subject: 'a', data: 'x', headers: [['K', 'v']]})
    expect(sent[0]?.reply).toMatch(/^_INBOX\.me\.[0-9a-z]+$/)
    expect(sent[1]?.reply).not.toBe(sent[0]?.reply)
    expect(reply(1, 'two')).toBe(true)
    expect(reply(0, 'one')).toBe(true)
    expect([(await first).text, (await second).text]).toEqual(['one', 'two'])
  })

  test('is not answered by a reply whose last token is another spelling of the same number', async () => {
    const {requests, sent, reply} = noted()
    const asked = requests.one({subject: 'a'})
    const token = sent[0]?.reply?.slice(prefix.length) ?? ''
    for (const other of [`0${token}`, ` ${token}`, `${token}.0`, `0x${token}`, ''])
      expect(requests.arrived(new Message(prefix + other, 'wrong'))).toBe(false)
    requests.noResponders(`${prefix}0${token}`)
    reply(0, 'right')
    expect((await asked).text).toBe('right')
  })

  test('skips replies that are not accepted', async () => {
    const {requests, reply} = noted()
    const asked = requests.one({subject: 'a'}, {accept: ({text}) => text !== 'no'})
    expect([reply(0, 'no'), reply(0, 'no'), reply(0, 'yes')]).toEqual([true, true, true])
    expect((await asked).text).toBe('yes')
  })

  test('is forgotten when it has ended, in whatever way', async () => {
    const {requests, reply} = noted()
    const stop = new AbortController()
    const ending = [
      requests.one({subject: 'a'}),
      requests.one({subject: 'a'}, {signal: stop.signal}),
      requests.one({subject: 'a'}, {timeoutMs: 1}),
      requests.one({subject: 'a'}),
    ]
    expect(requests.size).toBe(4)
    reply(0, 'x')
    stop.abort()
    requests.noResponders(`${prefix}4`, 'a')
    const ends = await Promise.allSettled(ending)
    expect(ends.map((end) => (end.status === 'rejected' ? end.reason.kind : 'replied'))).toEqual([
      'replied',
      'interrupted',
      'timeout',
      'noResponders',
    ])
    expect(requests.size).toBe(0)
    expect(reply(0, 'late')).toBe(false)
  })

  test('may have a token of the bus, which is notified when nobody waits any more', async () => {
    const over: string[] = []
    const tokens = ['x', 'y', 'z']
    const token = () => tokens.shift() ?? ''
    const requests = new Requests(
      'memory:x',
      () => prefix,
      () => {},
      {token, over: (reply) => over.push(reply)},
    )
    const [one, late] = [requests.one({subject: 'a'}), requests.one({subject: 'a'}, {timeoutMs: 1})]
    requests.arrived(new Message(`${prefix}x`, '1'))
    expect((await one).text).toBe('1')
    await expect(late).rejects.toMatchObject({kind: 'timeout'})
    await all(requests.many({subject: 'a'}, {timeoutMs: 1}))
    expect(over).toEqual(['x', 'y', 'z'].map((each) => prefix + each))
  })

  test('that cannot be sent fails with the reason', async () => {
    const refusal = new Error('no')
    const {requests} = noted(() => {
      throw refusal
    })
    await expect(requests.one({subject: 'a'})).rejects.toBe(refusal)
    await expect(all(requests.many({subject: 'a'}))).rejects.toBe(refusal)
    expect(requests.size).toBe(0)
  })

  test('names its subject, bus and timeout in its failure', async () => {
    const {requests} = noted()
    await expect(requests.one({subject: 'a.b'}, {timeoutMs: 1})).rejects.toMatchObject({
      message: 'no reply on "a.b" within 1 ms from memory:x',
      exitCode: 6,
    })
    const unserved = requests.one({subject: 'a.b'})
    requests.noResponders(`${prefix}2`, 'a.b')
    await expect(unserved).rejects.toMatchObject({message: 'nobody serves "a.b" on memory:x', exitCode: 7})
  })

  test('may wait for longer than a timer can', async () => {
    const {requests, reply} = noted()
    const one = requests.one({subject: 'a'}, {timeoutMs: Number.POSITIVE_INFINITY})
    const many = all(requests.many({subject: 'a'}, {timeoutMs: 1e12, idleMs: 1e12, count: 2}))
    // Node fires a timer of more than 2^31 ms after 1 ms, which would have ended the wait by now.
    const afterShortTimers = () => new Promise((resolve) => setTimeout(resolve, 5))
    await afterShortTimers()
    reply(0, 'one')
    reply(1, '1')
    await afterShortTimers()
    reply(1, '2')
    expect((await one).text).toBe('one')
    expect(await many).toEqual(['1', '2'])
  })
})

describe('many replies', () => {
  test('are requested when the loop begins', async () => {
    const {requests, sent} = noted()
    const replies = requests.many({subject: 'a'}, {timeoutMs: 1})
    expect(sent).toHaveLength(0)
    expect(await all(replies)).toEqual([])
    expect(sent).toHaveLength(1)
  })

  test('end at the bound that is reached first, and no timer is left behind', async () => {
    vi.useFakeTimers()
    try {
      const {requests, reply} = noted()
      const idle = all(requests.many({subject: 'a'}, {idleMs: 100, timeoutMs: 250}))
      const deadline = all(requests.many({subject: 'a'}, {idleMs: 100, timeoutMs: 250}))
      await vi.advanceTimersByTimeAsync(150)
      for (const to of [0, 1]) reply(to, '150 ms')
      await vi.advanceTimersByTimeAsync(80)
      reply(1, '230 ms')
      await vi.advanceTimersByTimeAsync(20)
      expect(await deadline).toEqual(['150 ms', '230 ms'])
      expect(await idle).toEqual(['150 ms'])
      expect(requests.size).toBe(0)
      expect(vi.getTimerCount()).toBe(0)
    } finally {
      vi.useRealTimers()
    }
  })

  test('that have arrived are returned before a failure', async () => {
    const {requests, reply} = noted()
    const loop = requests.many({subject: 'a'})
    const first = loop.next()
    reply(0, '1')
    expect((await first).value?.text).toBe('1')
    reply(0, '2')
    requests.failAll(closedError('memory:x'))
    expect((await loop.next()).value?.text).toBe('2')
    await expect(loop.next()).rejects.toMatchObject({kind: 'usage'})
    expect(requests.size).toBe(0)
  })
})
