/** What the documentation of Loom RPC (internal/rpc) says, to the letter; its repository has no tests of it. */
import {expect, test} from 'vitest'
import {call} from '../../src/lib/protocols/loom-rpc/call.ts'
import {discover} from '../../src/lib/protocols/loom-rpc/discover.ts'
import {decodeRequest, decodeResponse, encodeRequest, err, ok} from '../../src/lib/protocols/loom-rpc/envelope.ts'
import {subject as subjectOf, wildcardSubject} from '../../src/lib/protocols/loom-rpc/names.ts'
import {register} from '../../src/lib/protocols/loom-rpc/serve.ts'
import {onEachBus, opened} from './buses.ts'

const method = {service: 'agent-coder', instance: 'inst1', method: 'task.assign'}
const subject = subjectOf(method)
const request = {method: 'task.assign', callerId: 'me', payload: '{"n":1}'}

test('Subject, WildcardSubject: the names of methods', () => {
  expect(subject).toBe('loom.rpc.agent-coder.inst1.task.assign')
  expect(wildcardSubject(method)).toBe('loom.rpc.agent-coder.*.task.assign')
})

test('Request, Response, OK, Err: the envelopes, byte for byte', () => {
  expect(encodeRequest(request)).toBe('{"method":"task.assign","caller_id":"me","payload":{"n":1}}')
  expect(encodeRequest({...request, payload: undefined, traceId: 't'})).toBe(
    '{"method":"task.assign","caller_id":"me","payload":null,"trace_id":"t"}',
  )
  expect([ok('{"n":1}'), ok(), err('no'), err('')]).toEqual([
    '{"ok":true,"payload":{"n":1}}',
    '{"ok":true,"payload":null}',
    '{"ok":false,"error":"no"}',
    '{"ok":false}',
  ])
  expect(decodeRequest(encodeRequest(request))).toEqual(request)
  expect(decodeResponse(ok('1'))).toEqual({kind: 'ok', payload: '1'})
  expect(decodeResponse(err('no'))).toEqual({kind: 'error', error: 'no'})
})

onEachBus(({fresh}) => {
  test('Register, Call: the handler gets the payload, and its result or its error is the answer', async () => {
    const url = await fresh()
    const [near, far] = [await opened(url), await opened(url)]
    await using _ = await register(far, subject, ({payload, callerId}) => {
      if (payload === 'null') throw new Error('no task')
      return JSON.stringify({payload, callerId})
    })
    const {payload} = await call(near, {subject, ...request})
    expect(JSON.parse(payload ?? '')).toEqual({payload: '{"n":1}', callerId: 'me'})
    await expect(call(near, {subject, ...request, payload: undefined})).rejects.toMatchObject({
      data: {error: 'no task'},
    })
  })

  test('a call to the wildcard subject reaches only handlers that registered it', async () => {
    const url = await fresh()
    const [near, far] = [await opened(url), await opened(url)]
    const all = wildcardSubject(method)
    await using _ = await register(far, subject, () => '"literal"')
    await expect(far.request({subject: subject.replace('inst1', 'inst2')}, {timeoutMs: 2000})).rejects.toMatchObject({
      kind: 'noResponders',
    })
    await using __ = await register(far, all, () => '"wild"')
    expect((await call(near, {subject: subject.replace('inst1', 'inst2'), ...request})).payload).toBe('"wild"')
    const found = await discover(near, {prefix: 'loom.rpc', idleMs: 500})
    expect(found.map((one) => one.subject).sort()).toEqual([all, subject].sort())
  })

  test('an answer that is too large, and a request that is no envelope, are answered with an error', async () => {
    const url = await fresh()
    const [near, far] = [await opened(url), await opened(url)]
    await using _ = await register(far, subject, ({payload}) =>
      payload === '{"n":1}' ? JSON.stringify('x'.repeat(80 * 1024 * 1024)) : '1',
    )
    await expect(call(near, {subject, ...request})).rejects.toMatchObject({
      data: {error: expect.stringMatching(/large/)},
    })
    expect((await near.request({subject, data: '{'})).text).toMatch(/^\{"ok":false,"error":"invalid request envelope: /)
    expect((await call(near, {subject, ...request, payload: '2'})).payload).toBe('1')
  })

  test('failures of a call have a code of their own', async () => {
    const url = await fresh()
    const [near, far] = [await opened(url), await opened(url)]
    const free = Promise.withResolvers<undefined>()
    await using _ = await register(far, subject, () => free.promise)
    const stop = new AbortController()
    const codeOf = (failing: Promise<unknown>) => failing.then(String, ({code}) => code)
    const failures = [
      call(near, {subject, ...request, timeoutMs: 50}),
      call(near, {...request, subject: 'loom.rpc.nobody.one.x'}),
      call(near, {...request, subject: 'loom..x'}),
      call(near, {subject, ...request, payload: JSON.stringify('x'.repeat(80 * 1024 * 1024))}),
      call(near, {subject, ...request, signal: stop.signal}),
    ].map(codeOf)
    stop.abort()
    const codes = await Promise.all(failures)
    free.resolve(undefined)
    expect(codes).toEqual(['timeout', 'noResponders', 'subject', 'tooLarge', 'interrupted'])
  })
})
