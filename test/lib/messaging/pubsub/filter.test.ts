import {describe, expect, test} from 'vitest'
import {BusError} from '../../../../src/lib/core/errors.ts'
import {Message} from '../../../../src/lib/core/message.ts'
import {compileFilter, compileRegex, type FilterOptions} from '../../../../src/lib/messaging/pubsub/filter.ts'

const messages = [
  new Message('orders.created', '{"total":5}'),
  new Message('orders.paid', '{"total":50}', [['Trace', 'x']]),
  new Message('logs.app', 'ERROR: no disk'),
  new Message('logs.app', Uint8Array.of(0xff, 0x45)),
]

async function kept(options: FilterOptions, batch = messages): Promise<number[]> {
  const filter = await compileFilter(options)
  return [...((await filter?.(batch)) ?? [])].map((message) => batch.indexOf(message))
}

describe('a filter', () => {
  test('is undefined if all messages are kept', async () => {
    expect(await compileFilter({})).toBeUndefined()
    expect(await compileFilter({ignore: []})).toBeUndefined()
  })

  test.each<[FilterOptions, number[]]>([
    [{ignore: ['logs.>']}, [0, 1]],
    [{ignore: ['orders.created', '*.app']}, [1]],
    [{ignore: ['>']}, []],
    [{match: '^ERROR'}, [2]],
    [{match: '\\d{2}'}, [1]],
    [{match: 'E'}, [2, 3]],
    [{where: 'json.total > 10'}, [1]],
    [{where: 'headers.Trace'}, [1]],
    [{where: 'subject = "logs.app" and $not($exists(json))'}, [2, 3]],
    [{ignore: ['*.paid'], match: 'total', where: 'true'}, [0]],
    [{sample: 1}, [0, 1, 2, 3]],
    [{sample: 0}, []],
  ])('%j keeps %j', async (options, expected) => {
    expect(await kept(options)).toEqual(expected)
  })

  test('with sample keeps the given share', async () => {
    const rolls = [0.1, 0.3, 0.2, 0.9]
    expect(await kept({sample: 0.25, random: () => rolls.shift() ?? 1})).toEqual([0, 2])
  })

  test('needs no promise if no expression is evaluated', async () => {
    const filter = await compileFilter({ignore: ['logs.>'], match: 'total'})
    expect(filter?.(messages)).toBeInstanceOf(Array)
  })

  test('excludes messages on which its expression fails, and reports that once', async () => {
    const said: string[] = []
    const options = {where: '$length(json.total) > 0 or true', onFailure: (sentence: string) => said.push(sentence)}
    expect(await kept(options)).toEqual([2, 3])
    expect(said).toEqual([
      expect.stringMatching(/^--where .* fails on a message: .*\(on orders.created; such messages are skipped\)$/),
    ])
  })

  test('does not search a long pattern for its fault', async () => {
    const refused = compileRegex('(a+'.repeat(20_000), '--match')
    await expect(refused).rejects.toThrow(/Unterminated group$/)
    await expect(refused).rejects.not.toHaveProperty('data.position')
  })

  test.each([
    ['(b|a+)+$', 50],
    [`^${'(a|a)'.repeat(30)}$`, 30],
    ['(a+)+$', 100_000],
    ['(\\w+\\s?)+:$', 100_000],
  ])('decides by %s immediately', async (match, length) => {
    const filter = await compileFilter({match})
    const began = performance.now()
    expect(filter?.([new Message('logs.a', `${'a'.repeat(length)}!`)])).toEqual([])
    expect(performance.now() - began).toBeLessThan(20_000)
  })

  test.each<[FilterOptions, string]>([
    [{match: 'a(b'}, '--match /a(b/ is not a regular expression: Unterminated group at position 2'],
    [{where: 'json.a ='}, '--where "json.a =" is not JSONata: Unexpected end of expression at position 8'],
    [{ignore: ['a..b']}, 'subject "a..b" has an empty token at position 3'],
  ])('%j is refused with the position', async (options, sentence) => {
    const refused = compileFilter(options)
    await expect(refused).rejects.toThrow(BusError)
    await expect(refused).rejects.toThrow(sentence)
  })
})

describe('a regular expression', () => {
  test.each([
    ['a(b', 'Unterminated group at position 2'],
    ['(a(b)', 'Unterminated group at position 1'],
    ['a(b)c[d', 'Unterminated character class at position 6'],
    ['a)b', "Unmatched ')' at position 2"],
    ['a**', 'Nothing to repeat at position 3'],
    ['[z-a]', 'Range out of order in character class at position 4'],
    ['a\\', '\\ at end of pattern at position 2'],
    ['(', 'Unterminated group at position 1'],
  ])('%s is refused: %s', async (source, sentence) => {
    await expect(compileRegex(source, '--match')).rejects.toThrow(
      `--match /${source}/ is not a regular expression: ${sentence}`,
    )
  })

  test.each([
    ['a(?=b)', 'lookahead is not supported'],
    ['a(?!b)', 'lookahead is not supported'],
    ['(?<=a)b', 'lookbehind is not supported'],
    ['(?<!a)b', 'lookbehind is not supported'],
    ['(a)\\1', 'backreferences are not supported'],
    ['(?<n>a)\\k<n>', 'backreferences are not supported'],
    ['a{1001}', 'invalid repeat count: {1001}'],
    ['\\pL{999}'.repeat(50), 'it is too long or has too many repetitions'],
    [`[^x${'['.repeat(20_000)}]`, 'it is too long or has too many repetitions'],
  ])('%s is refused although JavaScript accepts it: %s', async (source, reason) => {
    await expect(compileRegex(source, '--match')).rejects.toMatchObject({
      kind: 'usage',
      message: `--match /${source}/ is not an RE2 regular expression: ${reason}`,
    })
  })

  test.each([
    ['(?i)error', 'an ERROR'],
    ['\\u00e9\\x41', 'éA'],
    ['\\\\u0041', '\\u0041'],
    ['a/b\\/c', 'a/b/c'],
    ['^(?<n>x)$', 'x'],
    ['', ''],
  ])('%s matches %j', async (source, text) => {
    expect((await compileRegex(source, '--match')).test(text)).toBe(true)
  })
})
