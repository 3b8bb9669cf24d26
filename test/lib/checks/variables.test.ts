import {describe, expect, test} from 'vitest'
import {parseVariable, Variables} from '../../../src/lib/checks/variables.ts'
import {compileJsonata} from '../../../src/lib/core/text/jsonata.ts'
import {numberOf} from '../../../src/lib/core/text/long-numbers.ts'

function variables(values: Record<string, unknown> = {}, env: Record<string, string> = {}) {
  const secrets: string[] = []
  const made = new Variables(env, (secret) => secrets.push(secret))
  for (const [name, value] of Object.entries(values)) made.set(name, value)
  return {made, secrets}
}

describe('placeholders in a text', () => {
  const {made} = variables({n: 5, name: 'eu', order: {id: 7, tags: ['a']}, none: null}, {HOST: 'h'})
  test.each([
    ['orders.{name}.{n}', 'orders.eu.5'],
    ['{{name}}', '{name}'],
    ['{order.id}', '7'],
    ['{order}', '{"id":7,"tags":["a"]}'],
    ['{order.tags.0}', 'a'],
    ['{env.HOST}:1', 'h:1'],
    ['{"a":{n}}', '{"a":5}'],
    ['{none}', 'null'],
    ['plain', 'plain'],
    ['', ''],
  ])('%s', (text, filled) => {
    expect(made.text(text)).toBe(filled)
  })

  test('become the value itself in JSON if they are the whole text', () => {
    expect(made.json({a: '{n}', b: ['{order.tags}', 'x{n}'], c: 1, d: null})).toEqual({
      a: 5,
      b: [['a'], 'x5'],
      c: 1,
      d: null,
    })
  })
})

describe('built-in variables', () => {
  const {made} = variables()
  test.each([
    ['{id}', /^[\da-f-]{36}$/],
    ['{time}', /^\d{4}-\d\d-\d\dT.*Z$/],
    ['{unix}', /^\d{10}(\.\d+)?$/],
    ['{random:3-4}', /^[34]$/],
  ])('%s', (text, pattern) => {
    expect(made.text(text)).toMatch(pattern)
  })
})

test.each([
  ['{nope}', '{nope} has no value'],
  ['{env.NOPE}', '{env.NOPE} has no value: the variable NOPE is not set'],
])('%s is refused', (text, sentence) => {
  expect(() => variables().made.text(text)).toThrow(sentence)
})

test('environment variables that look like secrets are reported as secrets', () => {
  const {made, secrets} = variables({}, {API_TOKEN: 't0k', DB_PASSWORD: 'pw', REGION: 'eu'})
  made.text('{env.API_TOKEN}{env.DB_PASSWORD}{env.REGION}')
  expect(secrets).toEqual(['t0k', 'pw'])
})

test.each([
  ['a=5', 5],
  ['a=007', '007'],
  ['a=eu', 'eu'],
  ['a=', ''],
  ['a=x=y', 'x=y'],
  ['a=true', true],
  ['a={"b":[1]}', {b: [1]}],
  ['a=12345678901234567890', numberOf('12345678901234567890')],
  ['a={"b":[9007199254740993]}', {b: [numberOf('9007199254740993')]}],
  ['a=1e400', numberOf('1e400')],
])('--var %s', (input, value) => {
  expect(parseVariable(input)).toEqual(['a', value])
})

test('a variable beyond 2^53 keeps its digits in texts, in JSON and in expressions', async () => {
  const made = new Variables({}, () => {})
  made.set(...parseVariable('id=9007199254740993'))
  expect(made.text('orders.{id}')).toBe('orders.9007199254740993')
  expect(JSON.stringify(made.json({id: '{id}', list: ['{id}', 'x{id}']}))).toBe(
    '{"id":9007199254740993,"list":[9007199254740993,"x9007199254740993"]}',
  )
  expect(JSON.stringify(made.json(made.json({id: '{id}'})))).toBe('{"id":9007199254740993}')
  const isSame = await compileJsonata('vars.id = 9007199254740993 and vars.id != 9007199254740992', '--where')
  expect(await isSame({vars: made.all})).toBe(true)
  expect(() => made.text('{random:1-9007199254740993}')).toThrow('{random:1-9007199254740993} has numbers beyond 2^53')
})

test.each(['a', '=1', '5=1'])('--var %s is refused', (input) => {
  expect(() => parseVariable(input)).toThrow('is not NAME=VALUE')
})
