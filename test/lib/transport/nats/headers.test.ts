import {connect as connectTcp} from 'node:net'
import {afterAll, describe, expect, it} from 'vitest'
import type {Headers} from '../../../../src/lib/core/message.ts'
import {headerText, parseHeaders} from '../../../../src/lib/transport/nats/headers.ts'
import {open} from '../../../../src/lib/transport/open.ts'
import {NatsServer} from '../../../nats-server.ts'

const server = await NatsServer.start()
afterAll(() => server[Symbol.asyncDispose]())

const parsed = (text: string) => parseHeaders(Buffer.from(text))

describe('headers on the wire', () => {
  it('keep their first lines if there are very many, and a header says so', () => {
    const headers = parsed(`NATS/1.0\r\n${'a:\r\n'.repeat(100_000)}\r\n`)
    expect(headers).toHaveLength(65_536)
    expect(headers.at(-1)).toEqual(['Bus-Headers', 'only the first 65536 lines are shown'])
  })

  it.each<[string, Headers]>([
    [
      'order, case and repeats',
      [
        ['b', '1'],
        ['A', '2'],
        ['b', '3'],
        ['B', '4'],
      ],
    ],
    [
      'spaces around a value',
      [
        ['a', ' x '],
        ['b', '  '],
        ['c', '\t'],
      ],
    ],
    ['colons and commas', [['a', 'b: c, d:e']]],
    ['text beyond ASCII', [['a', 'grüße 🐟']]],
    [
      'empty values',
      [
        ['a', ''],
        ['a', ''],
      ],
    ],
  ])('keep %s', (_, headers) => {
    expect(parsed(headerText(headers))).toEqual(headers)
  })

  it.each<[string, string, Headers]>([
    ['no space after the colon', 'NATS/1.0\r\na:x\r\n\r\n', [['a', 'x']]],
    ['a line that is none', 'NATS/1.0\r\nwhat\r\na: x\r\n: y\r\n\r\n', [['a', 'x']]],
    ['a name that we would not send', 'NATS/1.0\r\na b: x\r\n\r\n', [['a b', 'x']]],
    ['a status', 'NATS/1.0 503\r\n\r\n', [['Status', '503']]],
    [
      'a status with words and headers',
      'NATS/1.0 100 Idle Heartbeat\r\na: x\r\n\r\n',
      [
        ['Status', '100'],
        ['Description', 'Idle Heartbeat'],
        ['a', 'x'],
      ],
    ],
    ['nothing', 'NATS/1.0\r\n\r\n', []],
    ['nonsense', '\r\n', []],
  ])('are read as far as they are valid: %s', (_, text, headers) => {
    expect(parsed(text)).toEqual(headers)
  })

  it('from other clients arrive byte for byte, in one piece or several', async () => {
    await using bus = await open(server.url())
    const subscription = await bus.subscribe('a.>')
    const headers = Buffer.from('NATS/1.0\r\nx-Trace:  1 \r\nA:b\r\nx-Trace: 2\r\n\r\n')
    const command = Buffer.concat([
      Buffer.from(`HPUB a.ä back ${headers.length} ${headers.length + 3}\r\n`),
      headers,
      Buffer.from('\xff\r\n\r\n', 'latin1'),
    ])
    const socket = connectTcp(server.port(), '127.0.0.1')
    socket.write('CONNECT {"headers":true,"verbose":false}\r\n')
    socket.write(command)
    for (const byte of command) socket.write(Buffer.from([byte]))
    for (let i = 0; i < 2; ) {
      for (const message of await subscription.take(2)) {
        expect(message).toMatchObject({subject: 'a.ä', reply: 'back'})
        expect(message.headers).toEqual([
          ['x-Trace', ' 1 '],
          ['A', 'b'],
          ['x-Trace', '2'],
        ])
        expect([...message.data]).toEqual([0xff, 13, 10])
        i++
      }
    }
    socket.destroy()
  })
})
