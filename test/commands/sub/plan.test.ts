import {describe, expect, test} from 'vitest'
import {boundsOf, planWatch, type SubFlags, showOn, sumUp} from '../../../src/commands/sub/plan.ts'
import {checkEnough} from '../../../src/lib/cli/render/summary.ts'
import {Message} from '../../../src/lib/core/message.ts'

function stage() {
  const written: string[] = []
  const recorded: string[] = []
  return {
    written,
    recorded,
    output: {
      write: (data: string | Uint8Array) => void written.push(Buffer.from(data).toString()),
      ready: () => undefined,
    },
    recording: {
      record: (messages: readonly Message[]) => void recorded.push(...messages.map(({text}) => text)),
      recordText: (lines: string) => void recorded.push(lines),
      [Symbol.dispose]() {},
    },
  }
}

async function shown(flags: SubFlags, batch: readonly Message[], limit = 100) {
  const on = stage()
  const plan = await planWatch(flags, {terminal: false})
  const {show, keep} = showOn(on, plan)
  const wanted = (await keep?.(batch)) ?? batch
  const count = await show(wanted, limit)
  return {count, on, plan}
}

const texts = (...all: string[]) => all.map((text) => new Message('a', text))
const ask = (id: string, subject = 'ask') => new Message(subject, id, [], `_INBOX.${id}`)
const answer = (id: string) => new Message(`_INBOX.${id}`, `re ${id}`)

describe('bus sub', () => {
  test('writes to stdout and to the record file, up to the limit', async () => {
    const {count, on} = await shown({raw: true}, texts('1', '2', '3'), 2)
    expect(count).toBe(2)
    expect(on.written.join('')).toBe('1\n2\n')
    expect(on.recorded).toEqual(['1', '2'])
  })

  test('makes each record once for --json and the record file', async () => {
    const {count, on} = await shown({json: true}, texts('1', '2', '3'), 2)
    expect(count).toBe(2)
    expect(on.recorded.join('')).toMatch(/^.*"json":1}\n.*"json":2}\n$/)
    expect(on.written).toEqual(on.recorded)
  })

  test('reads on while a selection has no results', async () => {
    const {count, on} = await shown({select: 'json'}, texts('x', '1', 'y', '2', '3'), 2)
    expect(count).toBe(2)
    expect(on.written.join('')).toBe('1\n2\n')
  })

  test('applies the filters, and records only what passes', async () => {
    const {on} = await shown({raw: true, match: '[24]'}, texts('1', '2', '3', '4'))
    expect(on.recorded).toEqual(['2', '4'])
  })

  test('pairs requests with their replies, filtered by the request', async () => {
    const batch = [ask('1'), ask('2', 'other'), answer('1'), answer('2'), new Message('ask', 'news'), ask('3')]
    const {count, on, plan} = await shown({json: true, pair: true, ignore: ['other']}, batch)
    const lines = on.written.map((line) => JSON.parse(line))
    expect(lines).toMatchObject([
      {request: {json: 1}, reply: {text: 're 1'}},
      {subject: 'ask', text: 'news'},
    ])
    expect(count).toBe(2)
    expect(on.recorded).toEqual(['1', 're 1', 'news'])
    expect(plan.alsoPatterns).toEqual(['_INBOX.>'])
    const ended = {received: 6, kept: 2, ms: 1000, endedBy: 'stop'} as const
    const line = sumUp(ended, on, plan, {dropped: 1, notices: 2})
    expect(line).toBe('6 received · 2 kept · 1 dropped · 1 unanswered · 2 notices · 1.0 s · 6/s')
    expect(sumUp({...ended, kept: 6}, on, plan, {dropped: 0, notices: 0})).toMatch(/^6 received · 0 dropped · /)
    expect(JSON.parse(on.written[2] ?? '')).toMatchObject({request: {json: 3}, reply: null})
    expect(plan.pairs?.unanswered).toBe(1)
    expect(on.recorded.at(-1)).toBe('3')
  })

  test('shows the given number of pairs and no more', async () => {
    const batch = ['1', '2', '3'].flatMap((id) => [ask(id), answer(id)])
    const {count, on} = await shown({json: true, pair: true}, batch, 2)
    expect(count).toBe(2)
    expect(on.written).toHaveLength(2)
  })

  test('makes the bus wait while the reader of stdout is slower', async () => {
    const on = stage()
    const {promise: slow, resolve: release} = Promise.withResolvers<void>()
    const {show} = showOn(
      {...on, output: {...on.output, ready: () => slow}},
      await planWatch({raw: true}, {terminal: false}),
    )
    const showing = show(texts('1'), 1)
    expect(showing).toBeInstanceOf(Promise)
    release()
    expect(await showing).toBe(1)
  })

  test.each<[SubFlags, string]>([
    [{where: 'a ='}, '--where "a =" is not JSONata'],
    [{match: '('}, 'Unterminated group at position 1'],
  ])('refuses %j: %s', async (flags, sentence) => {
    await expect(planWatch(flags, {terminal: false})).rejects.toThrow(sentence)
  })
})

describe('too few messages', () => {
  const ended = (endedBy: 'for' | 'idle' | 'stop' | 'count', kept = 2) => ({received: 9, kept, ms: 1, endedBy})

  test.each([
    ['for', 'got 2 of 3 messages within 10.0 s'],
    ['idle', 'got 2 of 3 messages and then nothing for 500 ms'],
  ] as const)('at the end of --%s are a timeout', (bound, sentence) => {
    expect(() => checkEnough(ended(bound), {count: 3, for: 10_000, idle: 500})).toThrow(sentence)
    expect(() => checkEnough(ended(bound), {for: 10_000})).not.toThrow()
    expect(() => checkEnough(ended(bound, 3), {count: 3, for: 10_000})).not.toThrow()
  })

  test('in a range without further messages are a timeout', () => {
    const closed = {received: 2, kept: 2, ms: 1, endedBy: 'closed'} as const
    expect(() => checkEnough(closed, {count: 3, from: 'first'})).toThrow(
      'got 2 of 3 messages: the range has no more messages',
    )
    expect(() => checkEnough(closed, {count: 3})).not.toThrow()
    expect(() => checkEnough(closed, {from: 'first'})).not.toThrow()
  })

  test('after Ctrl-C are not a failure', () => {
    expect(() => checkEnough(ended('stop'), {count: 3, for: 10_000})).not.toThrow()
  })

  test('result from the bounds of the flags', () => {
    expect(boundsOf({count: 1, for: 2, idle: 3, queue: 'q'})).toEqual({count: 1, forMs: 2, idleMs: 3, sparing: true})
  })
})
