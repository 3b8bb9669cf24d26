import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, describe, expect, test} from 'vitest'
import {type PubFlags, planPublish} from '../../../src/commands/pub/plan.ts'
import type {Outgoing} from '../../../src/lib/core/message.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-publishing-'))
afterAll(() => rmSync(folder, {recursive: true}))

const {signal} = new AbortController()
const bus = {url: 'memory:x', maxPayload: 1000}

function file(name: string, content: string): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

/** The first messages that the flags produce. */
async function published(flags: PubFlags, most = 10): Promise<Outgoing[]> {
  const plan = await planPublish(flags, signal)
  const messages: Outgoing[] = []
  for await (const batch of plan.source(bus)) {
    for (const message of batch) {
      messages.push(message)
      if (messages.length === most) return messages
    }
  }
  return messages
}

describe('the plan of pub', () => {
  test('publishes one message with its headers and reply subject', async () => {
    const header = [['A', '1']] as const
    expect(await published({subject: 'a', body: 'x', header, reply: 'r'})).toEqual([
      {subject: 'a', data: 'x', headers: header, reply: 'r'},
    ])
  })

  test('publishes the given number of messages, and an endless series with a pace but without a count', async () => {
    expect(await published({subject: 'a', body: 'x', count: 3})).toHaveLength(3)
    expect(await published({subject: 'a', body: 'x', every: 1, count: 3})).toHaveLength(3)
    expect(await published({subject: 'a', body: 'x', rate: 9})).toHaveLength(10)
    expect(await planPublish({subject: 'a', body: 'x', every: 1}, signal)).toMatchObject({endless: true})
    expect(await planPublish({subject: 'a', body: 'x', every: 1, count: 2}, signal)).toMatchObject({endless: false})
  })

  test('creates random payloads of the given size', async () => {
    expect((await published({subject: 'a', size: 100}))[0]?.data).toHaveLength(100)
    await expect(published({subject: 'a', size: 1001})).rejects.toThrow(
      '--size is 1001 bytes, but memory:x accepts at most 1000',
    )
  })

  test('fills in a template', async () => {
    const flags = {subject: 'a.{n}', body: '{"n":{n}}', template: true, count: 2}
    expect(await published(flags)).toMatchObject([
      {subject: 'a.1', data: '{"n":1}'},
      {subject: 'a.2', data: '{"n":2}'},
    ])
    expect(await published({...flags, template: false, count: 1})).toMatchObject([
      {subject: 'a.{n}', data: '{"n":{n}}'},
    ])
  })

  test('adds the headers that its stream needs', async () => {
    const flags = {subject: 'a', body: 'x', ack: true, 'msg-id': 'id-{n}', template: true, count: 2}
    expect((await published(flags)).map(({headers}) => headers)).toEqual([
      [['Nats-Msg-Id', 'id-1']],
      [['Nats-Msg-Id', 'id-2']],
    ])
    const one = {subject: 'a', body: 'x', header: [['A', '1']] as const, ack: true, 'expect-last-seq': 0}
    expect((await published(one))[0]?.headers).toEqual([
      ['A', '1'],
      ['Nats-Expected-Last-Sequence', '0'],
    ])
  })

  test('publishes the lines of a file, with a template for everything else', async () => {
    const path = file('lines', 'a\n{n}\n')
    expect(await published({subject: 's.{n}', file: path, lines: true, template: true})).toMatchObject([
      {subject: 's.1', data: 'a'},
      {subject: 's.2', data: '{n}'},
    ])
    const encoded = {subject: 's', file: file('hex', '61|62'), lines: true, delimiter: '|', encoding: 'hex'} as const
    expect((await published(encoded)).map(({data}) => String(Buffer.from(data ?? '')))).toEqual(['a', 'b'])
  })

  test('publishes the records of a file', async () => {
    const records = file('records', '{"subject":"a","json":1}\n{"subject":"b"}\n')
    const plan = await planPublish({records}, signal)
    expect(plan.progress.total).toBe(41)
    expect(await published({records})).toMatchObject([{subject: 'a', data: '1'}, {subject: 'b'}])
  })

  test.each<[PubFlags, string]>([
    [{}, 'SUBJECT is missing'],
    [{subject: 'a..b', body: 'x'}, 'subject "a..b" has an empty token at position 3'],
    [{subject: 'a', body: 'x', reply: 'b.*'}, 'subject "b.*" has wildcard "*" at position 3'],
    [{subject: 'a', body: 'x', file: 'y'}, 'the body is given twice, by the argument and by --file'],
    [{subject: 'a', body: 'x', size: 1}, 'the body is given twice, by the argument and by --size'],
    [
      {subject: 'a', body: 'x', lines: true},
      'with --lines the messages come from stdin or --file, not from the argument',
    ],
    [{subject: 'a', file: '/dev/null', lines: true, delimiter: ''}, '--delimiter is empty, so there would be no lines'],
    [{subject: 'a', records: 'x'}, 'records have their own subjects: SUBJECT and --records cannot be used together'],
    [{subject: 'a', lines: true, ack: true, 'msg-id': 'a-{n}'}, 'all messages would have the id "a-{n}"'],
    [{subject: 'a', lines: true, ack: true, 'msg-id': 'a', template: true}, 'all messages would have the id "a"'],
    [{subject: 'a', body: 'x', count: 2, ack: true, 'msg-id': 'a'}, 'all messages would have the id "a"'],
    [{subject: 'a', body: 'x', every: 1, header: [['nats-msg-id', 'a']]}, 'all messages would have the id "a"'],
    [{records: 'x', header: [['Nats-Msg-Id', 'a']]}, 'all messages would have the id "a"'],
    [{subject: 'a', body: 'x', ack: true, 'msg-id': 'y\n'}, 'has a line break'],
    [{records: '/no/such'}, 'cannot read /no/such: there is no such file'],
    [{subject: 'a', lines: true, file: '/no/such'}, 'cannot read /no/such: there is no such file'],
    [{subject: 'a', body: '{x}', template: true}, 'the body has the unknown "{x}", at position 1'],
    [{subject: 'a', body: 'x!', encoding: 'hex'}, 'the body is not hex: "x" at position 1'],
  ])('refuses %j: %s', async (flags, sentence) => {
    await expect(planPublish(flags, signal)).rejects.toThrow(sentence)
  })
})
