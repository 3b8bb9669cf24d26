import {describe, expect, test} from 'vitest'
import {BusError} from '../../../../src/lib/core/errors.ts'
import {type Headers, Message, serviceFailure} from '../../../../src/lib/core/message.ts'
import {compileExpectations} from '../../../../src/lib/messaging/pubsub/expect.ts'
import type {TimedReply} from '../../../../src/lib/messaging/pubsub/request.ts'

const reply = (payload: string, headers: Headers = [], ms = 1.5): TimedReply => ({
  message: new Message('_INBOX.1', payload, headers),
  ms,
})
const refused = reply('', [
  ['Nats-Service-Error', 'no such order'],
  ['Nats-Service-Error-Code', '404'],
])

async function judge(expressions: string | string[], ...answers: TimedReply[]): Promise<BusError | undefined> {
  const judged = await compileExpectations([expressions].flat(), 'svc')
  return judged(answers).then(
    () => undefined,
    (error: unknown) => {
      if (error instanceof BusError) return error
      throw error
    },
  )
}

describe('expectations', () => {
  test.each([
    'json.total > 100',
    'text = "{\\"total\\":142}"',
    'headers.Trace = "t1"',
    'bytes = 13',
    'ms < 2 and status = "ok"',
    '$count(messages) = 1 and messages[0].json.total = 142',
    '$not($exists(error))',
  ])('%s holds', async (expression) => {
    expect(await judge(expression, reply('{"total":142}', [['Trace', 't1']]))).toBeUndefined()
  })

  test.each([
    ['json.total > 100', 'expected json.total > 100, but json.total is 42'],
    ['json.ok', 'expected json.ok, but it has no value'],
    ['$not(json.total)', 'expected $not(json.total), but it is false'],
    ['json.total = 42 and json.total*2=85', 'expected json.total = 42 and json.total*2=85, but json.total*2 is 84'],
    ['json.a = 1 or json.total<1', 'expected json.a = 1 or json.total<1, but json.a has no value and json.total is 42'],
    ['json.total in [1,2]', 'expected json.total in [1,2], but json.total is 42'],
    ['headers.a = json.total', 'expected headers.a = json.total, but headers.a has no value and json.total is 42'],
  ])('%s reports the actual value', async (expression, sentence) => {
    const error = await judge(expression, reply('{"total":42}'))
    expect(error).toMatchObject({kind: 'expectation', exitCode: 9, message: `the reply on "svc" is wrong: ${sentence}`})
  })

  test('report the actual values to programs', async () => {
    const error = await judge(['json.total > 100', 'json.name = "x"'], reply('{"total":42,"name":["y"]}'))
    expect(error?.data).toEqual({
      expectations: [
        {expression: 'json.total > 100', seen: {'json.total': 42}},
        {expression: 'json.name = "x"', seen: {'json.name': ['y']}},
      ],
    })
    expect(error?.message).toBe(
      'the reply on "svc" is wrong: expected json.total > 100, but json.total is 42; expected json.name = "x", but json.name is ["y"]',
    )
  })

  test('that do not fit the reply fail with exit code 9, not as a usage error', async () => {
    const error = await judge('json.total + 1 > 3', reply('{"total":"x"}'))
    expect(error).toMatchObject({kind: 'expectation'})
    expect(error?.message).toMatch(/: expected json\.total \+ 1 > 3, but it cannot be evaluated: .*number/)
  })

  test('shorten a long value', async () => {
    const error = await judge('text = "x"', reply('y'.repeat(5000)))
    expect(error?.message.length).toBeLessThan(300)
  })

  test('that are not JSONata are refused with the position', async () => {
    await expect(compileExpectations(['json.total >'], 'svc')).rejects.toMatchObject({
      kind: 'usage',
      data: {position: 12},
    })
  })

  test('judge the first reply, and all replies as messages', async () => {
    const answers = [reply('{"n":1}'), reply('{"n":2}', [], 7)]
    expect(
      await judge('json.n = 1 and $sum(messages.json.n) = 3 and $max(messages.ms) = 7', ...answers),
    ).toBeUndefined()
    expect(await judge('$count(messages) = 0')).toBeUndefined()
  })
})

describe('a service error', () => {
  test('is exit code 8 with its code and text, whatever else is expected', async () => {
    expect(await judge([], refused)).toMatchObject({
      kind: 'remote',
      message: '"svc" answered with error 404: no such order',
    })
    expect(await judge('ms < 5', refused)).toMatchObject({kind: 'remote', data: {code: 404, text: 'no such order'}})
    expect(await judge('json.total > 1', refused)).toMatchObject({kind: 'remote'})
    expect(await judge([], reply('1'), refused)).toMatchObject({kind: 'remote'})
  })

  test('is judged by an expectation that uses status or error', async () => {
    expect(await judge('status = "error" and error.code = 404', refused)).toBeUndefined()
    expect(await judge('error.text ~> /order/', refused)).toBeUndefined()
    expect(await judge('status = "ok"', refused)).toMatchObject({
      kind: 'expectation',
      message: 'the reply on "svc" is wrong: expected status = "ok", but status is "error"',
    })
  })

  test('may have neither code nor text', () => {
    expect(serviceFailure(reply('', [['Nats-Service-Error', 'bad']]).message, 'svc')?.message).toBe(
      '"svc" answered with error: bad',
    )
    expect(serviceFailure(reply('', [['nats-service-error-code', '500']]).message, 'svc')?.message).toBe(
      '"svc" answered with error 500',
    )
    expect(serviceFailure(reply('x').message, 'svc')).toBeUndefined()
  })
})
