import {describe, expect, test} from 'vitest'
import {queueOf} from '../../../src/commands/serve/plan.ts'
import {chooseHandler, type ServeFlags} from '../../../src/lib/cli/flags/reply-handler.ts'
import {servedView} from '../../../src/lib/cli/render/served-view.ts'
import {type Headers, Message} from '../../../src/lib/core/message.ts'
import type {Served} from '../../../src/lib/messaging/pubsub/work.ts'

const signal = new AbortController().signal
const request = (payload = '', headers: Headers = [], reply?: string) =>
  new Message('orders.new', payload, headers, reply, undefined, Date.UTC(2026, 10, 21))
const handlerFor = (flags: Partial<ServeFlags>, argv: string[] = []) =>
  chooseHandler({subject: 'svc', ...flags}, {argv, path: process.env['PATH'] ?? '', kill: signal}, signal)

describe('the handler of bus serve', () => {
  test('fills in body and headers together', async () => {
    const handler = await handlerFor({body: '{n} {id}', header: [['N', '{n} {id}']], template: true})
    for (const n of [1, 2]) {
      const {data, headers} = (await handler.handle(request())) as {data: string; headers: Headers}
      expect(data).toMatch(new RegExp(`^${n} .{36}$`))
      expect(headers).toEqual([['N', data]])
    }
  })

  test('adds headers to computed replies', async () => {
    const handler = await handlerFor({expr: 'json.n', header: [['a', 'b']]})
    expect(await handler.handle(request('{"n":1}'))).toEqual({data: '1', headers: [['a', 'b']]})
  })

  test('simulates faults and delays', async () => {
    const handler = await handlerFor({echo: true, fail: 1, delay: {fromMs: 10, toMs: 10}})
    const from = performance.now()
    expect(await handler.handle(request())).toEqual({fault: {code: 500, text: 'injected'}})
    expect(performance.now() - from).toBeGreaterThanOrEqual(9)
  })

  test('stops its programs when its signal aborts', async () => {
    const kill = new AbortController()
    const wishes = {argv: ['sleep', '20'], path: process.env['PATH'] ?? '', kill: kill.signal}
    const handler = await chooseHandler({subject: 'svc', exec: true}, wishes, signal)
    const outcome = handler.handle(request())
    kill.abort()
    expect(await outcome).toEqual({fault: {code: 500, text: 'sleep was stopped'}})
  })
})

test('the queue group is the subject unless another one or none is requested', () => {
  const queues = [{}, {queue: 'q'}, {'no-queue': true}].map((flags) => queueOf({subject: 'a.*', ...flags}))
  expect(queues).toEqual(['a.*', 'q', undefined])
})

describe('a served request', () => {
  function shown(served: Partial<Served>, json = false, terminal = false): string {
    const lines: unknown[] = []
    const write = (data: unknown) => void lines.push(data)
    servedView(
      json,
      terminal,
      undefined,
    )({request: request('x', [], '_INBOX.1'), bytes: 0, ms: 1.23456, ...served}, {write})
    return lines.join('')
  }

  test('is one line, in which untrusted text is escaped', () => {
    const fault = {code: 500, text: 'red \u001b[31m\n'}
    expect(shown({bytes: 2048})).toMatch(/^\[1\] .* orders\.new 1 B → 2 KiB · 1\.2 ms\n$/)
    expect(shown({fault})).toContain('→ 500 red \\x1b[31m\\n · 1.2 ms')
    expect(shown({request: request()})).toContain('0 B → no reply wanted ·')
    expect(shown({request: request(), fault: {code: 504, text: 'late'}})).toContain('0 B → 504 late ·')
  })

  test('is a record with the outcome', () => {
    expect(JSON.parse(shown({bytes: 5}, true))).toEqual({
      subject: 'orders.new',
      time: '2026-11-21T00:00:00.000000Z',
      reply: '_INBOX.1',
      text: 'x',
      ms: 1.235,
      replyBytes: 5,
    })
    const line = shown({fault: {code: 500, text: '\u009b31m'}}, true, true)
    expect(line).toContain('\\u009b')
    expect(JSON.parse(line)).toMatchObject({error: {code: 500, text: '\u009b31m'}})
  })
})
