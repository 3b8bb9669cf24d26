import assert from 'node:assert/strict'
import {Message} from '../../../src/lib/core/message.ts'
import {seenIn} from '../../../src/lib/protocols/loom-rpc/discover.ts'
import {decodeRequest, decodeResponse, encodeRequest, err, ok} from '../../../src/lib/protocols/loom-rpc/envelope.ts'
import {defaultPrefix, parseSubject, subject, wildcardSubject} from '../../../src/lib/protocols/loom-rpc/names.ts'
import {partsOf, refused, type Target, textOf} from '../target.ts'

export const target: Target = {
  seeds: [
    '{"method":"get","caller_id":"c","payload":{"n":12345678901234567890},"trace_id":"t"}',
    '{"ok":true,"payload":{"a":[1.10,-0]}}',
    '{"OK":false,"error":"no"}',
    '{"stream":"LOOM","seq":12}',
    'loom.rpc.orders.i1.get.all\norders\nget',
  ],
  words: [
    ...['{"ok":true,"payload":', '"method":"', '"caller_id":', '"payload":', '"trace_id":', '"error":"', '"Payload":'],
    ...['null', '[', '{"a":', '1e400', '1.10', '"stream":"', '"seq":', 'loom.rpc.', '"__proto__":', '\\u0000', '}'],
  ],
  run(bytes) {
    const text = textOf(bytes)
    for (const envelope of [bytes, text]) {
      const request = decodeRequest(envelope)
      if (typeof request === 'string') assert.notEqual(request, '')
      else assert.deepEqual(decodeRequest(encodeRequest(request)), {...request, payload: request.payload ?? 'null'})
      assertResponse(envelope)
    }
    const [service = '', instance = '', method = ''] = partsOf(bytes, 3)
    refused(() => wildcardSubject({service, method}))
    const made = refused(() => subject({service, instance, method}))
    if (made !== undefined) assert.deepEqual(parseSubject(made), {service, instance, method})
    seenIn(new Message(service, ''), defaultPrefix)
  },
}

function assertResponse(envelope: Uint8Array | string): void {
  const response = decodeResponse(envelope)
  if (response.kind === 'bad') assert.notEqual(response.reason, '')
  if (response.kind === 'error') assert.deepEqual(decodeResponse(err(response.error)), response)
  if (response.kind !== 'ok') return
  const {payload} = response
  if (payload !== undefined) JSON.parse(payload)
  assert.deepEqual(decodeResponse(ok(payload)), {kind: 'ok', payload: payload ?? 'null'})
}
