import {expect, it} from 'vitest'
import {errorJson, report} from '../../../../src/lib/cli/base/error-report.ts'
import {BusError} from '../../../../src/lib/core/errors.ts'

it('a failure as JSON has its kind, exit code, sentence and hints, and data if there is any', () => {
  const error = new BusError('timeout', 'too late', {try: ['-t 10s'], data: {received: 1}})
  expect(errorJson(error)).toEqual({
    error: {kind: 'timeout', exitCode: 6, message: 'too late', try: ['-t 10s'], data: {received: 1}},
  })
})

it('the first failure is reported if leaving a scope failed as well', () => {
  const first = new BusError('connect', 'the disk is full')
  const last = new SuppressedError(new Error('again'), new SuppressedError(new Error('also'), first))
  expect(errorJson(last)).toMatchObject({error: {kind: 'connect', message: 'the disk is full'}})
})

it('a bug as JSON has its stack', () => {
  expect(errorJson(new TypeError('oops'))).toMatchObject({
    error: {kind: 'bug', exitCode: 1, message: 'oops', stack: expect.stringContaining('report.test')},
  })
})

it('a broken pipe is an error, because code that writes to stdout handles a reader that is gone', () => {
  const error = Object.assign(new Error('write EPIPE'), {code: 'EPIPE', syscall: 'write'})
  expect(report(error, false)).toBe(1)
})
