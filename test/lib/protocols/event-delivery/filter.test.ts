import {describe, expect, test} from 'vitest'
import {Message} from '../../../../src/lib/core/message.ts'
import {eventHeaders, eventOf} from '../../../../src/lib/protocols/event-delivery/event.ts'
import {compileEventFilter, parseEventFilter} from '../../../../src/lib/protocols/event-delivery/filter.ts'

const red = eventOf(
  'ORDERS',
  new Message(
    'orders.created',
    '{}',
    [
      [eventHeaders.tag, 'red'],
      [eventHeaders.type, 'order_created'],
    ],
    undefined,
    7,
  ),
)
const plain = eventOf('ORDERS', new Message('orders.paid', '{}', [], undefined, 8))

async function passes(json: unknown): Promise<string> {
  const matches = await compileEventFilter(parseEventFilter(json))
  return [red, plain]
    .filter((event) => matches === undefined || matches(event))
    .map(({topic}) => topic)
    .join(' ')
}

describe('a filter', () => {
  test.each([
    ['nothing wants everything', {}, 'orders.created orders.paid'],
    ['an empty pattern is none', {topic: ''}, 'orders.created orders.paid'],
    ['matches anywhere in the text', {topic: 'creat'}, 'orders.created'],
    ['the type, which is message unless a header says more', {events: '^message$'}, 'orders.paid'],
    ['needs all of its patterns', {topic: 'orders', message: {tag: '^red$'}}, 'orders.created'],
    ['needs all of its patterns, and one fails', {topic: 'paid', message: {tag: '^red$'}}, ''],
    ['what is absent is the empty text', {message: {tag: '^$'}}, 'orders.paid'],
    ['anything is also nothing', {message: {tag: '.*', author: '.*'}}, 'orders.created orders.paid'],
    ['events of a ledger there are none', {blockchainevent: {name: 'Transfer'}}, ''],
    ['its older names', {tag: 'red', topics: 'created'}, 'orders.created'],
    ['its newer names win', {tag: 'blue', message: {tag: 'red'}}, 'orders.created'],
  ])('%s', async (_, json, topics) => {
    expect(await passes(json)).toBe(topics)
  })

  test.each([
    ['(', 'missing closing )'],
    ['a(?=b)', 'lookahead is not supported'],
    ['(?<!a)b', 'lookbehind is not supported'],
    ['(a)\\1', 'backreferences are not supported'],
    ['((a{1000}){1000}){1000}', 'too many repetitions'],
    ['\\pL{999}'.repeat(50), 'too many repetitions'],
  ])('refuses the pattern %s', async (pattern, reason) => {
    for (const json of [
      {topic: pattern},
      {events: pattern},
      {message: {author: pattern}},
      {transaction: {type: pattern}},
    ])
      await expect(compileEventFilter(parseEventFilter(json))).rejects.toThrow(reason)
  })

  test.each([
    [{topik: 'x'}, 'has no "topik"'],
    [{message: {color: 'x'}}, 'has no "message.color"'],
    [{topic: 1}, 'that is not a string'],
    ['x', 'is not an object'],
    [{topic: 'x'.repeat(513)}, 'more than 512'],
  ])('refuses %j', (json, reason) => {
    expect(() => parseEventFilter(json)).toThrow(reason)
  })

  test('does not hang on a hostile pattern', async () => {
    const matches = await compileEventFilter({topic: '^(a+)+$'})
    const event = eventOf('S', new Message(`${'a'.repeat(50_000)}!`, '', [], undefined, 1))
    const started = performance.now()
    expect(matches?.(event)).toBe(false)
    expect(performance.now() - started).toBeLessThan(20_000)
  })
})
