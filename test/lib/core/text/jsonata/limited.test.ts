import {readFile} from 'node:fs/promises'
import {createRequire} from 'node:module'
import jsonata from 'jsonata'
import {describe, expect, test} from 'vitest'
import {Message} from '../../../../../src/lib/core/message.ts'
import {libraryNames} from '../../../../../src/lib/core/text/jsonata/syntax.ts'
import {compileJsonata, contextOf} from '../../../../../src/lib/core/text/jsonata.ts'

const numbers = JSON.stringify(Array.from({length: 50_000}, (_, at) => (at * 7919) % 50_000))

async function evaluate(source: string, text = '{}'): Promise<unknown> {
  return (await compileJsonata(source, '--where'))(contextOf(new Message('a', text)))
}

describe('a function within limits', () => {
  test.each([
    ['length', '$length("é😀x") & $length("") & $length("😀😀")'],
    ['substring', '[-7..7].($substring("a😀cdé", $) & "|")'],
    ['substring of each length', '[-7..7].($start := $; [-2..8].($substring("a😀cdé", $start, $) & "|"))'],
    ['substring of ASCII', '[-7..7].($start := $; [-2..8].($substring("abcde", $start, $) & "|"))'],
    ['substring at a fraction', '$substring("abcdef", 1.7, 2.6) & $substring("abcdef", -2.5)'],
    ['pad', '[-9, -3, 0, 3, 9, 4.9].($pad("ab", $) & "|" & $pad("ab", $, "-+") & "|" & $pad("a😀", $, "😀x") & "|")'],
    ['join', '[$join(["a", "b"], "-"), $join(["a"]), $join([], "x"), $join("a")]'],
    ['case', '$uppercase("aß") & $lowercase("ÄB")'],
    ['trim', '["|" & $trim("  a \t\n b  ") & "|", $trim(""), $trim(" ")]'],
    ['base64', '[$base64encode("aé"), $base64decode("YWI=")]'],
    ['contains', '[$contains("abc", "b"), $contains("abc", ""), $contains("abc", /c$/), $contains("a", "abc")]'],
    [
      'substring before and after',
      '[$substringBefore("a-b-c", "-"), $substringAfter("a-b-c", "-"), $substringAfter("a", "x")]',
    ],
    [
      'split',
      '[$split("a,b,,c", ","), "|", $split("abc", ""), "|", $split("a,b,c", ",", 2), "|", $split("abc", "", 2), $split("", ",")]',
    ],
    ['split with a pattern', '[$split("a, b;c", /[,;] */), "|", $split("a1b2c", /[0-9]/, 2), "|", $split("abc", /x/)]'],
    [
      'replace',
      '[$replace("aaa", "a", "bb"), $replace("aaa", "a", "b", 2), $replace("abc", "x", "y"), $replace("abc", "b", "")]',
    ],
    ['replace without any', '$replace("aaa", "a", "b", 0)'],
    ['replace with groups', '$replace("John Smith", /(\\w+)\\s(\\w+)/, "$2, $1 $0 $$ $ $x $3 $12")'],
    ['replace without groups', '$replace("265USD", /USD/, "$1.50 $0 $10")'],
    ['replace with eleven groups', '$replace("abcdefghijk", /(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)(k)/, "$11 $12 $1x $00")'],
    ['replace with a function', '$replace("a1b22", /[0-9]+/, function($m){"<" & $m.match & ">"})'],
    ['replace by a function for a text', '$replace("abc", /x/, "y")'],
    ['match', '$match("a1b22", /([a-z])([0-9]+)/)'],
    [
      'string',
      '[$string(1.5), $string(0.1 + 0.2), $string({"a": [1, 0.30000000000000004, null, true]}), $string([1,2]), $string("x")]',
    ],
    ['string of functions', '$string([$sum, function($x){$x}, {"f": $sum}])'],
    ['string that is pretty', '$string({"a": [1, {}], "b": []}, true)'],
    ['concatenation', '1 & "a" & [1, 2] & missing & null & {"a": 0.1} & $sum & true'],
    ['clone', '$clone({"a": [1, 0.1, "x"]})'],
    ['max and min', '[$max([3, 1, 2]), $min([3, 1, 2]), $max([]), $min(5)]'],
    ['append', '[$append(1, 2), "|", $append([1], [2, 3]), "|", $append(missing, [1]), "|", $append([1], missing)]'],
    ['spread', '[$spread({"a": 1, "b": 2}), $spread([{"a": 1}, {"b": 2}]), $spread("a"), $spread([1, {"a": 2}])]'],
    ['spread of one', '$spread([{"a": 1}])'],
    ['spread of nothing', '$spread([])'],
    ['zip', '[$zip([1, 2], [3, 4, 5]), "|", $zip([1]), "|", $zip([], [1])]'],
    ['sort', '[$sort([3, 1, 2]), $sort(["b", "a", "B"]), $sort([1]), $sort("x")]'],
    [
      'sort with a function',
      '$sort([{"n": 2, "i": 1}, {"n": 1, "i": 2}, {"n": 2, "i": 3}, {"n": 1, "i": 4}], function($l, $r){$l.n > $r.n}).i',
    ],
    ['sort with a function that calls another', '[5, 3, 9] ~> $sort(function($l, $r){$abs($l) < $abs($r)})'],
    ['distinct', '$distinct([1, "1", 1, {"a": 1}, {"a": 1}, [1], null, null])'],
    [
      'map, filter, reduce',
      '[$map([1..3], $string), $filter([1..5], function($v){$v % 2 = 0}), $reduce([1..4], function($a, $b){$a * $b})]',
    ],
    ['map with a native function', '$map(["a", "b"], $uppercase)'],
    ['reduce with a native function', '$reduce([1, [2, 3], 4], $append)'],
    ['partial application', '($first := $substring(?, 0, 2); $with := $pad(?, 4, "-"); $first("abcd") & $with("x"))'],
    ['composition', '($both := $trim ~> $uppercase; $both(" a "))'],
    ['transform', '{"a": [{"b": 1}, {"b": 2}]} ~> |a|{"c": b + 1}, ["b"]|'],
    ['order-by', '[{"n": 2}, {"n": 1}, {"n": 3}]^(>n).n'],
    [
      'formatNumber',
      '[$formatNumber(1234.5, "#,##0.00"), $formatNumber(0.14, "01%"), $formatNumber(12, "#0,0", {"grouping-separator": "\'"})]',
    ],
    [
      'formatInteger',
      '[$formatInteger(1999, "I"), $formatInteger(27, "a"), $formatInteger(123, "w"), $formatInteger(1234567, "#,##0")]',
    ],
    [
      'parseInteger',
      '[$parseInteger("twelve thousand", "w"), $parseInteger("1,234", "#,##0"), $parseInteger("MCM", "I")]',
    ],
    [
      'toMillis',
      '[$toMillis("2017-11-07T15:07:54.972Z"), $toMillis("2018-05-17", "[Y0001]-[M01]-[D01]"), $toMillis("20180517", "[Y0001][M01][D01]")]',
    ],
    [
      'toMillis of names',
      '[$toMillis("17 May 2018", "[D] [MNn] [Y]"), $toMillis("21:05:01.5 2018-05-17", "[H]:[m]:[s].[f] [Y]-[M]-[D]"), $toMillis("May 17th, 2018 3pm", "[MNn] [D1o], [Y] [h][P]")]',
    ],
    [
      'fromMillis',
      '[$fromMillis(1510067557121), $fromMillis(1510067557121, "[M01]/[D01]/[Y0001] [h#1]:[m01][P]", "-0500"), $fromMillis(0, "[FNn,3-3], [D1o] [MNn] [YI]")]',
    ],
    ['eval', '($x := 5; $eval("[1, $x, a.b]", {"a": {"b": 7}}))'],
    ['eval of the root', '$count($eval("$$"))'],
    ['signature', '(function($a, $b)<n-n?:n>{$a + $b})(1, 2)'],
    ['wildcards', '[{"a": 1, "b": [2, {"c": 3}]}.*, "|", {"a": {"b": [1, [2]]}}.**]'],
    ['group', '[{"k": "a", "n": 1}, {"k": "b", "n": 2}, {"k": "a", "n": 3}]{k: $sum(n)}'],
    ['parents and positions', '{"a": [{"b": [1, 2]}, {"b": [3]}]}.a#$i.b.{"i": $i, "n": $, "of": $count(%.b)}'],
  ])('%s returns the result of JSONata', async (_name, source) => {
    const theirs = await jsonata(source)
      .evaluate({})
      .catch((error: {message: string}) => `fails: ${error.message}`)
    const ours = await (await compileJsonata(source, '--where'))({}).catch(
      (error: {cause: {message: string}}) => `fails: ${error.cause.message}`,
    )
    expect(JSON.stringify(ours)).toBe(JSON.stringify(theirs))
    expect(Array.isArray(ours)).toBe(Array.isArray(theirs))
  })

  test('$now and $millis belong to the same evaluation', async () => {
    const [now, millis, day] = (await evaluate('[$now(), $millis(), $now("[Y0001]-[M01]-[D01]")]')) as [
      string,
      number,
      string,
    ]
    expect(Date.parse(now)).toBe(millis)
    expect(Math.abs(Date.now() - millis)).toBeLessThan(10_000)
    expect(now.startsWith(day)).toBe(true)
  })

  test.each([
    ['$count($sort(json))', numbers, 50_000],
    ['$sort([1..1000000])[0]', '', 1],
    ['$max([1..500000])', '', 500_000],
    ['json > 5', `1${'0'.repeat(300_000)}1`, true],
    ['$contains(text, $pad("", 20000, "a") & "b" & $pad("", 20000, "a"))', 'a'.repeat(1_000_000), false],
    [
      '$contains(text, $pad("", 20000, "a") & "b" & $pad("", 20000, "a"))',
      `${'a'.repeat(500_000)}b${'a'.repeat(500_000)}`,
      true,
    ],
    ['$count($split(text, $pad("", 40, "ab")))', 'ab'.repeat(1000), 51],
    ['$count($spread($map([1..10000], function(){json})))', '{"a":1}', 10_000],
    ['$length($pad("", 16000000, "é"))', '', 16_000_000],
  ])('%s ends quickly', async (source, text, value) => {
    const began = performance.now()
    expect(await evaluate(source, text)).toBe(value)
    expect(performance.now() - began).toBeLessThan(20_000)
  })
})

