import {randomUUID} from 'node:crypto'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {BusError} from '../../../../src/lib/core/errors.ts'
import {ask, type Question} from '../../../../src/lib/messaging/pubsub/request.ts'
import type {Transport} from '../../../../src/lib/transport/contract.ts'
import {openMemory} from '../../../../src/lib/transport/memory/driver.ts'

let bus: Transport
beforeEach(() => {
  bus = openMemory(`memory:${randomUUID()}`)
})
afterEach(() => bus.close())

/** Answers every request with these payloads. */
async function answerWith(...payloads: string[]): Promise<void> {
  const requests = await bus.subscribe('svc')
  void (async () => {
    for await (const {reply = ''} of requests) for (const data of payloads) bus.publish({subject: reply, data})
  })()
}

async function answersTo(question: Partial<Question>): Promise<{texts: string[]; error: BusError | undefined}> {
  const texts: string[] = []
  try {
    for await (const {message, ms} of ask(bus, {message: {subject: 'svc'}, timeoutMs: 5000, ...question})) {
      expect(ms).toBeGreaterThan(0)
      texts.push(message.text)
    }
  } catch (error) {
    if (!(error instanceof BusError)) throw error
    return {texts, error}
  }
  return {texts, error: undefined}
}

test('a request returns its first reply', async () => {
  await answerWith('one', 'two')
  expect(await answersTo({})).toEqual({texts: ['one'], error: undefined})
})

test('a request that nobody serves fails immediately, even if many replies are wanted', async () => {
  expect((await answersTo({})).error?.kind).toBe('noResponders')
  expect((await answersTo({replies: 2})).error?.kind).toBe('noResponders')
})

test('a request without a reply in time is a timeout', async () => {
  await answerWith()
  expect((await answersTo({timeoutMs: 20})).error?.kind).toBe('timeout')
  expect((await answersTo({timeoutMs: 20, idleMs: 10})).error?.message).toMatch(
    /^no reply within 20 ms on "svc" from memory:/,
  )
})

test('a request for several replies ends after the given number', async () => {
  await answerWith('one', 'two', 'three')
  expect(await answersTo({replies: 2})).toEqual({texts: ['one', 'two'], error: undefined})
})

test('a request for several replies returns fewer, then times out', async () => {
  await answerWith('one', 'two')
  const {texts, error} = await answersTo({replies: 3, timeoutMs: 30})
  expect(texts).toEqual(['one', 'two'])
  expect(error).toMatchObject({kind: 'timeout', data: {replies: 2}})
  expect(error?.message).toMatch(/^only 2 of 3 replies arrived in time on "svc"/)
})

test('a request for several replies ends after a pause', async () => {
  await answerWith('one', 'two')
  expect(await answersTo({idleMs: 30})).toEqual({texts: ['one', 'two'], error: undefined})
})

test('a request for several replies times out if the pause comes before the given number', async () => {
  await answerWith('one')
  expect((await answersTo({idleMs: 30, replies: 2})).error?.kind).toBe('timeout')
})

test('a request for several replies ends at an empty reply, which is not returned', async () => {
  await answerWith('one', '', 'two')
  expect(await answersTo({untilEmpty: true})).toEqual({texts: ['one'], error: undefined})
  expect((await answersTo({untilEmpty: true, replies: 2})).error?.message).toMatch(/^only 1 of 2/)
})

test('an empty reply alone is a complete answer', async () => {
  await answerWith('')
  expect(await answersTo({untilEmpty: true})).toEqual({texts: [], error: undefined})
  expect(await answersTo({})).toEqual({texts: [''], error: undefined})
})

test('a missing empty reply is a timeout, unless a pause may end it too', async () => {
  await answerWith('one')
  const {texts, error} = await answersTo({untilEmpty: true, timeoutMs: 30})
  expect(texts).toEqual(['one'])
  expect(error?.message).toMatch(/^no empty reply within 30 ms .*, only 1 with a payload$/)
  expect(await answersTo({untilEmpty: true, idleMs: 20})).toEqual({texts: ['one'], error: undefined})
})

test('an abort ends the wait for replies', async () => {
  await answerWith()
  expect((await answersTo({signal: AbortSignal.timeout(10)})).error?.kind).toBe('interrupted')
  expect((await answersTo({signal: AbortSignal.abort(), replies: 2})).error?.kind).toBe('interrupted')
})
