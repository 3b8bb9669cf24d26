import {describe, expect, test} from 'vitest'
import {type Headers, Message, noHeaders, serviceError} from '../../../../src/lib/core/message.ts'
import {errorHeaders, errorReply} from '../../../../src/lib/transport/libbus/error-replies.ts'

function errorIn(payload: string | Uint8Array): string | undefined {
  return serviceError(new Message('x', payload, errorHeaders(payload) ?? noHeaders))?.text
}

describe('an error reply', () => {
  test.each([
    ['error: handler failed', 'handler failed'],
    ['error: handler panic: boom', 'handler panic: boom'],
    ['error: ', ''],
    ['error: two\nlines\0', 'two lines '],
    ['{"error":"no such tool"}', 'no such tool'],
    ['{"error":"no such tool"}\n', 'no such tool'],
    ['{"error":""}', ''],
    // In Go's quoting, which is not JSON.
    [
      String.raw`{"error":"bell \a, vt \v, del \x7f, byte \xff, \u00ad, \U0001f41f"}`,
      'bell \x07, vt \v, del \x7f, byte \ufffd, \xad, 🐟',
    ],
    [String.raw`{"error":"\"quoted\" \\ tab \t grüße 🐟"}`, '"quoted" \\ tab \t grüße 🐟'],
    [String.raw`{"error":"\ud83d\udc1f \/ \Uffffffff"}`, '🐟 / \ufffd'],
  ])('is %j', (payload, text) => {
    expect(errorIn(payload)).toBe(text)
    expect(errorIn(Buffer.from(payload))).toBe(text)
  })

  test.each([
    ['', 'error', 'error:', 'error:no space', ' error: x', 'Error: x', '{"error":null}', '{"error":5}', '{}'],
    [
      '{"error":"a","code":1}',
      '{"error": "spaced"}',
      '{"error":"open',
      String.raw`{"error":"open\"}`,
      '[{"error":"x"}]',
    ],
    ['{"__proto__":{"error":"x"}}', `error: ${'x'.repeat(70_000)}`],
  ])('is not %j, %j, %j, …', (...payloads) => {
    for (const payload of payloads) expect(errorIn(payload), payload).toBeUndefined()
  })

  test('is not data that is not text', () => {
    expect(errorIn(Uint8Array.from({length: 64}, (_, i) => 255 - i))).toBeUndefined()
  })

  test('is made from service error headers, and read back unchanged', () => {
    const of = (...headers: Headers) => errorReply(headers)
    expect(of(['Nats-Service-Error', 'no such order'], ['Nats-Service-Error-Code', '404'])).toBe(
      '{"error":"no such order"}',
    )
    expect(of(['nats-service-error-code', '500'])).toBe('{"error":"500"}')
    expect(of(['Trace', 'x'])).toBeUndefined()
    for (const text of ['grüße 🐟', '"', '\\', '\x07\x7f\u2028']) {
      expect(errorIn(of(['Nats-Service-Error', text]) ?? '')).toBe(text)
    }
  })
})
