import assert from 'node:assert/strict'
import {humanView} from '../../../src/lib/cli/render/human.ts'
import {printable, printableJson, printableLines} from '../../../src/lib/cli/render/printable.ts'
import {Message} from '../../../src/lib/core/message.ts'
import {recordWriter} from '../../../src/lib/core/record.ts'
import {withoutSecrets} from '../../../src/lib/core/secrets.ts'
import {partsOf, type Target, textOf} from '../target.ts'

// biome-ignore lint/suspicious/noControlCharactersInRegex: what a terminal obeys
const hostile = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/

/** Untrusted text as shown on a terminal: a subject, a header and a payload. */
export const target: Target = {
  seeds: ['a.b\nA: 1\nhello', 'a\x1b[2J\nX: \x9b31m\n\x07\r\x08', 'a\n\n{"a":[1,{"b":"\u202e"}]}', '\n\n\xff\xfe'],
  words: [
    '\x1b[',
    '\x1b]0;',
    '\x07',
    '\r',
    '\b',
    '\u009b',
    '\u202e',
    '\u2066',
    '\u2028',
    '\ufeff',
    '{"a":',
    '[',
    '\n',
    '\t',
    '"',
    '\\',
  ],
  run(bytes) {
    const [subject = '', header = '', body = ''] = partsOf(bytes, 3)
    for (const payload of [body, bytes]) {
      const message = new Message(subject, payload, [[header, body]], header, 1, 0)
      for (const stored of [false, true]) {
        const view = humanView({stored})
        const pair = {request: message, reply: message, ms: 1, again: false}
        for (const text of [view.message(message, 1), view.content(message), view.exchange(pair, 1)]) {
          assert.doesNotMatch(text.replaceAll('\t', ''), hostile)
          assert.ok(text.endsWith('\n'))
        }
      }
      const line = printableJson(recordWriter()(message))
      assert.doesNotMatch(line, /\n/)
      assert.doesNotMatch(line, hostile)
      assert.deepEqual(JSON.parse(line), JSON.parse(recordWriter()(message)))
    }
    const text = textOf(bytes)
    assert.doesNotMatch(printable(text), hostile)
    assert.ok(!printable(text).includes('\n'))
    assert.doesNotMatch(printableLines(text).replaceAll('\t', ''), hostile)
    withoutSecrets(text)
  },
}
