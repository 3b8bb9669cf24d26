import {describe, expect, test} from 'vitest'
import {compileExpectation} from '../../../src/lib/core/expectation.ts'
import {Message} from '../../../src/lib/core/message.ts'
import {contextOf} from '../../../src/lib/core/text/jsonata.ts'

async function sentenceOf(source: string, text: string): Promise<string | undefined> {
  const expectation = await compileExpectation(source, '--expect')
  const miss = await expectation.missOf(contextOf(new Message('a', text)))
  JSON.stringify(miss?.seen)
  return miss?.sentence
}

describe('an expectation that does not hold', () => {
  test('shows a number beyond 2^53 digit by digit', async () => {
    expect(await sentenceOf('json.id = 9007199254740992', '{"id":9007199254740993}')).toBe(
      'expected json.id = 9007199254740992, but json.id is 9007199254740993',
    )
  })

  test('shows a function as a value that is not JSON', async () => {
    expect(await sentenceOf('($f := function($x){$x + 1}) = 0', '')).toBe(
      'expected ($f := function($x){$x + 1}) = 0, but ($f := function($x){$x + 1}) is "a value that is not JSON"',
    )
  })

  test('evaluates its parts only for a limited time', async () => {
    const slow = '$count($filter([1..40000], function($n){$n > 5})) = 1'
    const began = performance.now()
    await sentenceOf(`${slow} or ${slow} or ${slow}`, '')
    expect(performance.now() - began).toBeLessThan(20_000)
  })
})
