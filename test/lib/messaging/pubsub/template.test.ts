import {describe, expect, test} from 'vitest'
import {BusError} from '../../../../src/lib/core/errors.ts'
import {compileTemplate, randomPayloads} from '../../../../src/lib/messaging/pubsub/template.ts'

describe('a template', () => {
  test('fills in subject, body and headers, and leaves JSON unchanged', () => {
    const make = compileTemplate({
      subject: 'orders.{n}',
      data: '{"id":{n},"tags":{}}',
      headers: [['Nr-{n}', '{n}/2']],
      reply: 'r',
    })
    expect(make()).toEqual({subject: 'orders.1', data: '{"id":1,"tags":{}}', headers: [['Nr-{n}', '1/2']], reply: 'r'})
    expect(make()).toMatchObject({subject: 'orders.2', data: '{"id":2,"tags":{}}'})
  })

  test('has one id and one time per message, and different ones for the next', () => {
    const make = compileTemplate({subject: 'a.{id}', data: '{id} {time} {unix}', headers: [['Id', '{id}']]})
    const [one, other] = [make(), make()]
    const [id, time, unix] = String(one.data).split(' ')
    expect(one.subject).toBe(`a.${id}`)
    expect(one.headers).toEqual([['Id', id]])
    expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
    expect(Math.abs(Number(unix) * 1000 - Date.parse(time ?? ''))).toBeLessThan(1)
    expect(other.subject).not.toBe(one.subject)
  })

  test('creates a new random number each time, from the first to the last of the range', () => {
    const make = compileTemplate({subject: 'a', data: '{random:-1-1}'})
    const rolled = new Set(Array.from({length: 500}, () => make().data))
    expect([...rolled].sort()).toEqual(['-1', '0', '1'])
  })

  test('without a body has none', () => {
    expect(compileTemplate({subject: 'a.{n}'})().data).toBeUndefined()
  })

  test.each([
    [{subject: 'a.{m}'}, 'the subject has the unknown "{m}", at position 3'],
    [{subject: 'a', data: 'x {random}'}, 'the body has the unknown "{random}", at position 3'],
    [
      {subject: 'a', data: '{random:9-1}'},
      'the body has {random:9-1}, whose range ends before it starts, at position 1',
    ],
    [{subject: 'a', data: 'x{n'}, 'the body has "{n", which is not closed, at position 2'],
    [{subject: 'a', headers: [['T', '{x}']] as const}, 'the header "T" has the unknown "{x}", at position 1'],
    [{subject: 'a', data: Uint8Array.of(0xff)}, '--template needs a body of text'],
  ])('%j is refused', (pattern, sentence) => {
    expect(() => compileTemplate(pattern)).toThrow(BusError)
    expect(() => compileTemplate(pattern)).toThrow(sentence)
  })
})

describe('random payloads', () => {
  test('have the given size and differ', () => {
    const make = randomPayloads(() => ({subject: 'a'}), 1000)
    const made = Array.from({length: 20}, () => String(make().data))
    expect(made.every((payload) => /^[\w-]{1000}$/.test(payload))).toBe(true)
    expect(new Set(made).size).toBeGreaterThan(10)
    expect(randomPayloads(() => ({subject: 'a'}), 0)()).toEqual({subject: 'a', data: ''})
  })
})
