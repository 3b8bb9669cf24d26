import {describe, expect, test} from 'vitest'
import {BusError, closedError, exitCodeOf, exitCodes, type FailureKind} from '../../../src/lib/core/errors.ts'

describe('exit codes', () => {
  test('are a contract of the command line, and are never renumbered', () => {
    expect(exitCodes).toEqual({
      bug: 1,
      usage: 2,
      connect: 3,
      denied: 4,
      notFound: 5,
      timeout: 6,
      noResponders: 7,
      remote: 8,
      expectation: 9,
      output: 10,
      interrupted: 130,
    })
  })

  test('exist for each kind of expected failure', () => {
    for (const [kind, code] of Object.entries(exitCodes)) {
      if (kind === 'bug') continue
      const error = new BusError(kind as FailureKind, 'a sentence')
      expect(error.exitCode, kind).toBe(code)
      expect(exitCodeOf(error), kind).toBe(code)
    }
  })

  test('are 1 for any other error', () => {
    for (const thrown of [new Error('a bug'), new TypeError('a bug'), 'text', undefined, null, {exitCode: 7}]) {
      expect(exitCodeOf(thrown)).toBe(1)
    }
  })
})

describe('a BusError', () => {
  test('has its sentence, hints, cause and data', () => {
    const cause = new Error('ENOENT')
    const error = new BusError('notFound', 'there is no file "x"', {try: ['ls'], cause, data: {path: 'x'}})
    expect(error).toBeInstanceOf(Error)
    expect(error.name).toBe('BusError')
    expect(error.message).toBe('there is no file "x"')
    expect(error.kind).toBe('notFound')
    expect(error.try).toEqual(['ls'])
    expect(error.cause).toBe(cause)
    expect(error.data).toEqual({path: 'x'})
  })

  test('has no cause and no hints by default', () => {
    const error = new BusError('usage', 'no')
    expect(error.try).toEqual([])
    expect('cause' in error).toBe(false)
    expect(error.data).toBeUndefined()
  })

  test('of a closed bus is a usage error that names the bus', () => {
    const error = closedError('memory:orders')
    expect(error.kind).toBe('usage')
    expect(error.message).toBe('the bus memory:orders is closed')
  })
})
