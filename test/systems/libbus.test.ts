/** The ideas of the conformance suite of libbus (contenox, libbus/conformance_test.go) and of its tests of single buses. */
import {expect, onTestFinished, test} from 'vitest'
import {type Messenger, openMessenger} from '../../src/lib/protocols/messenger/messenger.ts'
import {onEachBus, textOf} from './buses.ts'

const everywhere = ['memory', 'file', 'nats', 'libbus'] as const
const ignored = {onError: () => {}}

onEachBus(({kind, fresh}) => {
  async function pair(): Promise<[Messenger, Messenger]> {
    const url = await fresh()
    const made = await Promise.all([openMessenger(url, ignored), openMessenger(url, ignored)])
    onTestFinished(() => Promise.all(made.map((one) => one.close())).then(() => undefined))
    return made
  }
  const into = (seen: string[]) => (data: Uint8Array) => void seen.push(textOf(data))

  test('Delivery, Order, FanOut: two streams get twenty messages in order', async () => {
    const [one, two] = await pair()
    const seen: [string[], string[]] = [[], []]
    await one.stream('order', into(seen[0]))
    await two.stream('order', into(seen[1]))
    const all = Array.from({length: 20}, (_, n) => `m${n}`)
    for (const text of all) await two.publish('order', text)
    await expect.poll(() => seen).toEqual([all, all])
  })

  test('SubjectIsolation, PublishIntoVoid: a stream gets only its subject', async () => {
    const [one, two] = await pair()
    const seen: string[] = []
    await one.stream('mine', into(seen))
    await two.publish('theirs', 'x')
    await two.publish('mine', 'y')
    await expect.poll(() => seen).toEqual(['y'])
  })

  test('StreamThenPublish: everything published after the subscription arrives, twenty times', async () => {
    const [one, two] = await pair()
    for (let n = 0; n < 20; n++) {
      const seen: string[] = []
      const end = await one.stream(`at.once.${n}`, into(seen))
      await two.publish(`at.once.${n}`, 'x')
      await expect.poll(() => seen).toEqual(['x'])
      await end()
    }
  })

  test('Unsubscribe, ContextCancel: nothing is delivered afterwards', async () => {
    const [one, two] = await pair()
    const seen: string[] = []
    const end = await one.stream('ends', into(seen))
    const stop = new AbortController()
    const aborted = await one.stream('ends', into(seen), {signal: stop.signal})
    await end()
    stop.abort()
    await aborted()
    await two.publish('ends', 'x')
    await one.stream('mark', into(seen))
    await two.publish('mark', 'last')
    await expect.poll(() => seen).toEqual(['last'])
  })

  test('UnsubscribeDrains: what was published before is still delivered', async () => {
    const [one, two] = await pair()
    const seen: string[] = []
    const end = await one.stream('drain', into(seen))
    for (let n = 1; n <= 5; n++) await two.publish('drain', String(n))
    await end()
    expect(seen).toEqual(['1', '2', '3', '4', '5'])
  })

  test('CancelledContext: publish, stream, request and serve fail, and do nothing', async () => {
    const [one, two] = await pair()
    const seen: string[] = []
    await two.stream('void', into(seen))
    const signal = AbortSignal.abort()
    for (const call of [
      one.publish('void', 'x', {signal}),
      one.stream('void', into(seen), {signal}),
      one.request('void', 'x', {signal}),
      one.serve('void', () => '', {signal}),
    ])
      await expect(call).rejects.toMatchObject({code: 'cancelled'})
    await one.publish('void', 'y')
    await expect.poll(() => seen).toEqual(['y'])
  })

  test('StuckConsumer: a receiver that never returns does not block publishers, and unsubscribing ends', async () => {
    const [one, two] = await pair()
    const end = await one.stream('stuck', () => new Promise(() => {}))
    for (let n = 0; n < 100; n++) await two.publish('stuck', 'x')
    await end()
  })

  test('RequestReply: a request is answered as soon as the service is live, from either connection', async () => {
    const [one, two] = await pair()
    await one.serve('echo', (data) => data)
    for (const each of [one, two]) expect(textOf(await each.request('echo', 'hi'))).toBe('hi')
  })

  test('SequentialRequests: five requests without a payload', async () => {
    const [one, two] = await pair()
    let served = 0
    await one.serve('empty', (data) => `${data.length}${++served}`)
    for (let n = 1; n <= 5; n++) expect(textOf(await two.request('empty', ''))).toBe(`0${n}`)
  })

  test('HandlerError: the failure is the reply, and the service continues', async () => {
    const [one, two] = await pair()
    await one.serve('fails', () => Promise.reject(new Error('handler failed')))
    for (let n = 0; n < 2; n++) expect(textOf(await two.request('fails', ''))).toBe('error: handler failed')
  })

  test('HandlerPanic: whatever is thrown is the reply', async () => {
    const [one, two] = await pair()
    const thrown = [new TypeError('x is undefined'), 'text', undefined, Object.create(null)]
    await one.serve('panics', () => Promise.reject(thrown.shift()))
    const replies = []
    while (thrown.length > 0) replies.push(textOf(await two.request('panics', '')))
    expect(replies).toEqual(['error: x is undefined', 'error: text', 'error: undefined', 'error: an unknown failure'])
  })

  test('ReplyThatCannotBeSent: a reply that is too large or is not bytes is a failure of its request only', async () => {
    const [one, two] = await pair()
    const replies = [new Uint8Array(80 * 1024 * 1024), 7 as never, 'fine']
    await one.serve('odd', () => replies.shift() ?? '')
    for (let n = 0; n < 2; n++) expect(textOf(await two.request('odd', ''))).toMatch(/^error: ./)
    expect(textOf(await two.request('odd', ''))).toBe('fine')
  })

  test('NoHandler: a request that nobody serves is a timeout, which most buses know at once', async () => {
    const [one] = await pair()
    const failure = await one.request('nobody', '', {timeoutMs: 300}).catch((error: unknown) => error)
    expect(failure).toMatchObject({code: kind === 'libbus' ? 'timeout' : 'noResponders'})
    expect((failure as {is(code: string): boolean}).is('timeout')).toBe(true)
  })

  test('LateHandler: only on a libbus file a request waits for its service', async () => {
    const [one, two] = await pair()
    const asked = one.request('late', 'x', {timeoutMs: 20_000}).then(textOf, () => 'failed')
    if (kind === 'libbus') await two.serve('late', (data) => data)
    expect(await asked).toBe(kind === 'libbus' ? 'x' : 'failed')
  })

  test('CancelInFlight: an abort ends a request that is being handled, and is reported as that', async () => {
    const [one, two] = await pair()
    const taken = Promise.withResolvers<void>()
    await two.serve('slow', () => {
      taken.resolve()
      return new Promise(() => {})
    })
    const stop = new AbortController()
    const asked = one.request('slow', '', {signal: stop.signal})
    await taken.promise
    stop.abort()
    await expect(asked).rejects.toMatchObject({code: 'cancelled'})
  })

  test('ServeEnds: an unsubscribed or aborted service handles nothing more, another one does', async () => {
    const [one, two] = await pair()
    const stop = new AbortController()
    const end = await one.serve('ending', () => 'one')
    const aborted = await one.serve('ending', () => 'two', {signal: stop.signal})
    await end()
    stop.abort()
    await aborted()
    await two.serve('ending', () => 'three')
    for (let n = 0; n < 5; n++) expect(textOf(await one.request('ending', ''))).toBe('three')
  })

  test('Competing: two services share the requests, each is handled once', async () => {
    const [one, two] = await pair()
    let handled = 0
    for (const each of [one, two]) await each.serve('shared', (data) => `${textOf(data)} ${++handled}`)
    const replies = await Promise.all(Array.from({length: 40}, (_, n) => one.request('shared', String(n))))
    expect(replies.map((reply) => textOf(reply).split(' ')[0])).toEqual(Array.from({length: 40}, (_, n) => String(n)))
    expect(handled).toBe(40)
  })

  test('Concurrency: 256 handlers run at the same time; on a libbus file one', async () => {
    const [one, two] = await pair()
    const most = kind === 'libbus' ? 1 : 256
    let open = 0
    const all = Promise.withResolvers<void>()
    await one.serve('many', async () => {
      if (++open === most) all.resolve()
      await all.promise
      return ''
    })
    await Promise.all(Array.from({length: most}, () => two.request('many', '')))
    expect(open).toBe(most)
  })

  test('TimedOut: on a libbus file a request that timed out is not handled', async () => {
    if (kind !== 'libbus') return
    const [one, two] = await pair()
    const free = Promise.withResolvers<void>()
    const taken = Promise.withResolvers<void>()
    const handled: string[] = []
    await one.serve('behind', async (data) => {
      handled.push(textOf(data))
      taken.resolve()
      await free.promise
      return ''
    })
    const first = two.request('behind', 'first')
    await taken.promise
    const second = two.request('behind', 'second', {timeoutMs: 50})
    await expect(second).rejects.toMatchObject({code: 'timeout'})
    await two.publish('elsewhere', 'the withdrawal is written before it')
    free.resolve()
    await first
    await two.request('behind', 'third')
    expect(handled).toEqual(['first', 'third'])
  })

  test('AfterClose: every operation fails, subscriptions end, and closing again does nothing', async () => {
    const [one, two] = await pair()
    const taken = Promise.withResolvers<void>()
    await one.stream('live', () => {})
    await two.serve('open', () => {
      taken.resolve()
      return new Promise(() => {})
    })
    const asked = one.request('open', '')
    await taken.promise
    const closed = expect(asked).rejects.toMatchObject({code: 'closed'})
    await Promise.all([one.close(), one.close()])
    await closed
    for (const call of [
      one.publish('a', ''),
      one.stream('a', () => {}),
      one.request('a', ''),
      one.serve('a', () => ''),
    ])
      await expect(call).rejects.toMatchObject({code: 'closed'})
    await one.close()
  })
}, everywhere)
