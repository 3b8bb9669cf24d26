import {describe, expect, test} from 'vitest'
import {compileFormat, unescapeText} from '../../../../src/lib/cli/render/template.ts'
import {BusError} from '../../../../src/lib/core/errors.ts'
import {Message} from '../../../../src/lib/core/message.ts'

const message = new Message(
  'orders.created',
  '{"user": {"id": 12345678901234567890, "name": "Ann"}, "price": 1.10, "tags": ["a", "b"], "none": null}',
  [
    ['Trace', 'x1'],
    ['X.Y', 'z'],
  ],
  '_INBOX.1',
  42,
  Date.UTC(2026, 10, 20, 12) + 0.5,
)

function filled(template: string, over = message): string {
  return compileFormat(template)(over, 3)
}

describe('a format', () => {
  test.each([
    ['{time}', '2026-11-20T12:00:00.000500Z'],
    ['{unix}', '1795176000.000500'],
    ['{subject} {reply} {seq} {n}', 'orders.created _INBOX.1 42 3'],
    ['{bytes}', String(message.text.length)],
    ['{text}', message.text],
    ['{base64}', Buffer.from(message.text).toString('base64')],
    ['{json}', message.text.replace(/(?<=[:,]) /g, '')],
    ['{json.user.id} {json.user.name}', '12345678901234567890 Ann'],
    ['{json.price} {json.none}', '1.10 null'],
    ['{json.tags[1]} {json.tags.0} {json.tags}', 'b a ["a","b"]'],
    ['{headers.Trace} {headers.trace} {headers.X.Y}', 'x1 x1 z'],
    ['{headers}', '{"Trace":"x1","X.Y":"z"}'],
    ['a\\tb\\n\\\\ \\e[0m\\0\\x1f', 'a\tb\n\\ \x1b[0m\0\x1f'],
    ['{"s":"{subject}"}', '{"s":"orders.created"}'],
    ['{{subject}}', '{subject}'],
    ['', ''],
  ])('%s', (template, expected) => {
    expect(filled(template)).toBe(expected)
  })

  test('is empty for a missing field', () => {
    const bare = new Message('a', 'hello')
    expect(filled('[{seq}{reply}{headers.Trace}{json}{json.a.b}]', bare)).toBe('[]')
    expect(filled('[{json.user.name.length}{json.constructor}{json.tags.9}]')).toBe('[]')
    expect(filled('{headers}', bare)).toBe('{}')
  })

  test('of bytes that are not UTF-8 has their exact base64', () => {
    expect(filled('{base64} {bytes} {text}', new Message('a', Uint8Array.of(0xff, 0)))).toBe('/wA= 2 \ufffd\0')
  })

  test('for a terminal escapes text of the message, but not the template', () => {
    const hostile = new Message('a', 'x\x1b[2J\n', [['T', '\x9b31m']])
    const format = compileFormat('\\e[1m{text}|{headers.T}\\n', {safe: true})
    expect(format(hostile, 1)).toBe('\x1b[1mx\\x1b[2J\\n|\\x9b31m\n')
  })

  test.each([
    ['{subjct}', '--format has the unknown "{subjct}", at position 1'],
    ['{time} {subject.x}', '--format has the unknown "{subject.x}", at position 8'],
    ['a {toString}', '--format has the unknown "{toString}", at position 3'],
    ['{time', '--format has "{time", which is not closed, at position 1'],
    ['{time}\\d', '--format has the unknown escape \\d, at position 7'],
    ['a\\', '--format has the unknown escape \\, at position 2'],
    ['\\xg0', '--format has the unknown escape \\x, at position 1'],
  ])('%s is refused: %s', (template, sentence) => {
    expect(() => compileFormat(template)).toThrow(BusError)
    expect(() => compileFormat(template)).toThrow(sentence)
  })
})

describe('a delimiter', () => {
  test('may contain escapes', () => {
    expect(['\\0', '\\r\\n', '--', '\\x1e', ''].map((text) => unescapeText(text, '--delimiter'))).toEqual([
      '\0',
      '\r\n',
      '--',
      '\x1e',
      '',
    ])
    expect(() => unescapeText('\\q', '--delimiter')).toThrow('--delimiter has the unknown escape \\q, at position 1')
  })
})
