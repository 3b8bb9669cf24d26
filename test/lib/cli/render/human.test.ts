import {stripVTControlCharacters} from 'node:util'
import {Chalk} from 'chalk'
import {describe, expect, test} from 'vitest'
import {humanView} from '../../../../src/lib/cli/render/human.ts'
import {type Headers, Message} from '../../../../src/lib/core/message.ts'
import {localClock, localTime} from '../../../../src/lib/core/time/timestamp.ts'

const at = Date.UTC(2026, 10, 20, 12) + 482
const clock = localClock()(at)

function of(payload: string | Uint8Array, headers: Headers = [], reply?: string): Message {
  return new Message('orders.created', payload, headers, reply, 7, at)
}

function shown(message: Message): string {
  return humanView()
    .message(message, 1)
    .replace(clock ?? '', 'TIME')
}

describe('a human-readable message', () => {
  test.each<[string, Message, string]>([
    ['short text', of('hello'), '[1] TIME orders.created hello\n'],
    ['short JSON', of('{"id": 7}'), '[1] TIME orders.created {"id": 7}\n'],
    ['nothing', of(''), '[1] TIME orders.created (empty)\n'],
    ['a line with its newline', of('hello\n'), '[1] TIME orders.created hello\\n\n'],
    [
      'bytes',
      of(Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0xff, 0)),
      '[1] TIME orders.created (binary, 6 B) 89 50 4e 47 ff 00 |.PNG..|\n',
    ],
    [
      'many bytes',
      of(new Uint8Array(2048).fill(0xff)),
      `[1] TIME orders.created (binary, 2 KiB) ${'ff '.repeat(16)}… |${'.'.repeat(16)}|\n`,
    ],
    ['several lines', of('one\ntwo\n'), '[1] TIME orders.created · 8 B\n    one\n    two\\n\n'],
    [
      'headers',
      of('hello', [
        ['Trace', 'x'],
        ['Tag', '1'],
        ['Tag', '2'],
      ]),
      '[1] TIME orders.created · 5 B\n    Trace: x\n    Tag: 1\n    Tag: 2\n    hello\n',
    ],
    ['a request', of('hi', [], '_INBOX.1.2'), '[1] TIME orders.created · 2 B · reply to _INBOX.1.2\n    hi\n'],
    ['long text', of('x'.repeat(101)), `[1] TIME orders.created · 101 B\n    ${'x'.repeat(101)}\n`],
  ])('with %s', (_name, message, expected) => {
    expect(shown(message)).toBe(expected)
  })

  test('has long JSON formatted with its numbers unchanged', () => {
    const json = `{"id":12345678901234567890,"pad":"${'x'.repeat(100)}"}`
    expect(shown(of(json))).toBe(
      `[1] TIME orders.created · 136 B\n    {\n      "id": 12345678901234567890,\n      "pad": "${'x'.repeat(100)}"\n    }\n`,
    )
  })

  test('contains no control character from any part of the message', () => {
    const evil = '\x1b[2J\x9b0m\x07\u202e\r'
    const message = new Message(`a.${evil}`, `${evil}\n${evil}`, [['N', evil]], `r.${evil}`, undefined, at)
    expect(humanView().message(message, 1)).not.toMatch(/(?!\n)[\p{Cc}\u202e]/u)
    expect(humanView().message(message, 1)).toContain('\\x1b[2J\\x9b0m\\x07\\u202e\\r')
  })

  test('without its payload has its size and headers', () => {
    const view = humanView({headersOnly: true})
    expect(view.message(of('hello', [['Trace', 'x']]), 1).replace(clock ?? '', 'TIME')).toBe(
      '[1] TIME orders.created · 5 B\n    Trace: x\n',
    )
  })

  test('has the same text in colour', () => {
    const paint = new Chalk({level: 1})
    const message = of('hello', [['Trace', 'x']], 'r')
    const coloured = humanView({paint}).message(message, 1)
    expect(coloured).toContain('\x1b[1morders.created\x1b[22m')
    expect(stripVTControlCharacters(coloured)).toBe(humanView().message(message, 1))
  })

  test('without its subject has its headers and payload', () => {
    expect(humanView().content(of('hello', [['Trace', 'x']]))).toBe('Trace: x\nhello\n')
  })
})

describe('a human-readable request and its reply', () => {
  const exchange = (request: Message, reply: Message | undefined) =>
    humanView()
      .exchange({request, reply, ms: reply && 1.23, again: false}, 1)
      .replace(clock ?? '', 'TIME')

  test('are on two lines if both are short', () => {
    expect(exchange(of('hi', [], '_INBOX.1'), of('hello Ann'))).toBe(
      '[1] TIME orders.created hi\n    ↳ 1.2 ms hello Ann\n',
    )
  })

  test('have headers and longer payloads below them', () => {
    expect(exchange(of('hi', [['T', '1']], '_INBOX.1'), of('a\nb', [['Nats-Service-Error', 'no']]))).toBe(
      '[1] TIME orders.created\n    T: 1\n    hi\n    ↳ 1.2 ms\n      Nats-Service-Error: no\n      a\n      b\n',
    )
  })

  test('show that there was no reply', () => {
    expect(exchange(of('hi', [], '_INBOX.1'), undefined)).toBe('[1] TIME orders.created hi\n    ↳ no reply\n')
  })
})

test('a stored message has its sequence and its date', () => {
  const {message} = humanView({stored: true})
  expect(message(of('x'), 1)).toBe(`#7 ${localTime(at)} orders.created x\n`)
})

test('a payload that was not sent is not called empty', () => {
  const {message} = humanView({stored: true})
  expect(message(Object.assign(of(''), {isWithoutPayload: true}), 1)).toBe(
    `#7 ${localTime(at)} orders.created (without data)\n`,
  )
})

test('a message that a consumer delivered again has the number of deliveries', () => {
  const {message} = humanView({stored: true})
  const delivered = (deliveries: number) => message(Object.assign(of('x'), {deliveries}), 1)
  expect(delivered(1)).toBe(`#7 ${localTime(at)} orders.created x\n`)
  expect(delivered(3)).toBe(`#7 ${localTime(at)} orders.created · 1 B · delivery 3\n    x\n`)
})
