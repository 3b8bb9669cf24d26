import {string} from '@oclif/core/args'
import {boolean, string as text} from '@oclif/core/flags'
import {parse} from '@oclif/core/parser'
import {describe, expect, it} from 'vitest'
import {usageError} from '../../../../src/lib/cli/base/usage-errors.ts'
import {bodyFlags} from '../../../../src/lib/cli/flags/body.ts'
import {globalFlags} from '../../../../src/lib/cli/flags/global.ts'
import {pacingFlags} from '../../../../src/lib/cli/flags/pacing.ts'
import {BusError} from '../../../../src/lib/core/errors.ts'

const flags = {
  ...globalFlags,
  count: pacingFlags.count,
  encoding: bodyFlags.encoding,
  header: bodyFlags.header,
  file: text({exclusive: ['size']}),
  size: text(),
  lines: boolean({dependsOn: ['file']}),
  all: boolean({exactlyOne: ['all', 'some']}),
  some: boolean({exactlyOne: ['all', 'some']}),
}
const args = {
  subject: string({required: true, ignoreStdin: true, description: 'where to'}),
  body: string({ignoreStdin: true, options: ['one', 'two']}),
}

/** The failure for the words of a command line. */
async function failure(...argv: string[]): Promise<BusError> {
  try {
    await parse(argv, {flags, args})
  } catch (error) {
    const names = Object.keys(flags)
    const usage = usageError(error, {command: 'bus pub', flags: names})
    expect(usage).toBeInstanceOf(BusError)
    return usage as BusError
  }
  throw new Error('this was meant to fail')
}

describe('a command line that oclif refuses', () => {
  it.each([
    [['--all'], 'SUBJECT is missing'],
    [['--all', 'a', 'one', 'b c'], 'unexpected argument: b c'],
    [['--all', 'a', 'three'], '"three" is not one of one, two'],
    [['--all', 'a', '--bus'], '--bus needs a value'],
    [['--all', 'a', '--encoding'], '--encoding needs one of base64, hex'],
    [['--all', 'a', '--encoding', 'rot13'], '--encoding: "rot13" is not one of base64, hex'],
    [['--all', 'a', '--bus', 'x', '-b', 'y'], '--bus was given more than once'],
    [['--all', 'a', '--file', 'x', '--size', '5'], '--file and --size cannot be used together'],
    [['--all', 'a', '--lines'], '--lines needs --file'],
    [['a'], 'one of --all, --some is needed'],
    [['--all', 'a', '-n', '0'], '--count: "0" is not a whole number of at least 1'],
    [['--all', 'a', '-n', '1.5'], '--count: "1.5" is not a whole number of at least 1'],
    [['--all', 'a', '-t', '5'], '--timeout: "5" is not a duration: it has no unit'],
    [['--all', 'a', '-t', '-5s'], '--timeout: "-5s" is not a duration: it cannot be negative'],
    [['--all', 'a', '-H', 'no colon'], '--header: header "no colon" must be "Name: value"'],
    [['--all', 'a', '-H', 'a: b\nc: d'], '--header: the value of header "a" has a line break or NUL'],
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
    const error = await failure('--all', 'a', flag)
    expect(error.message).toBe(sentence)
    expect(error.try[0]).toBe(hint)
  })
})

describe('an error that does not come from the parser', () => {
  it('remains a bug', () => {
    const bug = new TypeError('x is not a function')
    expect(usageError(bug, {command: 'bus pub', flags: []})).toBe(bug)
  })
})
