import {describe, expect, onTestFinished, test, vi} from 'vitest'
import {type Headers, Message} from '../../../../src/lib/core/message.ts'
import {
  delayed,
  echo,
  expression,
  failing,
  fixed,
  type Outcome,
  type ProgramOptions,
  program,
  withHeaders,
} from '../../../../src/lib/messaging/pubsub/handlers.ts'

const request = (payload: string | Uint8Array, headers: Headers = []) =>
  new Message('orders.new', payload, headers, '_INBOX.1')

/** The text of a payload, or the fault. */
function told(outcome: Outcome): unknown {
  if ('fault' in outcome) return outcome.fault
  return typeof outcome.data === 'string' ? outcome.data : Buffer.from(outcome.data).toString()
}

test('echo replies with the bytes and headers of the request', () => {
  const bytes = Uint8Array.of(0, 255)
  const headers: Headers = [['a', '1']]
  expect(echo().handle(request(bytes, headers))).toEqual({data: bytes, headers})
})

test('a fixed reply is a new message each time', () => {
  let n = 0
  const handler = fixed(() => ({data: String(++n)}))
  expect([handler.handle(request('')), handler.handle(request(''))]).toEqual([{data: '1'}, {data: '2'}])
})

test('headers are added to replies, not to faults', async () => {
  let n = 0
  const number = (): Headers => [['N', String(++n)]]
  expect(withHeaders(echo(), number).handle(request('x', [['a', 'b']]))).toEqual({
    data: 'x',
    headers: [
      ['a', 'b'],
      ['N', '1'],
    ],
  })
  const later = withHeaders(await expression('json'), number)
  expect(await later.handle(request('2'))).toEqual({data: '2', headers: [['N', '2']]})
  expect(await later.handle(request('?'))).toMatchObject({fault: {code: 500}})
})

describe('an expression', () => {
  test.each([
    ['json.name', 'Ann'],
    ['json.{"n": age * 2}', '{"n":84}'],
    ['[json.age]', '[42]'],
    ['json.age > 40', 'true'],
    ['subject & " " & headers.Trace', 'orders.new t1'],
    ['json.none ? 1 : null', 'null'],
  ])('%s replies with %s', async (source, reply) => {
    const handler = await expression(source)
    expect(told(await handler.handle(request('{"name":"Ann","age":42}', [['Trace', 't1']])))).toBe(reply)
  })

  test('without a value is a fault with a reason', async () => {
    const handler = await expression('json.name')
    expect(told(await handler.handle(request('not json')))).toEqual({
      code: 500,
      text: '--expr has no value for this request',
    })
  })

  test('that does not fit the request is a fault and does not end the service', async () => {
    const handler = await expression('json.name + 1')
    expect(told(await handler.handle(request('{"name":"x"}')))).toMatchObject({
      code: 500,
      text: expect.stringContaining('--expr'),
    })
  })

  test('that is not JSONata is refused before anything is served', async () => {
    await expect(expression('json.')).rejects.toMatchObject({kind: 'usage'})
  })
})

describe('a program', () => {
  const run = async (argv: string[], message = request(''), more: Partial<ProgramOptions> = {}) =>
    told(await program({argv, timeoutMs: 10_000, maxBytes: 1000, ...more}).handle(message))

  test('replies with its stdout', async () => {
    expect(await run(['tr', 'a-z', 'A-Z'], request('hello'))).toBe('HELLO')
  })

  test('gets the subject, the reply subject and the headers', async () => {
    const headers: Headers = [
      ['X-Trace-Id', 'one'],
      ['x-trace-id', 'two'],
      ['Nul', 'a\0b'],
    ]
    const print =
      'for (const k of Object.keys(process.env).filter((k) => /^BUS_(?!TESTS$)/.test(k)).sort()) console.log(k + "=" + process.env[k])'
    expect(await run([process.execPath, '-e', print], request('', headers))).toBe(
      [
        'BUS_HEADERS={"X-Trace-Id":"one","x-trace-id":"two","Nul":"a\\u0000b"}',
        'BUS_HEADER_NUL=ab',
        'BUS_HEADER_X_TRACE_ID=one',
        'BUS_REPLY=_INBOX.1',
        'BUS_SUBJECT=orders.new',
        '',
      ].join('\n'),
    )
  })

  test('that fails is a fault with its last line of stderr', async () => {
    expect(await run(['sh', '-c', 'echo first >&2; echo no such order >&2; exit 3'])).toEqual({
      code: 500,
      text: 'no such order',
    })
    expect(await run(['sh', '-c', 'exit 3'])).toEqual({code: 500, text: 'sh exited with 3'})
    expect(await run(['sh', '-c', 'kill -9 $$'])).toEqual({code: 500, text: 'sh was killed by SIGKILL'})
    expect(await run(['/no/such'])).toEqual({code: 500, text: '/no/such did not start: no such program'})
  })

  test('that takes too long is fault 504', async () => {
    expect(await run(['sleep', '20'], request(''), {timeoutMs: 50})).toEqual({
      code: 504,
      text: 'sleep did not exit within 50 ms',
    })
  })

  test('that writes more than a reply may have is a fault', async () => {
    expect(await run(['head', '-c', '2000', '/dev/zero'])).toEqual({
      code: 500,
      text: 'head wrote more than the 1000 bytes that a reply may have',
    })
  })
})

describe('fault injection', () => {
  test('fails the given share', async () => {
    const rolls = [0.01, 0.04, 0.05, 0.9]
    const handler = failing(echo(), 0.05, () => rolls.shift() ?? 1)
    const outcomes = [1, 2, 3, 4].map((n) => told(handler.handle(request(String(n))) as Outcome))
    expect(outcomes).toEqual([{code: 500, text: 'injected'}, {code: 500, text: 'injected'}, '3', '4'])
  })

  test('fails none at 0 %, all at 100 %', () => {
    expect(failing(echo(), 0, Math.random).handle(request('x'))).toEqual({data: 'x', headers: []})
    expect(failing(echo(), 1, Math.random).handle(request('x'))).toMatchObject({fault: {code: 500}})
  })

  test('delays by a time within the range', async () => {
    const from = performance.now()
    await delayed(echo(), {fromMs: 20, toMs: 40}, () => 0.5).handle(request('x'))
    expect(performance.now() - from).toBeGreaterThanOrEqual(28)
  })

  test('that waits 30 days does not reply earlier', async () => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const days = 86_400_000
    const answered = vi.fn()
    const handler = delayed(echo(), {fromMs: 30 * days, toMs: 30 * days}, () => 0.5)
    Promise.resolve(handler.handle(request('x'))).then(answered)
    await vi.advanceTimersByTimeAsync(29 * days)
    expect(answered).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(2 * days)
    expect(answered).toHaveBeenCalledOnce()
  })
})