const tooLong = 'it creates a string of more than 16777216 characters'
const tooGreat = 'it creates a value with more than 4000000 parts'
const timeout = 'Evaluation timeout after 2000 milliseconds'
const open = 'a picture in which the parts of a time have ambiguous ends'

describe('an expression that exceeds the limits', () => {
  test.each([
    ['$pad("", 500000000)', tooLong],
    ['$replace($pad("",200000,"a"), /a/, $pad("",2000,"b"))', tooLong],
    ['$replace($pad("",200000,"a"), "a", $pad("",2000,"b"))', tooLong],
    ['$join([1..1000].($pad("", 100000)))', tooLong],
    ['$join([1..25].($pad("", 1000000)))', tooLong],
    ['$reduce([1..60], function($a, $b){$a & $a}, "ab") = "x"', tooLong],
    ['$reduce([1..60], function($a, $b){$join([$a, $a])}, "ab")', tooGreat],
    ['$base64encode($pad("", 16000000))', tooLong],
    ['$encodeUrl($pad("", 8000000, "é"))', tooLong],
    ['$fromMillis(0, "[Y,100000000]")', 'a width of more than 100 in a picture'],
    ['$fromMillis(0, "[Y,*-100000000]")', 'a width of more than 100 in a picture'],
    ['$now($pad("", 1000000, "[Y]"))', 'a picture of more than 256 characters'],
    ['$formatInteger(1, $pad("", 1000000, "0"))', 'a picture of more than 256 characters'],
    ['$toMillis("2026-02-31")', '2026-02-31 is not a day'],
    ['$toMillis("2026-02-31", "[Y]-[M]-[D]")', '2026-02-31 is not a time that this picture reads exactly'],
    ['$toMillis("20260231", "[Y0001][M01][D01]")', 'reads exactly'],
    ['$toMillis("29 February 2025", "[D] [MNn] [Y]")', 'reads exactly'],
    ['$toMillis("2026-13-01", "[Y]-[M]-[D]")', 'reads exactly'],
    ['$toMillis("25:61", "[H]:[m]")', 'reads exactly'],
    ['$toMillis("13 AM", "[h] [P]")', 'reads exactly'],
    ['$toMillis("2025 366", "[Y] [d]")', 'reads exactly'],
    ['$toMillis("Monday 29 February 2024", "[FNn] [D] [MNn] [Y]")', 'reads exactly'],
    ['$toMillis("2026-06-31T10:00+02:00", "[Y]-[M]-[D]T[H]:[m][Z]")', 'reads exactly'],
    ['$toMillis("2026-01-01T00:00:00+25:00")', '2026-01-01T00:00:00+25:00 is not a time'],
    ['$fromMillis(0, "[f000001]")', 'more than three digits for a fraction'],
    ['$fromMillis(0, "[H]", "Europe/Berlin")', '"Europe/Berlin" is not an offset such as +0100'],
    ['$now("[H]", "+01:00")', '"+01:00" is not an offset'],
    ['$fromMillis(9000000000000000)', '9000000000000000 is not a time'],
    ['$formatInteger(10000000, "I")', 'Roman numerals are limited to 1000000'],
    ['$formatNumber(1, "#,##0", {"grouping-separator": ""})', 'must be a string of 1 to 256 characters'],
    ['$parseInteger($pad("", 1000000, "1"), "#,##0")', 'a string of more than 256 characters'],
    [`$toMillis("${'1'.repeat(38)}x", "[Y]1[M]1[D]1[H]1[m]1[s]1[d]")`, open],
    [`$toMillis("${'a'.repeat(60)}1", "[MNn][FNn][MNn][FNn][MNn][FNn]")`, open],
    [`$toMillis("${'six'.repeat(40)}1", "[Yw][Mw][Dw][Yw][Mw]")`, open],
    [`$toMillis("${'i'.repeat(60)}1", "[YI][MI][DI][HI][mI]")`, open],
    [`$toMillis("${'1'.repeat(40)}x", "${'[f1]'.repeat(12)}")`, open],
    ['($x := λ($c, $n, $b){$b ? $n % 2 : $x($c + 1, $floor($n / 2), $b)}; $x(0, 5, false))', timeout],
    ['$reduce([1..40], function($a, $b){[[$a],[$a]]}, 1) ? 1 : 2', tooGreat],
    ['$reduce([1..40], function($a, $b){{"a": $a, "b": $a}}, 1)', tooGreat],
    ['$reduce([1..60], function($a, $b){$map([1, 2], function(){$a})}, 1)', tooGreat],
    ['$reduce([1..60], function($a, $b){$zip([$a, $a], [$a, $a])}, 1)', tooGreat],
    ['$count([1..3000].$$.([1..3000]))', /2000 milliseconds|The maximum sequence length of 1000000/],
    ['[1..1000].{"a": [1..1000000]}', /2000 milliseconds|256 MiB/],
    ['$map([1..1000], function($i){$pad("", 15000000, "é" & $string($i))})', /2000 milliseconds|256 MiB/],
    ['($f := function(){$eval("$f()")}; $f())', /2000 milliseconds|nested too deeply/],
    ['$eval($pad("", 20000, "1"))', 'an expression of $eval is too long'],
    ['$eval("$pad(\\"\\", 500000000)")', tooLong],
    ['($ ~> |$sum|{"implementation": 1}|)', 'a transformation cannot change a function'],
    ['($f := function(){1}; {} ~> |$f|{"body": {"type": "string", "value": "x"}}|)', 'cannot change a function'],
  ])('%s ends with a sentence', async (source, sentence) => {
    const began = performance.now()
    await expect(evaluate(source)).rejects.toMatchObject({
      kind: 'usage',
      message: typeof sentence === 'string' ? expect.stringContaining(sentence) : expect.stringMatching(sentence),
    })
    expect(performance.now() - began).toBeLessThan(20_000)
  })

  test.each([
    ['json^($)', numbers, /2000 milliseconds|256 MiB/],
    ['json{"k": $count($)}', numbers, timeout],
    ['json@$x{"k": $count($x)}', numbers, /2000 milliseconds|256 MiB/],
    ['$string(json.$$)', numbers, tooGreat],
    ['$keys($map([1..3000], function(){json}))', `{${Array.from({length: 3000}, (_, at) => `"k${at}":1`)}}`, tooGreat],
    ['json.*', `{${Array.from({length: 100_000}, (_, at) => `"k${at}":[1,2]`)}}`, timeout],
    ['json.**', '['.repeat(20_000) + ']'.repeat(20_000), 'it is nested too deeply'],
    ['json ~> |a|{"self": $}|', '{"a":{"b":1}}', 'it is nested too deeply'],
    ['$contains(text, /(a+)+$/)', 'a'.repeat(10_000_000), 'a string of 10000000 characters is too long for /(a+)+$/'],
    ['$error(text)', 'x'.repeat(1_000_000), 'xxx…'],
  ])('%s ends with a sentence on a hostile message', async (source, text, sentence) => {
    const failure = await evaluate(source, text).catch((error: unknown) => error)
    expect(failure).toMatchObject({
      kind: 'usage',
      message: typeof sentence === 'string' ? expect.stringContaining(sentence) : expect.stringMatching(sentence),
    })
    expect((failure as Error).message.length).toBeLessThan(1000)
  })

  test('is refused if its signature can be matched in many ways', async () => {
    const source = `(function($a)<${'s?'.repeat(30)}n:s>{1})(${'"",'.repeat(29)}"")`
    await expect(compileJsonata(source, '--where')).rejects.toThrow('too many optional or repeated parameters')
  })

  test('yields to other work', async () => {
    const slow = await compileJsonata('json = 1 ? ($f := function($x){$f($x)}; $f(1)) : 2', '--where')
    const results = [1, 1, 2].map((n) => slow(contextOf(new Message('a', String(n)))))
    expect((await Promise.allSettled(results)).map(({status}) => status)).toEqual(['rejected', 'rejected', 'fulfilled'])
  })
})

