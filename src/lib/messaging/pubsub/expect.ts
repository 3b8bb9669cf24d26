/**
 * Expectations about replies. An expression sees the first reply as any expression sees a message, plus `ms`, `status` (`ok`,
 * or `error` for a service error), `error` (its code and text) and `messages`: all replies.
 */

import {BusError} from '../../core/errors.ts'
import {compileExpectation, type Expectation, type Miss} from '../../core/expectation.ts'
import {serviceError, serviceFailure} from '../../core/message.ts'
import {roundedMs} from '../../core/record.ts'
import {contextOf} from '../../core/text/jsonata.ts'
import type {TimedReply} from './request.ts'

const flag = '--expect'

/** Judges the replies to one request: rejects if they are wrong. */
export type Judge = (answers: readonly TimedReply[]) => Promise<void>

/**
 * Compiles a judge of the replies on `subject`. It fails with `expectation` if an expression does not hold, and with `remote`
 * for a service error, unless an expression uses `status` or `error`. Compiling fails with `usage`.
 */
export async function compileExpectations(sources: readonly string[], subject: string): Promise<Judge> {
  const expectations: Expectation[] = []
  for (const source of sources) expectations.push(await compileExpectation(source, flag))
  return async (answers) => {
    const misses: Miss[] = []
    let asked = false
    const context = resultContext(answers, () => {
      asked = true
    })
    for (const expectation of expectations) {
      const miss = await expectation.missOf(context)
      if (miss !== undefined) misses.push(miss)
    }
    const failure = answers.map(({message}) => serviceFailure(message, subject)).find((error) => error !== undefined)
    if (failure !== undefined && !asked) throw failure
    if (misses.length > 0) throw missed(misses, subject)
  }
}

/** What an expectation sees. `onStatus` is called when it uses `status`. */
function resultContext(answers: readonly TimedReply[], onStatus: () => void): object {
  const messages = answers.map((answer) => replyContext(answer, onStatus))
  const first = answers[0]
  return Object.assign(first === undefined ? {} : replyContext(first, onStatus), {messages})
}

function replyContext({message, ms}: TimedReply, onStatus: () => void): object {
  const error = serviceError(message)
  const told = <T>(value: T) => ({
    enumerable: true,
    get: () => {
      onStatus()
      return value
    },
  })
  return Object.defineProperties(Object.assign(contextOf(message), {ms: roundedMs(ms)}), {
    status: told(error === undefined ? 'ok' : 'error'),
    error: told(error),
  })
}

function missed(misses: readonly Miss[], subject: string): BusError {
  const sentence = `the reply on "${subject}" is wrong: ${misses.map((miss) => miss.sentence).join('; ')}`
  return new BusError('expectation', sentence, {
    data: {expectations: misses.map(({expression, seen}) => ({expression, seen}))},
  })
}
