import assert from 'node:assert/strict'
import {compileExpectation} from '../../../src/lib/core/expectation.ts'
import {Message} from '../../../src/lib/core/message.ts'
import {compileJsonata, contextOf, isTruthy, resultText} from '../../../src/lib/core/text/jsonata.ts'
import {compileFilter} from '../../../src/lib/messaging/pubsub/filter.ts'
import {partsOf, refused, refusedLater, type Target} from '../target.ts'

/** An expression, and the payload to which it is applied. */
export const target: Target = {
  // Those that do not end are stopped after two seconds, each of the four times.
  slowMs: 15_000,
  seeds: [
    'json.total > 100 and headers.Trace\n{"total":120}',
    '$sum(json.items.n) in [3, 4]\n{"items":[{"n":1},{"n":2}]}',
    '($f := function($x) {$x < 1 ? 0 : $f($x - 1)}; $f(9)) = 0\n',
    '$match(text, /a(b|c)+/i).groups\nabcb',
    'json ~> |items|{"x": 1}, ["n"]| ~> $string()\n{"items":[{"n":1}]}',
    'json.items^(>n)[0]@$i#$j.{"a": $i, "b": $j}\n{"items":[{"n":1}]}',
    '$fromMillis($toMillis(time), "[Y0001]-[M01]") & $formatNumber(1, "#,##0.00") & $eval("1+1")\n',
  ],
  words: [
    ...[
      'json.',
      '$',
      '$sum(',
      '$map(',
      'function($x){',
      '}',
      '(',
      ')',
      '[',
      ']',
      '[1..9]',
      '/',
      '/i',
      ':=',
      '~>',
      '^(',
      '@$i',
      '#$j',
    ],
    ...[
      '$match(',
      '$replace(',
      '$split(',
      '$pad(',
      '$eval(',
      '$reduce(',
      '$sort(',
      '$formatNumber(',
      '$toMillis(',
      '$now()',
      '%',
      '**',
    ],
    ...[
      ' and ',
      ' in ',
      ' ? ',
      ' : ',
      '"a"',
      '`',
      '|',
      '{"a":',
      ',',
      '; ',
      '\n',
      '$string(',
      '$clone(',
      '$formatInteger(',
      '(a+)+$',
    ],
  ],
  async run(bytes) {
    const [source = '', payload = ''] = partsOf(bytes, 2)
    const message = new Message('a.b', payload, [['Trace', 'x']], undefined, 7, 0)
    const evaluate = await refusedLater(() => compileJsonata(source, '--where'))
    if (evaluate === undefined) return
    const value = await refusedLater(() => evaluate(contextOf(message)))
    isTruthy(value)
    refused(() => resultText(value, '--select'))
    const expectation = await refusedLater(() => compileExpectation(source, 'expect'))
    const miss = await expectation?.missOf(contextOf(message))
    if (miss !== undefined) assert.match(miss.sentence, /^expected /)
    const keep = await compileFilter({where: source})
    assert.ok(((await keep?.([message]))?.length ?? 0) <= 1)
  },
}
