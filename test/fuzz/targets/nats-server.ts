import assert from 'node:assert/strict'
import type {Message} from '../../../src/lib/core/message.ts'
import {NatsProtocol} from '../../../src/lib/transport/nats/protocol.ts'
import {ProtocolFault, parseIntroduction} from '../../../src/lib/transport/nats/socket.ts'
import {messageReader} from '../../../src/lib/transport/nats/subscription.ts'
import type {Target} from '../target.ts'

/** What a server sends: the first line, then lines of the protocol, in pieces. */
export const target: Target = {
  seeds: [
    'INFO {"version":"2.11.0","proto":1,"headers":true,"max_payload":1048576,"connect_urls":["h:4222","[::1]:1"]}\r\nPING\r\nMSG a 1 5\r\nhello\r\n',
    'INFO {"version":"2.9.0"}\r\nHMSG a.b 1 r 12 17\r\nNATS/1.0\r\n\r\nhello\r\nPONG\r\n+OK\r\n',
    "-ERR 'Authorization Violation'\r\n",
    'INFO {"version":"2.11.0","nonce":"x","ldm":true,"tls_required":true}\r\nINFO {"version":"2.11.0","connect_urls":[]}\r\n-ERR \'x\'\r\n',
    'HMSG a 1 30 5\r\n',
  ],
  words: [
    ...[
      'INFO ',
      'MSG ',
      'HMSG ',
      'PING\r\n',
      'PONG\r\n',
      '+OK\r\n',
      "-ERR '",
      '\r\n',
      '\n',
      ' ',
      '\t',
      'a 1 5\r\n',
      '4294967296',
    ],
    ...[
      '{"version":"2.11.0"',
      '"max_payload":',
      '"connect_urls":["',
      '"proto":1',
      '}',
      'NATS/1.0\r\n',
      '-1',
      '0',
      '1e9',
      '\0',
    ],
  ],
  async run(bytes) {
    const end = bytes.indexOf(10)
    try {
      parseIntroduction(Buffer.from(bytes.subarray(0, end < 0 ? bytes.length : end)))
    } catch (error) {
      assert.ok(error instanceof ProtocolFault || (error as Error).constructor === Error)
    }
    const {length} = bytes
    const whole = messagesIn([bytes])
    const pieces = messagesIn([
      bytes.subarray(0, length >> 2),
      bytes.subarray(length >> 2, length >> 1),
      bytes.subarray(length >> 1),
    ])
    const got = [await pieces, await whole]
    // nats.js reads a line with a lone carriage return differently if it arrives in two pieces.
    if (!/\r(?!\n)/.test(Buffer.from(bytes).toString('latin1'))) assert.deepEqual(got[0], got[1])
  },
}

/** What a subscription gets of it, and whether the connection ends. */
async function messagesIn(pieces: readonly Uint8Array[]): Promise<readonly string[]> {
  const seen: string[] = []
  const protocol = new NatsProtocol({servers: '127.0.0.1:1', reconnect: false}, {} as never, () => undefined)
  protocol.resetOutbound()
  protocol.connectError = undefined as never
  protocol.transport = {
    disconnect: (fault: Error) => seen.push(`ended: ${fault.constructor.name}`),
    discard: () => undefined,
    send: () => undefined,
    isClosed: false,
  } as never
  const toMessage = messageReader()
  const take = (message: Message) => seen.push(`${message.subject} ${message.reply} ${message.text} ${message.headers}`)
  protocol.addSubscription(
    'a',
    undefined,
    (arg, data) => take(toMessage(arg, data)),
    () => undefined,
  )
  for (const piece of pieces) protocol.parser.parse(Uint8Array.from(piece))
  await new Promise(setImmediate)
  return seen
}
