import {boolean, string as text} from '@oclif/core/flags'
import {parse} from '@oclif/core/parser'
import {describe, expect, it, test} from 'vitest'
import {commands} from '../../../../src/commands/index.ts'
import {type Grammar, parseArguments} from '../../../../src/lib/cli/base/arguments.ts'
import type {BusCommand} from '../../../../src/lib/cli/base/command.ts'
import {bodyFlags} from '../../../../src/lib/cli/flags/body.ts'
import {globalFlags} from '../../../../src/lib/cli/flags/global.ts'
import {argument} from '../../../../src/lib/cli/flags/kinds.ts'
import {pacingFlags} from '../../../../src/lib/cli/flags/pacing.ts'
import {BusError} from '../../../../src/lib/core/errors.ts'

const grammar: Grammar = {
  command: 'bus pub',
  flags: {
    ...globalFlags,
    count: pacingFlags.count,
    encoding: bodyFlags.encoding,
    header: bodyFlags.header,
    file: text({exclusive: ['size']}),
    size: text(),
    lines: boolean({dependsOn: ['file']}),
    with: boolean({allowNo: true}),
  },
  args: {subject: argument({required: true, description: 'where to'}), body: argument({})},
}

async function failure(...words: string[]): Promise<BusError> {
  const error = await parseArguments(words, grammar).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(BusError)
  return error as BusError
}

describe('a command line that is refused', () => {
  it.each([
    [[], 'SUBJECT is missing'],
    [['a', 'one', 'b c'], 'unexpected argument: b c'],
    [['a', '--bus'], '--bus needs a value'],
    [['a', '--encoding'], '--encoding needs one of base64, hex'],
    [['a', '--encoding', 'rot13'], '--encoding: "rot13" is not one of base64, hex'],
    [['a', '--bus', 'x', '-b', 'y'], '--bus was given more than once'],
    [['a', '--file', 'x', '--size', '5'], '--file and --size cannot be used together'],
    [['a', '--lines'], '--lines needs --file'],
    [['a', '--lines=1'], '--lines takes no value'],
    [['a', '-n'], '--count needs a value'],
    [['a', '-n', '0'], '--count: "0" is not a whole number of at least 1'],
    [['a', '-n', '1.5'], '--count: "1.5" is not a whole number of at least 1'],
    [['a', '-t', '5'], '--timeout: "5" is not a duration: it has no unit'],
    [['a', '-t', '-5s'], '--timeout: "-5s" is not a duration: it cannot be negative'],
    [['a', '-H', 'no colon'], '--header: header "no colon" must be "Name: value"'],
    [['a', '-H', 'a: b\nc: d'], '--header: the value of header "a" has a line break or NUL'],
  ])('%j fails with: %s', async (argv, sentence) => {
    const error = await failure(...argv)
    expect(error.message).toBe(sentence)
    expect(error.kind).toBe('usage')
    expect(error.try.at(-1)).toBe('bus pub --help')
  })

  it.each([
    ['--cuont=3', 'there is no flag --cuont', '--count'],
    ['--heders', 'there is no flag --heders', '--header'],
    ['-x', 'there is no flag -x', 'put -- before arguments that start with "-"'],
  ])('%s fails with "%s" and suggests %s', async (flag, sentence, hint) => {
    const error = await failure('a', flag)
    expect(error.message).toBe(sentence)
    expect(error.try[0]).toBe(hint)
  })
})

/** The values, or undefined if the command line is refused. */
async function values(parsing: Promise<{flags: unknown; args: unknown}>): Promise<unknown> {
  try {
    const {flags, args} = await parsing
    return {flags, args}
  } catch {
    return undefined
  }
}

/** Whether no argument is required, and the last one may be repeated. */
function isOptionalRest(args: Readonly<Record<string, {readonly required?: boolean; readonly multiple?: boolean}>>) {
  const all = Object.values(args)
  return all.at(-1)?.multiple === true && all.every(({required}) => required !== true)
}

/** The same numbers in every run. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return state % below
  }
}

describe('random command lines have the same result as with the parser of oclif', () => {
  test.each([...commands.keys()])('bus %s', async (id) => {
    const command = (await commands.get(id)?.())?.default as unknown as typeof BusCommand
    const flags = {...command.baseFlags, ...command.flags}
    const ownArgs = Object.entries(command.args).map(([name, arg]) => [name, {...arg, ignoreStdin: true}])
    const args = Object.fromEntries(ownArgs)
    const random = randomNumbers(id.length)
    const others = ['1', '5s', 'a.b', '', '-', '--', '-1', 'json', '--nope', '-n5', '-qn', '-xyz']
    const mentions = Object.entries(flags).flatMap(([name, {type, char, aliases = [], charAliases = []}]) => [
      ...[name, ...aliases].flatMap((long) => [`--${long}`, `--no-${long}`]),
      // oclif takes the value of a flag that has none as an argument.
      ...[name, ...aliases].flatMap((long) => (type === 'boolean' ? [] : [`--${long}=1`])),
      ...[char ?? [], charAliases].flat().flatMap((letter) => [`-${letter}`, `-${letter}1`, `-q${letter}`]),
    ])
    for (let n = 0; n < 400; n++) {
      const line = Array.from({length: random(7)}, () => {
        const from = random(2) > 0 ? mentions : others
        return from[random(from.length)] ?? ''
      })
        // oclif takes `--user=1` as the value of a flag before it.
        .filter((word, i, all) => !(word.includes('=') && all[i - 1]?.startsWith('-')))
      const expected = await values(parse([...line], {flags, args}))
      const ours = await values(parseArguments(line, {command: id, flags, args}))
      // oclif refuses every line of such a command.
      if (expected === undefined && isOptionalRest(args)) continue
      expect(ours, JSON.stringify(line)).toEqual(expected)
    }
  })
})
