import {describe, expect, test} from 'vitest'
import type {Outgoing} from '../../../../src/lib/core/message.ts'
import type {TextLine} from '../../../../src/lib/messaging/pubsub/lines.ts'
import {fromLines, fromRecords, type MessageSource, repeated} from '../../../../src/lib/messaging/pubsub/sources.ts'

async function all(source: MessageSource): Promise<Outgoing[]> {
  const messages: Outgoing[] = []
  for await (const batch of source) messages.push(...batch)
  return messages
}

async function* batches<T>(...given: T[][]): AsyncGenerator<T[]> {
  yield* given
}

describe('messages to publish', () => {
  test('are created one by one, when they are due', async () => {
    let made = 0
    for await (const batch of repeated(() => ({subject: String(++made)}), 3)) {
      for (const {subject} of batch) expect(subject).toBe(String(made))
    }
    expect(made).toBe(3)
  })

  test('are made from lines, with subject and headers of the pattern', async () => {
    const make = () => ({subject: 'a', headers: [['T', '1']] as const, reply: 'r'})
    const messages = await all(fromLines(batches<TextLine>(['x', ''], [Buffer.from([0xff])]), make, {name: 'stdin'}))
    expect(messages).toEqual([
      {...make(), data: 'x', line: 1},
      {...make(), data: '', line: 2},
      {...make(), data: Buffer.from([0xff]), line: 3},
    ])
  })

  test('are made from encoded lines, and an invalid one is named', async () => {
    const read = (line: string) =>
      all(fromLines(batches(['aGk='], [line]), () => ({subject: 'a'}), {encoding: 'base64', name: 'x.txt'}))
    expect((await read('aGk='))[1]?.data).toEqual(Uint8Array.from(Buffer.from('hi')))
    await expect(read('a!')).rejects.toThrow('line 2 of x.txt is not base64: "!" at position 2')
  })

  test('are made from records, without blank lines and a byte order mark', async () => {
    const lines = batches(['\ufeff{"subject":"a","json":1}', '', ' \r'], ['{"subject":"b","text":"x"}\r'])
    expect(await all(fromRecords(lines, {name: 'tape'}))).toMatchObject([
      {subject: 'a', data: '1', line: 1},
      {subject: 'b', data: 'x', line: 4},
    ])
  })

  test('are made from records with additional headers', async () => {
    const lines = batches(['{"subject":"a","headers":{"T":"1"}}', '{"subject":"b"}'])
    const messages = await all(fromRecords(lines, {name: 'tape', headers: [['Replayed', 'yes']]}))
    expect(messages.map(({headers}) => headers)).toEqual([
      [
        ['T', '1'],
        ['Replayed', 'yes'],
      ],
      [['Replayed', 'yes']],
    ])
  })

  test('are made from records, with headers that a store would act on as data unless they are to be obeyed', async () => {
    const headers = {
      'Nats-TTL': '5s',
      'nats-rollup': 'sub',
      'Nats-Expected-Stream': 'A',
      'Nats-Msg-Id': '1',
      'Bus-Incr': '1',
    }
    const record = () => batches([JSON.stringify({subject: 'a', headers})])
    const [asData] = await all(fromRecords(record(), {name: 'tape', headers: [['Nats-TTL', '1h']]}))
    expect(asData?.headers).toEqual([
      ['Bus-TTL', '5s'],
      ['Bus-rollup', 'sub'],
      ['Bus-Expected-Stream', 'A'],
      ['Nats-Msg-Id', '1'],
      ['Bus-Incr', '1'],
      ['Nats-TTL', '1h'],
    ])
    const [obeyed] = await all(fromRecords(record(), {name: 'tape', obeyHeaders: true}))
    expect(obeyed?.headers).toEqual([...Object.entries(headers).slice(0, 4), ['Nats-Incr', '1']])
  })

  test.each([
    ['{"subject":"a"', /^line 3 of tape is not JSON: /],
    ['{"json":1}', 'line 3 of tape has no "subject"'],
    [Buffer.from([0xff]), 'line 3 of tape is not UTF-8'],
  ])('are made from records up to an invalid line: %j', async (line, sentence) => {
    const seen: string[] = []
    const read = async () => {
      for await (const batch of fromRecords(batches(['{"subject":"a"}', '', line]), {name: 'tape'})) {
        for (const {subject} of batch) seen.push(subject)
      }
    }
    await expect(read()).rejects.toThrow(sentence)
    await expect(read()).rejects.toMatchObject({kind: 'usage', data: {line: 3}})
    expect(seen).toEqual(['a', 'a'])
  })
})
