import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {decodeRequest, decodeResponse, encodeRequest, err, ok} from '../../../../src/lib/protocols/loom-rpc/envelope.ts'
import {parseSubject, subject, wildcardSubject} from '../../../../src/lib/protocols/loom-rpc/names.ts'

const json = fc.jsonValue({maxDepth: 4}).map((value) => JSON.stringify(value))

describe('a request', () => {
  test.each([
    [{method: 'ping', callerId: 'a', payload: undefined}, '{"method":"ping","caller_id":"a","payload":null}'],
    [
      {method: 'task.assign', callerId: 'a-1', payload: '{"id":7}', traceId: 't'},
      '{"method":"task.assign","caller_id":"a-1","payload":{"id":7},"trace_id":"t"}',
    ],
    [
      {method: '', callerId: '', payload: '[1.10,1e400]', traceId: ''},
      '{"method":"","caller_id":"","payload":[1.10,1e400]}',
    ],
  ])('is written with its members in order: %j', (request, envelope) => {
    expect(encodeRequest(request)).toBe(envelope)
  })

  test('is restored unchanged', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.string(),
        json,
        fc.option(fc.string({minLength: 1}), {nil: undefined}),
        (...parts) => {
          const [method, callerId, payload, traceId] = parts
          const request = {method, callerId, payload, ...(traceId !== undefined && {traceId})}
          const envelope = encodeRequest(request)
          expect(decodeRequest(envelope)).toEqual(request)
          expect(decodeRequest(Buffer.from(envelope))).toEqual(decodeRequest(envelope))
        },
      ),
    )
  })

  test('keeps numbers that JavaScript would round', () => {
    for (const payload of ['12345678901234567890', '{"a":1.10}', '[-0,1e400]']) {
      expect(decodeRequest(encodeRequest({method: 'm', callerId: 'c', payload}))).toMatchObject({payload})
    }
  })

  test.each([
    ['{}', {method: '', callerId: '', payload: undefined}],
    ['null', {method: '', callerId: '', payload: undefined}],
    ['{"METHOD":"m","Caller_Id":"c","PayLoad":1}', {method: 'm', callerId: 'c', payload: '1'}],
    ['{"payload":{"payload":1},"method":null}', {method: '', callerId: '', payload: '{"payload":1}'}],
    ['{"__proto__":{"method":"m"},"payload":{"__proto__":1}}', {method: '', callerId: '', payload: '{"__proto__":1}'}],
    [' {"payload" : [ 1 ] } ', {method: '', callerId: '', payload: '[1]'}],
  ])('of other implementations is read leniently: %s', (envelope, request) => {
    expect(decodeRequest(envelope)).toEqual(request)
  })

  test.each([
    ['', /JSON/],
    ['{"method":"m"', /JSON/],
    ['[]', 'a list, not an object'],
    ['"m"', 'a string, not an object'],
    ['{"method":7}', 'method is a number, not a string'],
    ['{"caller_id":{}}', 'caller_id is an object, not a string'],
    ['{"trace_id":[]}', 'trace_id is a list, not a string'],
    [Uint8Array.from([0xff]), /JSON/],
  ])('that is invalid is reported with the reason: %s', (envelope, reason) => {
    expect(decodeRequest(envelope)).toMatch(reason)
  })
})

