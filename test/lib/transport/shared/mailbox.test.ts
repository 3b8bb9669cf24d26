import {describe, expect, test} from 'vitest'
import {Message} from '../../../../src/lib/core/message.ts'
import {Mailbox} from '../../../../src/lib/transport/shared/mailbox.ts'

function filled(count: number, options: ConstructorParameters<typeof Mailbox>[0] = {}): Mailbox {
  const mailbox = new Mailbox(options)
  for (let i = 1; i <= count; i++) mailbox.push(message(i))
  return mailbox
}

function message(number: number): Message {
  return new Message('a', String(number))
}

function texts(messages: readonly Message[]): string[] {
  return messages.map((each) => each.text)
}

async function readOut(mailbox: Mailbox): Promise<string[]> {
  const all: string[] = []
  for await (const each of mailbox) all.push(each.text)
  return all
}

describe('taking from a mailbox', () => {
  test('returns messages in order, no more than requested', async () => {
    const mailbox = filled(5)
    expect(texts(await mailbox.take(2))).toEqual(['1', '2'])
    expect(mailbox.length).toBe(3)
    expect(texts(await mailbox.take(100))).toEqual(['3', '4', '5'])
    expect(mailbox.length).toBe(0)
  })

  test('waits for a message if none is held', async () => {
    const mailbox = filled(0)
    const waiting = mailbox.take(10)
    expect(mailbox.push(message(1))).toBe(true)
    expect(texts(await waiting)).toEqual(['1'])
  })

  test('keeps the order over many pushes and takes of different sizes', async () => {
    const mailbox = new Mailbox()
    const seen: string[] = []
    let pushed = 0
    for (let round = 0; round < 300; round++) {
      for (let i = 0; i < (round * 7) % 50; i++) mailbox.push(message(pushed++))
      if (mailbox.length > 0) seen.push(...texts(await mailbox.take(((round * 5) % 23) + 1)))
    }
    void mailbox.drain()
    seen.push(...(await readOut(mailbox)))
    expect(seen).toEqual(Array.from({length: pushed}, (_, i) => String(i)))
  })

  test('refills from the source only if nothing is held', async () => {
    const asked: number[] = []
    const mailbox = filled(1, {
      refill(max) {
        asked.push(max)
        for (let i = 0; i < max; i++) mailbox.hold(message(100 + i))
      },
    })
    expect(texts(await mailbox.take(3))).toEqual(['1'])
    expect(asked).toEqual([])
    expect(texts(await mailbox.take(3))).toEqual(['100', '101', '102'])
    expect(asked).toEqual([3])
  })

  test('asks the source again when it is woken', async () => {
    const store: Message[] = []
    const mailbox = new Mailbox({refill: (max) => store.splice(0, max).forEach((each) => void mailbox.hold(each))})
    const waiting = mailbox.take(2)
    mailbox.wake()
    store.push(message(1), message(2), message(3))
    mailbox.wake()
    expect(texts(await waiting)).toEqual(['1', '2'])
  })

  test('fails if the source fails, even for a waiting reader', async () => {
    const broken = new Error('disk gone')
    let isBroken = false
    const refill = () => {
      if (isBroken) throw broken
    }
    const waiter = new Mailbox({refill})
    const waiting = waiter.take(1)
    isBroken = true
    waiter.wake()
    await expect(waiting).rejects.toBe(broken)
    await expect(new Mailbox({refill}).take(1)).rejects.toBe(broken)
  })
})

describe('a slow reader of a mailbox', () => {
  test('loses and counts what exceeds the limit, and is notified once until it reads again', async () => {
    const told: number[] = []
    const mailbox = filled(5, {limit: 2, onDrop: (dropped) => told.push(dropped)})
    expect(mailbox.push(message(6))).toBe(false)
    expect(mailbox.dropped).toBe(4)
    expect(told).toEqual([1])
    expect(texts(await mailbox.take(10))).toEqual(['1', '2'])
    for (let i = 7; i <= 10; i++) mailbox.push(message(i))
    expect(mailbox.dropped).toBe(6)
    expect(told).toEqual([1, 5])
  })

  test('loses and counts what exceeds the limit of bytes, with headers, but holds one message of any size', async () => {
    const drops: number[] = []
    const mailbox = new Mailbox({limitBytes: 1500, onDrop: (count) => drops.push(count)})
    const large = new Message('a', 'x'.repeat(2000))
    expect([mailbox.push(large), mailbox.push(large)]).toEqual([true, false])
    await mailbox.take(1)
    const headed = new Message(
      'a',
      'x'.repeat(100),
      Array.from({length: 5}, () => ['n', 'v'] as const),
    )
    for (let i = 0; i < 1000; i++) {
      expect([mailbox.push(headed), mailbox.push(headed), mailbox.push(headed)]).toEqual([true, true, false])
      await mailbox.take(2)
    }
    expect(mailbox.dropped).toBe(1001)
    expect(drops).toHaveLength(1001)
  })

  test('loses none of 500,000 messages of 128 B, and is limited to 256 MiB by default', () => {
    const each = new Message('a', new Uint8Array(128))
    const mailbox = new Mailbox()
    for (let i = 0; i < 800_000; i++) mailbox.push(each)
    expect(mailbox.length).toBe(Math.floor((256 * 1024 * 1024) / (128 + 256)))
    expect(mailbox.length + mailbox.dropped).toBe(800_000)
    expect(filled(65_537, {limit: 65_536})).toMatchObject({length: 65_536, dropped: 1})
  })
})

