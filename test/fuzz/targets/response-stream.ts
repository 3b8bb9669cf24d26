import assert from 'node:assert/strict'
import {checkSubject} from '../../../src/lib/core/subject.ts'
import {
  decodeOpenRequest,
  encodeOpenRequest,
  heartbeatSubject,
  type ReadRequest,
} from '../../../src/lib/protocols/response-streams/dialects.ts'
import {decodeFrame, encodeClose, encodeData, mostData} from '../../../src/lib/protocols/response-streams/frames.ts'
import {type Target, textOf} from '../target.ts'

/** Frames, and requests in both dialects. */
export const target: Target = {
  seeds: [
    '{"type":1,"data":"aGVsbG8="}',
    '{"type":1}',
    '{"Type":2,"closeerror":{"code":1000,"text":"x"}}',
    '{"type":2,"closeError":{"Code":1011,"Text":"\\u0000"}}',
    '{"consumerId":"_SINBOX.a.","streamId":"t","heartBeatRequestSub":"_HEARTBEAT._SINBOX.a","body":"e30="}',
    'null',
  ],
  words: [
    ...[
      '{"type":1,"data":"',
      '"}',
      '{"type":2,',
      '"closeError":{',
      '"Code":',
      '"Text":',
      'null',
      '1e99',
      '-1',
      '=',
      '\\n',
    ],
    ...['"consumerId":"', '"streamId":"', '"heartBeatRequestSub":"', '"body":"', '_SINBOX.', '"__proto__":{'],
  ],
  run(bytes) {
    const text = textOf(bytes)
    for (const payload of [bytes, text]) {
      const frame = decodeFrame(payload)
      if (frame.kind === 'data') assertData(frame.data)
      if (frame.kind === 'close') {
        const {code, text} = frame.close
        assert.deepEqual(decodeFrame(encodeClose(frame.close)), {kind: 'close', close: {code, text}})
      }
      assertData(payload)
      assertRequest(payload)
    }
  },
}

function assertData(data: Uint8Array | string): void {
  const back = decodeFrame(Buffer.from(encodeData(data)))
  assert.ok(back.kind === 'data' && Buffer.from(back.data).equals(Buffer.from(data)))
  assert.ok(mostData(encodeData(data).length) >= Buffer.byteLength(data) - 2)
}

function assertRequest(payload: Uint8Array | string): void {
  const read = decodeOpenRequest(payload)
  if (typeof read === 'string') assert.notEqual(read, '')
  else if (read.dialect === 'first') assert.equal(read.body, payload)
  else assertLater(read)
}

function assertLater({consumer, body}: ReadRequest): void {
  const {inbox = '', token = ''} = consumer ?? {}
  const again = decodeOpenRequest(encodeOpenRequest('later', {inbox, token, body}))
  // An inbox that is no part of a subject has no valid subject for heartbeats either.
  if (typeof again === 'string') {
    assert.throws(() => checkSubject(heartbeatSubject(inbox)))
    return
  }
  assert.ok(again.consumer?.inbox === inbox && again.consumer.token === token)
  assert.ok(Buffer.from(again.body).equals(Buffer.from(body)))
}
