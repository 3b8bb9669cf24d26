import assert from 'node:assert/strict'
import {messageEnvironment} from '../../../src/lib/core/environment.ts'
import {Message, noHeaders, parseHeader} from '../../../src/lib/core/message.ts'
import {parseRecord, recordWriter} from '../../../src/lib/core/record.ts'
import {decode, utf8Text} from '../../../src/lib/core/text/encoding.ts'
import {splitLines} from '../../../src/lib/messaging/pubsub/lines.ts'
import {refused, refusedLater, type Target, textOf} from '../target.ts'

export const target: Target = {
  seeds: [
    '{"subject":"a.b","seq":7,"time":"2026-11-20T10:24:31.482193Z","reply":"_INBOX.1","headers":{"A":"1","B":["2","3"]},"json":{"n":1.10}}',
    '{"subject":"a","headers":[["A","1"],["__proto__","2"]],"text":"x"}',
    '{"subject":"a","base64":"/+8="}',
    '{"subject":"a","json":12345678901234567890}',
    '{"subject":"a","json":{"a":-0},"text":"{\\"a\\": -0}"}',
    'Name: value\nff 00\n--',
    '[[[[[[',
  ],
  words: [
    ...['{"subject":"a",', '"json":', '"text":', '"base64":"', '"headers":{', '"headers":[["', '"time":"', '"reply":'],
    ...['"__proto__":', '"1":', 'null', 'true', '1e400', '-0', '0.10', '\\u0000', '\\ud800', '\\r\\n', '[', '{"a":'],
  ],
  async run(bytes) {
    const text = textOf(bytes)
    const record = refused(() => parseRecord(text))
    if (record !== undefined) {
      const {subject, data = '', headers = noHeaders, reply, timeMs} = record
      assertSame(new Message(subject, data, headers, reply, undefined, timeMs ?? 0))
    }
    assertSame(new Message('a', bytes))
    assertSame(new Message('a', text))
    refused(() => parseHeader(text))
    for (const encoding of ['hex', 'base64'] as const) refused(() => decode(text, encoding, 'it'))
    await refusedLater(() => assertLines(bytes, text.slice(0, 1 + (bytes.length % 3)) || '\n'))
  },
}

function assertSame(message: Message): void {
  const line = recordWriter()(message)
  assert.ok(!line.includes('\n'))
  const again = parseRecord(line)
  assert.deepEqual(Buffer.from(asBytes(again.data ?? '')), Buffer.from(asBytes(message.payload)))
  assert.equal(again.subject, message.subject)
  assert.equal(again.reply, message.reply)
  assert.deepEqual(again.headers ?? [], message.headers)
  JSON.parse(recordWriter({headersOnly: true})(message))
  for (const [name, value] of Object.entries(messageEnvironment(message)))
    assert.ok(/^BUS_\w+$/.test(name) && !value?.includes('\0'), name)
}

async function assertLines(bytes: Uint8Array, delimiter: string): Promise<void> {
  const joined: Uint8Array[] = []
  const half = bytes.length >> 1
  const chunks = async function* () {
    yield bytes.slice(0, half)
    yield bytes.slice(half)
  }
  for await (const lines of splitLines(chunks(), {delimiter, longest: 2000}))
    for (const line of lines) joined.push(Buffer.from(asBytes(line)), Buffer.from(delimiter))
  const [whole, end] = [Buffer.concat(joined), Buffer.from(delimiter)]
  const isEnded = Buffer.from(bytes).subarray(-end.length).equals(end)
  if (utf8Text(bytes) !== undefined && !isEnded && bytes.length > 0)
    assert.deepEqual(whole.subarray(0, -end.length), Buffer.from(bytes))
}

function asBytes(payload: string | Uint8Array): Uint8Array {
  return typeof payload === 'string' ? Buffer.from(payload) : payload
}
