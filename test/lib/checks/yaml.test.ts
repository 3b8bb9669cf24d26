import {describe, expect, test} from 'vitest'
import {parseYaml} from '../../../src/lib/checks/yaml.ts'

function lines(count: number, line: (at: number) => string): string {
  return Array.from({length: count}, (_, at) => line(at)).join('\n')
}

function sentenceOf(text: string): string | undefined {
  return parseYaml(text).faults[0]?.sentence
}

describe('YAML', () => {
  test('keeps merge keys, aliases and their positions', () => {
    const {value, faults, at} = parseYaml('a: &a {x: 1}\nb:\n  <<: *a\n  y: 2\nc: *a')
    expect(faults).toEqual([])
    expect(value).toEqual({a: {x: 1}, b: {x: 1, y: 2}, c: {x: 1}})
    expect(at(['c', 'x'])).toEqual({line: 1, column: 11})
  })

  test('treats a member called __proto__ like any other', () => {
    const {value} = parseYaml('a:\n  __proto__: {polluted: 1}\n  constructor: 2')
    expect(Object.keys((value as {a: object}).a)).toEqual(['__proto__', 'constructor'])
    expect(({} as {polluted?: unknown}).polluted).toBeUndefined()
  })

  test('names each repeated key', () => {
    const {faults} = parseYaml('a: 1\nb: {c: 1, c: 2}\na: 2')
    expect(faults.map(({line, column, sentence}) => `${line}:${column} ${sentence}`)).toEqual([
      '3:1 map keys must be unique',
      '2:11 map keys must be unique',
    ])
  })

  test.each<[string, string, string]>([
    ['five megabytes', `a: ${'x'.repeat(5_000_000)}`, 'it is too long: more than 4 MiB or 500000 tokens'],
    ['a million values', `[${'1,'.repeat(1_000_000)}1]`, 'it is too long: more than 4 MiB or 500000 tokens'],
    ['a million levels', '['.repeat(1_000_000), 'it is too long: more than 4 MiB or 500000 tokens'],
    ['ten thousand levels', '['.repeat(10_000) + ']'.repeat(10_000), 'it is nested more than 100 levels deep'],
    ['levels by indentation', lines(1500, (at) => `${' '.repeat(at)}a:`), 'it is nested more than 100 levels deep'],
    [
      'twenty thousand aliases',
      `a:\n${lines(20_000, (at) => `  - &x${at} ${at}`)}\nb:\n${lines(20_000, (at) => `  - *x${at}`)}`,
      'it has too many aliases for its length',
    ],
    ['merges', `a: &a {x: 1}\n${lines(20_000, (at) => `m${at}:\n  <<: *a`)}`, 'it has too many aliases for its length'],
    [
      'a billion laughs',
      `a: &a [x,x,x,x,x,x,x,x,x]\n${'b c d e f g h i'
        .split(' ')
        .map((name, at) => `${name}: &${name} [${Array(9).fill(`*${'a b c d e f g h'.split(' ')[at]}`)}]`)
        .join('\n')}`,
      'excessive alias count indicates a resource exhaustion attack',
    ],
    [
      'a long number',
      `a: ${'1'.repeat(1_000_000)}`,
      `the number ${'1'.repeat(40)} would be rounded; write it in an expression, or in quotes as a string`,
    ],
    [
      'aliases in keys',
      `? &a0 [x, y]\n: 1\n${lines(200, (at) => `? &a${at + 1} [*a${at}, *a${at}]\n: 1`)}`,
      'excessive alias count indicates a resource exhaustion attack',
    ],
    ['an alias within its anchor', 'a: &a [*a]', 'it is nested more than 100 levels deep'],
  ])('refuses %s within seconds', (_name, text, sentence) => {
    const began = performance.now()
    expect(sentenceOf(text)).toBe(sentence)
    expect(performance.now() - began).toBeLessThan(20_000)
  })

  test.each<[string, string]>([
    ['twenty thousand keys', lines(20_000, (at) => `k${at}: 1`)],
    ['a list of as many values as may be', '- 1\n'.repeat(90_000)],
    ['a long text', `a: |\n${'  x\n'.repeat(100_000)}`],
  ])('reads %s within seconds', (_name, text) => {
    const began = performance.now()
    expect(parseYaml(text).faults).toEqual([])
    expect(performance.now() - began).toBeLessThan(20_000)
  })
})