describe('an expression', () => {
  test.each([
    ['{"a": 1}.constructor', undefined],
    ['{"a": 1}.__proto__', undefined],
    ['$lookup({}, "constructor")', undefined],
    ['$lookup({}, "__proto__")', undefined],
    ['$sum.implementation', undefined],
    ['$keys($sum)', undefined],
    ['$string.constructor("return process")()', undefined],
    ['({"__proto__": {"x": 1}}).x', undefined],
    ['$merge([{"__proto__": {"x": 1}}, {}]).x', undefined],
    ['$eval("{}.constructor.constructor")', undefined],
  ])('%s reaches no object of the program', async (source, value) => {
    expect(await evaluate(source).catch(() => undefined)).toEqual(value)
    expect(({} as {x?: unknown}).x).toBeUndefined()
  })

  test('does not change the functions of another', async () => {
    await evaluate('$each([$sum][0], function($v, $k){$k})').catch(() => undefined)
    await evaluate('($ ~> |$sum|{"implementation": $count}|)').catch(() => undefined)
    expect(await evaluate('$sum([1, 2, 3])')).toBe(6)
  })
})

test('the list of functions contains all functions of JSONata', async () => {
  const source = await readFile(createRequire(import.meta.url).resolve('jsonata'), 'utf8')
  const bound = [...source.matchAll(/(?:staticFrame|environment)\.bind\('(\w+)', defineFunction/g)].map(
    ([, name]) => name,
  )
  expect(bound.length).toBeGreaterThan(60)
  expect([...libraryNames].sort()).toEqual(bound.sort())
})
