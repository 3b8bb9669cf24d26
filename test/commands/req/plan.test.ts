import {describe, expect, test} from 'vitest'
import {planRequests, type ReqFlags, repliesLine, showsReplies} from '../../../src/commands/req/plan.ts'
import type {ViewFlags} from '../../../src/lib/cli/flags/view.ts'
import {chooseReplyView} from '../../../src/lib/cli/render/reply-view.ts'
import {type Headers, Message} from '../../../src/lib/core/message.ts'

const signal = new AbortController().signal
const plan = (flags: Partial<ReqFlags>) => planRequests({subject: 'svc', body: 'x', timeout: 5000, ...flags}, signal)

/** The output of a view for one reply. */
async function shown(
  flags: ViewFlags,
  terminal: boolean,
  payload: string | Uint8Array,
  headers: Headers = [],
): Promise<string> {
  const written: Uint8Array[] = []
  const show = await chooseReplyView(flags, {terminal})
  const write = (data: string | Uint8Array) => void written.push(typeof data === 'string' ? Buffer.from(data) : data)
  await show({message: new Message('_INBOX.1', payload, headers, undefined, undefined, 0), ms: 1.23456}, {write})
  return Buffer.concat(written).toString('latin1')
}

describe('a reply', () => {
  const headers: Headers = [['A', '\u001b[31m']]

  test('is headers and payload on a terminal, with control characters escaped', async () => {
    expect(await shown({}, true, 'red \u001b[31m', headers)).toBe('A: \\x1b[31m\nred \\x1b[31m\n')
    expect(await shown({'headers-only': true}, true, 'x', headers)).toBe('A: \\x1b[31m\n')
    expect(await shown({}, true, '')).toBe('(empty)\n')
  })

  test('is the payload in a pipe, byte for byte', async () => {
    expect(await shown({}, false, Uint8Array.of(0, 27, 255), headers)).toBe('\u0000\u001b\u00ff\n')
    expect(await shown({}, false, '')).toBe('\n')
    expect(await shown({'headers-only': true}, false, 'x', [['a', 'b']])).toBe('a: b\n')
  })

  test('is a record with ms with --json', async () => {
    const record =
      '{"subject":"_INBOX.1","time":"1970-01-01T00:00:00.000000Z","headers":{"a":"b"},"json":[1],"ms":1.235}\n'
    expect(await shown({json: true}, false, '[1]', [['a', 'b']])).toBe(record)
    expect(JSON.parse(await shown({json: true, 'headers-only': true}, true, 'xyz'))).toMatchObject({
      bytes: 3,
      ms: 1.235,
    })
  })

  test('is the result of --select, even with --json', async () => {
    expect(await shown({select: 'json.a'}, false, '{"a":"b"}')).toBe('b\n')
    expect(await shown({select: 'json.a', json: true}, false, '{"a":"b"}')).toBe('"b"\n')
  })

  test('of a load run is shown only if requested', () => {
    expect([{}, {json: true}, {json: true, 'headers-only': true}].map(showsReplies)).toEqual([false, false, false])
    expect([{raw: true}, {format: 'x'}, {select: 'x'}, {'headers-only': true}].map(showsReplies)).toEqual(
      Array(4).fill(true),
    )
  })
})

describe('requests', () => {
  test('are made from the flags', async () => {
    const {make, bounds} = await plan({header: [['a', 'b']], replies: 2, 'until-idle': 30})
    expect(make()).toEqual({subject: 'svc', data: 'x', headers: [['a', 'b']]})
    expect(bounds).toMatchObject({timeoutMs: 5000, replies: 2, idleMs: 30, untilEmpty: undefined})
  })

  test('are filled in again each time', async () => {
    const {make} = await plan({subject: 'svc.{n}', body: '{n}', template: true})
    expect([make(), make()]).toMatchObject([
      {subject: 'svc.1', data: '1'},
      {subject: 'svc.2', data: '2'},
    ])
  })

  test('have random payloads of the given size', async () => {
    const {make} = await plan({body: undefined, size: 100})
    const [one, two] = [make().data, make().data]
    expect([one?.length, two?.length, one === two]).toEqual([100, 100, false])
  })
})

test('the summary of replies has their number and the time of the last', () => {
  const message = new Message('x', '')
  expect(repliesLine([{message, ms: 1.23}])).toBe('1 reply · 1.2 ms')
  expect(
    repliesLine([
      {message, ms: 1},
      {message, ms: 2000},
    ]),
  ).toBe('2 replies · 2.0 s')
})
