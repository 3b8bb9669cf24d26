import assert from 'node:assert/strict'
import {memoryUsage} from 'node:process'
import {Message} from '../../../src/lib/core/message.ts'
import {compileJsonata, contextOf} from '../../../src/lib/core/text/jsonata.ts'
import {refusedLater, type Target} from '../target.ts'

const characters = 300_000
/** The memory of the message, of what is evaluated, and of garbage. */
const mostBytes = 768 * 1024 * 1024

/** An expression on messages that are long enough to be slow: it ends within its time and memory. */
export const target: Target = {
  // Two seconds for each of the three messages, on a machine that is busy.
  slowMs: 20_000,
  seeds: [
    '$count($sort(json))',
    'json^($)',
    '$replace(text, /1/, $pad("", 2000, "b"))',
    '$contains(text, $substring(text, 0, 9999) & "b" & $substring(text, 0, 9999))',
    '$reduce([1..60], function($a, $b){[$a, $a]}, json)',
    '$map(json, function($v){json})',
    '$string(json.$$)',
    'json@$x#$i{"a": $count($x)}',
    'json.**.*.%',
    '($f := function($x){$f($append($x, $x))}; $f(json))',
    '$eval("$spread($map([1..99], function(){$$.json}))")',
    '$toMillis(text, "[Y]1[M][DI][Fn]") & $fromMillis(0, "[Y,99]") & $formatNumber(1, "#,##0", {"digit": ","})',
  ],
  words: [
    ...'$sort( $map( $filter( $reduce( $each( $sift( $zip( $append( $spread( $merge( $distinct( $keys( $lookup('.split(
      ' ',
    ),
    ...'$pad( $join( $split( $replace( $match( $contains( $string( $clone( $eval( $length( $substring( $trim('.split(
      ' ',
    ),
    ...'$formatNumber( $formatInteger( $parseInteger( $toMillis( $fromMillis( $now( $encodeUrl( $base64encode('.split(
      ' ',
    ),
    ...'json text $$ $ $a $b $f ** * % . [ ] ( ) { } , ; : := ~> ^( @$x #$i & = in ? | .. /a+/ /(a|b)*c/ "a"'.split(
      ' ',
    ),
    ...['function($a, $b){', '[1..1000000]', '[1..99]', '1e300', '-9', '"[Y,99]"', '"[MNn][DI]"', '"#,##0"'],
  ],
  async run(bytes) {
    const evaluate = await refusedLater(() => compileJsonata(Buffer.from(bytes).toString('utf8'), '--where'))
    if (evaluate === undefined) return
    const before = memoryUsage().heapUsed
    for (const payload of [`[${'1,'.repeat(characters / 2)}1]`, 'a'.repeat(characters), '[{"a":[{"b":'.repeat(500)]) {
      await refusedLater(() => evaluate(contextOf(new Message('a', payload))))
      assert.ok(memoryUsage().heapUsed - before < mostBytes, 'more memory than it may have')
    }
  },
}
