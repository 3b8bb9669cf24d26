import assert from 'node:assert/strict'
import {BusError} from '../../../src/lib/core/errors.ts'
import {checkHeader, type Headers, Message, serviceFailure} from '../../../src/lib/core/message.ts'
import {parseRecord, recordWriter} from '../../../src/lib/core/record.ts'
import {errorHeaders, errorReply} from '../../../src/lib/transport/libbus/error-replies.ts'
import {headerText, isNoResponders, parseHeaders} from '../../../src/lib/transport/nats/headers.ts'
import {withServerSpelling} from '../../../src/lib/transport/shared/header-names.ts'
import {refused, type Target} from '../target.ts'

/** Headers from the wire, and the error replies that libbus uses instead. */
export const target: Target = {
  seeds: [
    'NATS/1.0\r\nA: 1\r\nA:  2 \r\n\r\n',
    'NATS/1.0 503 No Responders\r\nNats-Service-Error: x\r\nNats-Service-Error-Code: 500\r\n\r\n',
    'NATS/1.0 100 Idle Heartbeat\r\n: x\r\nno colon\r\n',
    'error: it broke',
    '{"error":"it \\x41 \\u00e9 \\U0001f41f \\n broke"}',
  ],
  words: [
    'NATS/1.0',
    '\r\n',
    ': ',
    ' 503',
    '\n',
    '\0',
    'Status',
    'error: ',
    '{"error":"',
    '"}',
    '\\U00110000',
    '\\xff',
  ],
  run(bytes) {
    const headers = parseHeaders(bytes)
    isNoResponders(bytes, bytes.length)
    for (const text of headers.flat()) assert.ok(!text.includes('\r\n'))
    const sound = headers.filter(([name, value]) => refused(() => checkHeader(name, value)))
    assert.deepEqual([...parseHeaders(Buffer.from(headerText(sound)))], withServerSpelling(sound))
    assertTold(sound)
    assertError(errorHeaders(bytes))
  },
}

function assertTold(headers: Headers): void {
  const message = new Message('a', '', headers)
  assert.deepEqual(parseRecord(recordWriter()(message)).headers ?? [], headers)
  const failure = serviceFailure(message, 'a')
  assert.ok(failure === undefined || failure instanceof BusError)
}

function assertError(headers: Headers | undefined): void {
  if (headers === undefined) return
  for (const [name, value] of headers) checkHeader(name, value)
  const reply = errorReply(headers)
  // A longer reply is data.
  if (reply !== undefined && reply.length <= 64 * 1024) assert.deepEqual(errorHeaders(reply), headers)
}
