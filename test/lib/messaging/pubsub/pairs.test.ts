import {describe, expect, test} from 'vitest'
import {Message} from '../../../../src/lib/core/message.ts'
import {type Exchange, Pairs} from '../../../../src/lib/messaging/pubsub/pairs.ts'

const request = (id: string, time = 1000) => new Message('ask', id, [], `_INBOX.${id}`, undefined, time)
const reply = (id: string, time = 1001.5, text = `re ${id}`) =>
  new Message(`_INBOX.${id}`, text, [], undefined, undefined, time)

/** `1 -> re 1` for an exchange, the payload for a message. */
function shown(items: readonly (Exchange | Message)[]): string[] {
  return items.map((item) => {
    if (!('request' in item)) return item.text
    return `${item.request.text} -> ${item.reply?.text ?? 'nothing'}${item.again ? ' again' : ''}`
  })
}

describe('pairs', () => {
  test('contain a request with its reply and the time between them', () => {
    const pairs = new Pairs()
    expect(pairs.add(request('1'))).toEqual([])
    expect(pairs.add(request('2'))).toEqual([])
    const [exchange] = pairs.add(reply('1')) as Exchange[]
    expect(shown([exchange as Exchange])).toEqual(['1 -> re 1'])
    expect(exchange?.ms).toBe(1.5)
  })

  test('contain a message without a reply subject by itself', () => {
    expect(shown(new Pairs().add(new Message('news', 'hello')))).toEqual(['hello'])
  })

  test('match a reply that is seen before its request', () => {
    const pairs = new Pairs()
    expect(pairs.add(reply('1', 999))).toEqual([])
    const [exchange] = pairs.add(request('1')) as Exchange[]
    expect(exchange?.reply?.text).toBe('re 1')
    expect(exchange?.ms).toBe(0)
    expect(pairs.end()).toEqual([])
  })

  test('contain each of several replies', () => {
    const pairs = new Pairs()
    pairs.add(request('1'))
    const all = ['a', 'b'].flatMap((text) => pairs.add(reply('1', 1001, text)))
    expect(shown(all)).toEqual(['1 -> a', '1 -> b again'])
  })

  test('match replies to subjects outside inboxes', () => {
    const pairs = new Pairs()
    pairs.add(new Message('ask', 'q', [], 'answers.7'))
    const answer = new Message('answers.7', 'a')
    expect(pairs.isReply(answer)).toBe(true)
    expect(shown(pairs.add(answer))).toEqual(['q -> a'])
    expect(pairs.isReply(new Message('answers.8', 'a'))).toBe(false)
  })

  test('ignore replies to requests that were not seen', () => {
    const pairs = new Pairs(2)
    for (const id of ['1', '2', '3']) expect(pairs.add(reply(id))).toEqual([])
    expect(shown(pairs.add(request('1')))).toEqual([])
    expect(shown(pairs.add(request('3')))).toEqual(['3 -> re 3'])
  })

  test('count the requests without a reply', () => {
    const pairs = new Pairs()
    for (const id of ['1', '2', '3']) pairs.add(request(id))
    pairs.add(reply('2'))
    expect(shown(pairs.end())).toEqual(['1 -> nothing', '3 -> nothing'])
    expect(pairs.unanswered).toBe(2)
    expect(pairs.end()).toEqual([])
  })

  test('remember a bounded number of requests, and report the oldest as unanswered', () => {
    const pairs = new Pairs(2)
    const all = ['1', '2', '3'].flatMap((id) => pairs.add(request(id)))
    expect(shown(all)).toEqual(['1 -> nothing'])
    expect(pairs.unanswered).toBe(1)
    pairs.add(reply('2'))
    expect(pairs.add(request('4'))).toEqual([])
    expect(pairs.unanswered).toBe(1)
  })
})
