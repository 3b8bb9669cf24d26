import {Kind, Parser, type ProtocolHandler} from '@nats-io/transport-node'
import {describe, expect, it} from 'vitest'
import {CheckedParser, type MessageLine} from '../../../../src/lib/transport/nats/parser.ts'

const utf8 = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString('utf8')

/** What both parsers report, each as text. */
function dispatcherOf(seen: unknown[]): ProtocolHandler {
  const push = (event: {kind: number; msg?: MessageLine; data?: Uint8Array}) => {
    if (event.kind === Kind.MSG && event.msg) seen.push(messageOf(event.msg, event.data))
    else seen.push([event.kind, utf8(event.data)])
  }
  return {push} as unknown as ProtocolHandler
}

function messageOf(
  {sid, hdr, subject, reply}: Pick<MessageLine, 'sid' | 'hdr' | 'subject' | 'reply'>,
  data?: Uint8Array,
) {
  return {sid, hdr, subject: utf8(subject), reply: utf8(reply), data: utf8(data)}
}

function ours(pieces: readonly Uint8Array[]): unknown[] {
  const seen: unknown[] = []
  const parser = new CheckedParser(dispatcherOf(seen), {
    onMessage: (line, data) => seen.push(messageOf(line, data)),
    onParsed: () => {},
    onFault: (fault) => seen.push(fault.message),
  })
  for (const piece of pieces) parser.parse(piece)
  return seen
}

function ofNatsJs(bytes: Uint8Array): unknown[] {
  const seen: unknown[] = []
  new Parser(dispatcherOf(seen)).parse(bytes)
  return seen
}

const lines = [
  'MSG a.b 1 5\r\nhello\r\n',
  'MSG a.b 1 0\r\n\r\n',
  'MSG a 12 reply.to 3\r\n1\r\n\r\n',
  'MSG a 12 7 3\r\nabc\r\n',
  'HMSG a.b 3 12 14\r\nNATS/1.0\r\n\r\nhi\r\n',
  'HMSG a.b 3 some.reply 12 12\r\nNATS/1.0\r\n\r\n\r\n',
  'HMSG a.b 3  12 12\r\nNATS/1.0\r\n\r\n\r\n',
  'HMSG a.b 3 4 12 13\r\nNATS/1.0\r\n\r\n!\r\n',
  'PING\r\n',
  '+OK\r\n',
  'PONG\r\n',
  "-ERR 'Unknown Protocol Operation'\r\n",
  'msg  a.b\t1  2 \r\nhi\r\n',
  'MSG grüße.ü 999999999 4\r\nüü\r\n',
  'INFO {"version":"2.11.0"}\r\n',
]

describe('the parser of the NATS protocol', () => {
  it.each(lines)('reads %j as nats.js does', (line) => {
    const bytes = Buffer.from(line)
    expect(ours([bytes])).toEqual(ofNatsJs(bytes))
    expect(ours([bytes])).toHaveLength(1)
  })

  it('reads the same wherever the data is cut', () => {
    const bytes = Buffer.from(lines.join(''))
    const whole = ofNatsJs(bytes)
    expect(whole).toHaveLength(lines.length)
    for (let cut = 0; cut <= bytes.length; cut++)
      expect(ours([bytes.subarray(0, cut), bytes.subarray(cut)])).toEqual(whole)
    expect(ours(Array.from(bytes, (byte) => Uint8Array.of(byte)))).toEqual(whole)
  })

  it.each([
    'MSG a 1 x\r\n',
    'MSG a x 1\r\n',
    'MSG a 1\r\n',
    'HMSG a 1 9 3\r\nabc\r\n',
    'HMSG a 1 3\r\nabc\r\n',
    'MSG a 1 b c 3\r\nabc\r\n',
    'hello\r\n',
    'MSG a 1 99999999999\r\n',
  ])('reports %j as a violation', (line) => {
    expect(ours([Buffer.from(`${lines[0]}${line}`)])).toEqual([
      expect.objectContaining({data: 'hello'}),
      'it sent something that is not the NATS protocol',
    ])
  })
})
