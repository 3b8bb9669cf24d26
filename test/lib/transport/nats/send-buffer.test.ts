import {expect, test} from 'vitest'
import type {Outgoing} from '../../../../src/lib/core/message.ts'
import {SendBuffer} from '../../../../src/lib/transport/nats/send-buffer.ts'

/** What is sent for these messages, as text. */
function sent(messages: readonly Outgoing[], maxPayload = (_index: number) => 100): string {
  let text = ''
  let index = 0
  const buffer = new SendBuffer({
    url: 'nats://x',
    maxPayload: () => maxPayload(index),
    isConnected: () => true,
    send: (bytes) => {
      text += Buffer.from(bytes).toString()
    },
  })
  for (const message of messages) {
    buffer.publish(message)
    index++
  }
  buffer.send()
  return text
}

const bytes = (text: string) => Buffer.from(text)

test('messages with equal lines are sent as if each were alone, whatever is between them', () => {
  const messages: Outgoing[] = [
    {subject: 'a', data: bytes('one')},
    {subject: 'a', data: bytes('two')},
    {subject: 'a', data: bytes('six')},
    {subject: 'a', data: 'ten'},
    {subject: 'a', data: bytes('four')},
    {subject: 'a', data: bytes('five'), reply: 'r'},
    {subject: 'a', data: bytes('nine'), headers: [['K', 'v']]},
    {subject: 'a', data: bytes('nine')},
    {subject: 'b', data: bytes('nine')},
    {subject: 'b', data: bytes('')},
    {subject: 'b', data: bytes('')},
    {subject: 'b'},
    {subject: 'b', data: bytes('')},
    {subject: 'b', data: 'Ä'},
    {subject: 'b', data: bytes('Ä')},
    {subject: 'b', data: bytes('xy')},
    {subject: 'b', data: bytes('z')},
  ]
  expect(sent(messages)).toBe(messages.map((message) => sent([message])).join(''))
  expect(sent([...messages, ...messages])).toBe(sent(messages).repeat(2))
})

test('a message that exceeds the limit of another server is refused, although equal ones were sent before', () => {
  const same = {subject: 'a', data: bytes('0123456789')}
  expect(() => sent([same, same, same, same], (index) => (index < 3 ? 10 : 9))).toThrow('accepts at most 9')
})