describe('draining a mailbox', () => {
  test('delivers messages that are held, accepts no more, then ends', async () => {
    let ends = 0
    const mailbox = filled(3, {onClose: () => ends++})
    await mailbox.drain()
    expect(mailbox.push(message(4))).toBe(false)
    expect(ends).toBe(0)
    expect(texts(await mailbox.take(2))).toEqual(['1', '2'])
    expect(texts(await mailbox.take(2))).toEqual(['3'])
    expect(await mailbox.take(2)).toEqual([])
    expect(await mailbox.take(2)).toEqual([])
    expect(ends).toBe(1)
    expect(mailbox.dropped).toBe(0)
  })

  test('notifies the driver at its start, once', async () => {
    const told: string[] = []
    const mailbox = filled(1, {onDrain: () => told.push('drain'), onClose: () => told.push('close')})
    await mailbox.drain()
    await mailbox.drain()
    expect(told).toEqual(['drain'])
    await readOut(mailbox)
    await mailbox.drain()
    expect(told).toEqual(['drain', 'close'])
  })

  test('ends a waiting reader immediately if nothing is held', async () => {
    const mailbox = filled(0)
    const waiting = mailbox.take(1)
    await mailbox.drain()
    expect(await waiting).toEqual([])
    expect(mailbox.closed).toBe(true)
  })

  test('gives a waiting reader the remaining messages of the source', async () => {
    const store: Message[] = []
    const mailbox = new Mailbox({refill: (max) => store.splice(0, max).forEach((each) => void mailbox.hold(each))})
    const waiting = mailbox.take(1)
    store.push(message(1), message(2))
    await mailbox.drain()
    expect(texts(await waiting)).toEqual(['1'])
    expect(await readOut(mailbox)).toEqual(['2'])
  })
})

describe('ending a mailbox', () => {
  test('discards messages that are held, and notifies once', async () => {
    let ends = 0
    const mailbox = filled(3, {onClose: () => ends++})
    await mailbox.close()
    await mailbox.close()
    expect(await mailbox.take(1)).toEqual([])
    expect(mailbox.push(message(4))).toBe(false)
    expect(ends).toBe(1)
  })

  test('ends a waiting reader', async () => {
    const mailbox = filled(0)
    const waiting = mailbox.take(1)
    await mailbox.close()
    expect(await waiting).toEqual([])
  })

  test('happens when the reader leaves the loop', async () => {
    const mailbox = filled(3)
    for await (const each of mailbox) {
      expect(each.text).toBe('1')
      break
    }
    expect(mailbox.closed).toBe(true)
  })

  test('happens at the end of an `await using` block', async () => {
    const mailbox = filled(1)
    {
      await using used = mailbox
      expect(used.closed).toBe(false)
    }
    expect(mailbox.closed).toBe(true)
  })

  test('happens with the signal, whose listener is removed', async () => {
    const stop = new AbortController()
    const mailbox = filled(2, {signal: stop.signal})
    const waiting = filled(0, {signal: stop.signal}).take(1)
    stop.abort()
    expect(await mailbox.take(1)).toEqual([])
    expect(await waiting).toEqual([])
    expect(filled(1, {signal: stop.signal}).closed).toBe(true)
  })
})

describe('a failure of a mailbox', () => {
  const broken = new Error('connection lost')

  test('follows the messages that are held, then occurs again and again', async () => {
    let ends = 0
    const mailbox = filled(2, {onClose: () => ends++})
    mailbox.fail(broken)
    expect(mailbox.push(message(3))).toBe(false)
    expect(texts(await mailbox.take(1))).toEqual(['1'])
    expect(texts(await mailbox.take(9))).toEqual(['2'])
    await expect(mailbox.take(1)).rejects.toBe(broken)
    await expect(mailbox.take(1)).rejects.toBe(broken)
    expect(ends).toBe(1)
  })

  test('reaches a waiting reader immediately', async () => {
    const [taker, looper] = [filled(0), filled(0)]
    const waiting = [taker.take(1), readOut(looper)]
    for (const mailbox of [taker, looper]) mailbox.fail(broken)
    expect(await Promise.allSettled(waiting)).toEqual(Array(2).fill({status: 'rejected', reason: broken}))
  })

  test('tells a second reader that only one may wait', async () => {
    const mailbox = filled(0)
    const waiting = mailbox.take(1)
    await expect(mailbox.take(1)).rejects.toThrow('one reader at a time')
    mailbox.push(message(1))
    expect(texts(await waiting)).toEqual(['1'])
  })

  test('stops calls to the source', async () => {
    let asked = 0
    const mailbox = filled(1, {refill: () => asked++})
    mailbox.fail(broken)
    expect(texts(await mailbox.take(9))).toEqual(['1'])
    await expect(mailbox.take(1)).rejects.toBe(broken)
    expect(asked).toBe(0)
  })

  test('has no effect once it has ended', async () => {
    const mailbox = filled(1)
    await mailbox.close()
    mailbox.fail(broken)
    expect(await mailbox.take(1)).toEqual([])
  })
})

describe('draining a mailbox whose source fails', () => {
  test('does not fail: the reader gets the failure after the held messages', async () => {
    const failure = new Error('locked')
    const mailbox = filled(2, {
      onDrain() {
        throw failure
      },
    })
    await mailbox.drain()
    expect(texts(await mailbox.take(10))).toEqual(['1', '2'])
    await expect(mailbox.take(10)).rejects.toBe(failure)
  })
})
