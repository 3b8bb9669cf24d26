import {describe, expect, test} from 'vitest'
import {BusError} from '../../../../src/lib/core/errors.ts'
import {Message} from '../../../../src/lib/core/message.ts'
import {compileJsonata, contextOf, isTruthy, resultText} from '../../../../src/lib/core/text/jsonata.ts'

const message = new Message(
  'orders.created',
  '{"id":7,"items":[{"sku":"a"},{"sku":"b"}]}',
  [
    ['Trace', 'x1'],
    ['Tag', '1'],
    ['Tag', '2'],
    ['__proto__', 'p'],
  ],
  '_INBOX.1',
  42,
  Date.UTC(2026, 10, 20),
)

async function evaluate(source: string, over = message): Promise<unknown> {
  return (await compileJsonata(source, '--where'))(contextOf(over))
}

describe('an expression', () => {
  test.each([
    ['subject', 'orders.created'],
    ['reply', '_INBOX.1'],
    ['seq', 42],
    ['time', '2026-11-20T00:00:00.000Z'],
    ['bytes', 42],
    ['json.id', 7],
    ['$string(json.items.sku)', '["a","b"]'],
    ['headers.Trace', 'x1'],
    ['headers.Tag[1]', '2'],
    ['headers.trace', 'x1'],
    ['headers.TAG[1]', '2'],
    ['$lookup(headers, "TRACE")', 'x1'],
    ['$exists(headers.missing)', false],
    ['headers.`__proto__`', 'p'],
    ['$length(text)', 42],
    ['json.missing', undefined],
  ])('%s sees %j', async (source, value) => {
    expect(await evaluate(source)).toEqual(value)
  })

  test('finds no json if the payload is not JSON', async () => {
    expect(await evaluate('$exists(json)', new Message('a', 'hello'))).toBe(false)
    expect(await evaluate('text', new Message('a', 'hello'))).toBe('hello')
  })

  test.each([
    ['json.a =', /^--where "json.a =" is not JSONata: Unexpected end of expression at position 8$/],
    ['a..b', /^--where "a..b" is not JSONata: Syntax error: "\.\." at position 3$/],
    ['', /at position 1$/],
    ['$sum(1', /Expected "\)" before end of expression at position 6$/],
  ])('%j is refused with its position', async (source, sentence) => {
    const refused = compileJsonata(source, '--where')
    await expect(refused).rejects.toThrow(BusError)
    await expect(refused).rejects.toThrow(sentence)
  })

  test('that cannot be applied fails with a usage error that names it', async () => {
    await expect(evaluate('$uppercase(json.id)')).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringContaining('--where "$uppercase(json.id)" fails on a message: '),
    })
  })

  test.each([
    ['($f := function($x) {$f($x)}; $f(1))', 'Evaluation timeout after 2000 milliseconds'],
    ['($f := function($x) {1 + $f($x)}; $f(1))', 'Stack overflow'],
    ['[1..1e7]', 'The maximum sequence length of 10000000 was exceeded'],
    ['$match($join([1..100000].("ab")), /a.*c|a/)', 'Evaluation timeout after 2000 milliseconds'],
  ])('%s ends with a sentence', async (source, sentence) => {
    await expect(evaluate(source)).rejects.toMatchObject({kind: 'usage', message: expect.stringContaining(sentence)})
  })

  test.each(['(a+)+$', `^${'(a|a)'.repeat(30)}$`, '(b|a+)+$'])('searches for /%s/ immediately', async (pattern) => {
    const began = performance.now()
    expect(await evaluate(`$contains("${'a'.repeat(40)}!", /${pattern}/)`)).toBe(false)
    expect(await evaluate(`$eval("$contains(\\"${'a'.repeat(40)}!\\", /${pattern}/)")`)).toBe(false)
    expect(performance.now() - began).toBeLessThan(20_000)
  })

  test.each<[string, unknown]>([
    ['$match("a1b22", /[a-z](\\d+)(x)?/).index', [0, 2]],
    ['$match("a1b22", /[a-z](\\d+)/).groups', ['1', '22']],
    ['$replace("John Smith", /(\\w+)\\s(\\w+)/, "$2, $1")', 'Smith, John'],
    ['$split("a, b;c", /[,;]\\s*/)', ['a', 'b', 'c']],
    ['$contains("An Error", /error/i)', true],
    ['$contains("a\\nb", /^b$/m)', true],
    ['$contains("a\\nb", /^b$/)', false],
    ['$match("aa aa", /\\ba/).index', [0, 3]],
    ['$count($match("aaa", /^a/))', 1],
    ['$match("é😀x", /😀(x)/).[index, groups]', [1, 'x']],
    ['$replace("a/b", /a\\/b/, "x")', 'x'],
    ['/(z)?b/("ab").groups', [null]],
  ])('%s is %j', async (source, value) => {
    expect(JSON.stringify(await evaluate(source))).toBe(JSON.stringify(value))
  })

  test.each([
    [
      '$contains(text, /a(?=b)/)',
      /^--where .* is refused: lookahead is not supported in \/a\(\?=b\)\/ at position 24$/,
    ],
    ['$contains(text, /(?<!a)b/)', /is refused: lookbehind is not supported/],
    ['$contains(text, /(a)\\1/)', /is refused: backreferences are not supported/],
    ['$eval(text) ~> /(?<=a)b/', /is refused: lookbehind is not supported/],
  ])('%s is refused before a message is read', async (source, sentence) => {
    await expect(compileJsonata(source, '--where')).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringMatching(sentence),
    })
  })

  test('distinguishes a hundred thousand values quickly', async () => {
    expect(await evaluate('$count($distinct([1..100000]))')).toBe(100_000)
    expect(await evaluate('$distinct([1, "1", {"a": 1, "b": [2]}, {"b": [2], "a": 1}, [1], 1])')).toEqual([
      1,
      '1',
      {a: 1, b: [2]},
      [1],
    ])
    expect(await evaluate('$distinct([7, 7])')).toEqual([7])
    expect(await evaluate('$distinct(json.items.("x"))')).toBe('x')
  })

  test('keeps the variables of two simultaneous evaluations separate', async () => {
    const compiled = await compileJsonata('$string($n := json.n) & $string($n)', '--where')
    const results = [1, 2, 3].map((n) => compiled(contextOf(new Message('a', `{"n":${n}}`))))
    expect(await Promise.all(results)).toEqual(['11', '22', '33'])
  })
})

describe('a result', () => {
  test('counts as true by the rules of JSONata', async () => {
    const asJsonataSays = await compileJsonata('$boolean(v)', '--where')
    for (const v of [true, false, 1, 0, 'a', '', [0, 1], [0], [], {a: 1}, {}, null, [[]], [[1]]]) {
      expect([v, isTruthy(v)]).toEqual([v, await asJsonataSays({v})])
    }
    expect(isTruthy(undefined)).toBe(false)
    expect(isTruthy(await evaluate('function($x){$x}'))).toBe(false)
  })

  test('is unchanged if it is text, and otherwise compact JSON', async () => {
    expect(resultText('a "b"', '--select')).toBe('a "b"')
    expect(resultText({a: [1]}, '--select')).toBe('{"a":[1]}')
    expect(resultText(await evaluate('json.items.sku'), '--select')).toBe('["a","b"]')
    expect(resultText(undefined, '--select')).toBeUndefined()
    const deep = JSON.parse('['.repeat(50_000) + ']'.repeat(50_000))
    expect(() => resultText(deep, '--select')).toThrow('--select returns a value that cannot be written')
    const lambda = await evaluate('function($x){$x}')
    expect(() => resultText(lambda, '--select')).toThrow('--select returns a function, not a value')
  })
})