describe('a response', () => {
  test('is written as by other implementations', () => {
    expect(ok()).toBe('{"ok":true,"payload":null}')
    expect(ok('{"a":1.10}')).toBe('{"ok":true,"payload":{"a":1.10}}')
    expect(err('no "such" task')).toBe('{"ok":false,"error":"no \\"such\\" task"}')
    expect(err('')).toBe('{"ok":false}')
  })

  test('is restored unchanged', () => {
    fc.assert(fc.property(json, (payload) => void expect(decodeResponse(ok(payload))).toEqual({kind: 'ok', payload})))
    fc.assert(
      fc.property(fc.string(), (error) => void expect(decodeResponse(err(error))).toEqual({kind: 'error', error})),
    )
  })

  test.each([
    ['{"ok":true}', {kind: 'ok', payload: undefined}],
    ['{"ok":true,"payload":12345678901234567890}', {kind: 'ok', payload: '12345678901234567890'}],
    ['{"payload":[1],"ok":true}', {kind: 'ok', payload: '[1]'}],
    ['{"OK":true,"Payload":1}', {kind: 'ok', payload: '1'}],
    ['{"ok":true,"payload":1,"error":""}', {kind: 'ok', payload: '1'}],
    ['{"ok":true,"payload":1.0,"error":""}', {kind: 'ok', payload: '1.0'}],
    ['{"ok":false,"error":"x","payload":1}', {kind: 'error', error: 'x'}],
    ['{"ok":false}', {kind: 'error', error: ''}],
    ['{"error":"x"}', {kind: 'error', error: 'x'}],
    ['{}', {kind: 'error', error: ''}],
    ['{"stream":"LOOM","seq":12}', {kind: 'captured', stream: 'LOOM', seq: 12}],
    ['{"stream":"LOOM","seq":12,"domain":"hub"}', {kind: 'captured', stream: 'LOOM', seq: 12}],
    ['{"ok":true,"stream":"LOOM","seq":12}', {kind: 'ok', payload: undefined}],
    ['{"ok":false,"stream":"LOOM","seq":12}', {kind: 'error', error: ''}],
    ['{"stream":"LOOM","seq":"12"}', {kind: 'error', error: ''}],
  ])('is recognised: %s', (envelope, means) => {
    expect(decodeResponse(envelope)).toEqual(means)
    expect(decodeResponse(Buffer.from(envelope))).toEqual(means)
  })

  test.each(['', '{"ok":true', '{"ok":true,"payload":}', '[]', '{"ok":"yes"}', '{"ok":1}', '{"error":{}}', 'OK'])(
    'is invalid: %s',
    (envelope) => {
      expect(decodeResponse(envelope)).toMatchObject({kind: 'bad', reason: expect.stringMatching(/./)})
    },
  )

  test('may be nested deep or huge, and never makes decoding throw', () => {
    const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`
    expect(['ok', 'bad']).toContain(decodeResponse(ok(deep)).kind)
    decodeResponse(`{"payload":${deep},"ok":true}`)
    decodeRequest(`{"payload":${deep}}`)
    const large = JSON.stringify('x'.repeat(8 * 1024 * 1024))
    expect(decodeResponse(ok(large))).toEqual({kind: 'ok', payload: large})
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void [decodeRequest(bytes), decodeResponse(bytes)]))
    fc.assert(fc.property(fc.json(), (text) => void [decodeRequest(text), decodeResponse(text)]))
  })
})

describe('the subject of a method', () => {
  test('has prefix, service, instance and method, which may have dots', () => {
    const method = {service: 'agent-coder', instance: 'inst1', method: 'task.assign'}
    expect(subject(method)).toBe('loom.rpc.agent-coder.inst1.task.assign')
    expect(subject(method, 'my.rpc')).toBe('my.rpc.agent-coder.inst1.task.assign')
    expect(wildcardSubject(method)).toBe('loom.rpc.agent-coder.*.task.assign')
    expect(parseSubject('loom.rpc.agent-coder.inst1.task.assign')).toEqual(method)
    expect(parseSubject('loom.rpc.agent-coder.*.task.assign')).toEqual({...method, instance: '*'})
  })

  test('is distinguished from other subjects', () => {
    for (const text of [
      'loom.rpc',
      'loom.rpc.a',
      'loom.rpc.a.b',
      'loom.rpcs.a.b.c',
      'other.a.b.c',
      'loom.rpc..b.c',
      '',
    ]) {
      expect(parseSubject(text)).toBeUndefined()
    }
  })

  test.each([
    [{service: 'a.b', instance: 'i', method: 'm'}],
    [{service: 'a', instance: '*', method: 'm'}],
    [{service: 'a', instance: '', method: 'm'}],
    [{service: '>', instance: 'i', method: 'm'}],
    [{service: 'a', instance: 'i', method: 'm..x'}],
    [{service: 'a', instance: 'i', method: 'm.*'}],
    [{service: 'a b', instance: 'i', method: 'm'}],
  ])('is refused for %j', (method) => {
    expect(() => subject(method)).toThrow()
    if (method.instance === 'i') expect(() => wildcardSubject(method)).toThrow()
  })
})
