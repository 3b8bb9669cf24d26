import jsonata from 'jsonata'
import {describe, expect, test} from 'vitest'
import {Message} from '../../../../../src/lib/core/message.ts'
import {compileJsonata, contextOf, resultText} from '../../../../../src/lib/core/text/jsonata.ts'

const payload = `{"id":9007199254740993,"n":-12345678901234567890,"e":1e400,"half":9007199254740993.5,"f":1.5,"five":5,
  "list":[9007199254740995,1,9007199254740993],"ids":[{"id":9007199254740995},{"id":9007199254740993}],
  "z":9007199254740993.0,"safe":9007199254740991,"text":"9007199254740993"}`

async function shown(source: string, text = payload): Promise<string | undefined> {
  const evaluate = await compileJsonata(source, '--select')
  return resultText(await evaluate(contextOf(new Message('a', text))), '--select')
}

describe('a number beyond 2^53', () => {
  test.each([
    ['json.id', '9007199254740993'],
    ['json.n', '-12345678901234567890'],
    ['json.e', '1e400'],
    ['json.half', '9007199254740993.5'],
    ['{"a": [json.id]}', '{"a":[9007199254740993]}'],
    ['json.id = 9007199254740993', 'true'],
    ['json.id = 9007199254740992', 'false'],
    ['json.id != 9007199254740992', 'true'],
    ['json.id = json.z', 'true'],
    ['json.id = json.text', 'false'],
    ['json.n = -12345678901234567890', 'true'],
    ['json.id > 5 and json.id < 9007199254740994 and json.id >= json.safe and json.n < 0 and json.n <= json.n', 'true'],
    ['json.e > json.id and json.n < json.f and json.half > json.id and json.f < json.half', 'true'],
    ['json.id in json.list', 'true'],
    ['json.id in [9007199254740993]', 'true'],
    ['9007199254740992 in json.list', 'false'],
    ['json.id + 1', '9007199254740994'],
    ['json.id - 2', '9007199254740991'],
    ['json.id * json.id', '81129638414606699710187514626049'],
    ['json.id / 3', '3002399751580331'],
    ['json.id % 10', '3'],
    ['-json.id', '-9007199254740993'],
    ['json.safe + 2', '9007199254740993'],
    ['json.safe * 3 % 2', '1'],
    ['$power(2, 53) + 1', '9007199254740993'],
    ['$power(3, 40)', '12157665459056928801'],
    ['$sum(json.list)', '18014398509481989'],
    ['$sum([json.safe, 2])', '9007199254740993'],
    ['$average([json.id, json.id])', '9007199254740993'],
    ['$max(json.list)', '9007199254740995'],
    ['$min(json.list)', '1'],
    ['$sort(json.list)', '[1,9007199254740993,9007199254740995]'],
    ['$sort(json.list, function($a, $b){$a > $b})', '[1,9007199254740993,9007199254740995]'],
    ['$distinct([json.id, json.z, 1])', '[9007199254740993,1]'],
    ['$number(json.text) = json.id', 'true'],
    ['$number(json.id)', '9007199254740993'],
    ['$string(json.list)', '[9007199254740995,1,9007199254740993]'],
    ['json.id & "!"', '9007199254740993!'],
    ['$type(json.id)', 'number'],
    ['$abs(json.n)', '12345678901234567890'],
    ['$floor(json.id) & $ceil(json.id) & $round(json.id)', '900719925474099390071992547409939007199254740993'],
    ['$clone(json).id', '9007199254740993'],
    ['json ~> |ids|{"next": id + 1}|', undefined],
    ['json.ids[id = 9007199254740993].id', '9007199254740993'],
    ['json.ids.id', '[9007199254740995,9007199254740993]'],
    ['$map(json.list, function($v){$v + 1})', '[9007199254740996,2,9007199254740994]'],
    ['$reduce(json.list, function($a, $b){$a + $b})', '18014398509481989'],
    ['json.list.**', '[9007199254740995,1,9007199254740993]'],
    ['json.ids[0].*', '9007199254740995'],
    ['json.id ? "yes" : "no"', 'yes'],
    ['$eval("json.id + 1")', '9007199254740994'],
    ['$eval("9007199254740993")', '9007199254740993'],
    ['$toMillis("2017-11-07T15:07:54.972Z") * 1000000', '1510067274972000000'],
    ['1e300 / 1e299', '10'],
  ])('in %s is exact', async (source, text) => {
    if (text !== undefined) expect(await shown(source)).toBe(text)
    else expect(await shown(source)).toContain('"next":9007199254740994')
  })

  test.each([
    ['json.id / 2', /would round a number/],
    ['json.id + 0.5', /would round a number/],
    ['json.f + json.id', /would round a number/],
    ['json.half + 1', /would round a number/],
    ['json.e + 1', /would round a number/],
    ['$power(2, 100000)', /would round a number|cannot be represented/],
    ['$parseInteger(json.text, "0")', /would round a number/],
    ['json.list[$number($$.json.text)]', /would round a number/],
    ['json.list[9007199254740993]', /would round a number/],
    ['json.ids^(id)', /must evaluate to numeric or string values/],
    ['$formatNumber(json.id, "0")', /does not match function signature/],
    ['[json.id..5]', /must evaluate to an integer/],
    ['json.id > "a"', /must be of the same data type/],
  ])('in %s is refused, not rounded', async (source, sentence) => {
    await expect(shown(source)).rejects.toThrow(sentence)
  })

  test.each([
    ...['1 + "a"', '"a" + 1', '-"a"', '1 < "a"', '{} < 1', '1 + missing', 'missing < 1', '1 in missing', '$sum(["a"])'],
    ...[
      '$max([])',
      '$max(3)',
      '$sum(missing)',
      '$average(missing)',
      '$average(3)',
      '$average([])',
      '$average([1, 2])',
      '$number("x")',
      '$number("0x10")',
    ],
    ...[
      '$number(true)',
      '$number("1.5")',
      '$abs(-2)',
      '$floor(1.5)',
      '$round(2.567, 2)',
      '$power(2, 0.5)',
      '$power(2, -1)',
    ],
    ...[
      '5 % 3',
      '-5 % 3',
      '1 / 0',
      '0 / 0',
      '0.1 + 0.2',
      '1.5 * 2',
      '"b" > "a"',
      '"a" <= "a"',
      '2 in [1, 2]',
      '$type(1)',
    ],
    ...[
      '[1, [2, {"a": 3}]].**',
      '{"a": [1, [2]], "b": 3}.*',
      '[1, 2, 3][-1]',
      '[1, 2, 3][$ > 1]',
      '[1, 2, 3][[0, 2]]',
      '"x".*',
    ],
    ...[
      '$sort([2, 1])',
      '$sort([1, "a"])',
      '-(1 - 2)',
      '$abs("a")',
      '$power("a", 1)',
      '$sum([1, 2.5])',
      '$min([2, "a"])',
    ],
  ])('changes nothing in %s', async (source) => {
    const theirs = await jsonata(source)
      .evaluate({})
      .catch((error: {message: string}) => `fails: ${error.message}`)
    // A context without that property is evaluated with the exact operators.
    const ours = await (await compileJsonata(source, '--where'))({}).catch(
      (error: {cause: {message: string}}) => `fails: ${error.cause.message}`,
    )
    expect(JSON.stringify(ours)).toBe(JSON.stringify(theirs))
  })

  test('does not affect later messages', async () => {
    const evaluate = await compileJsonata('json.n + 1', '--select')
    const results = [1, '9007199254740993', 2].map((n) => evaluate(contextOf(new Message('a', `{"n":${n}}`))))
    expect(JSON.stringify(await Promise.all(results))).toBe('[2,9007199254740994,3]')
  })
})
