import {describe, expect, it} from 'vitest'
import {isTerminal, wantsColour} from '../../../../src/lib/cli/io/terminal.ts'

describe('colour', () => {
  it.each([
    [{FORCE_COLOR: '1'}, false, true],
    [{FORCE_COLOR: ''}, false, true],
    [{FORCE_COLOR: '0'}, false, false],
    [{FORCE_COLOR: '1', NO_COLOR: '1'}, false, false],
    [{FORCE_COLOR: '1'}, true, false],
    [{NO_COLOR: '1'}, false, false],
  ])('with %j and --no-color %j is %j', (env, noColour, colour) => {
    expect(wantsColour(1, noColour, env)).toBe(colour)
  })
})

it('a file descriptor that is not open is not a terminal', () => {
  expect(isTerminal(987)).toBe(false)
})
