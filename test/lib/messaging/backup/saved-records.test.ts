import {expect, test} from 'vitest'
import {Message} from '../../../../src/lib/core/message.ts'
import {recordWriter} from '../../../../src/lib/core/record.ts'
import {SavedRecords} from '../../../../src/lib/messaging/backup/saved-records.ts'

const payloads: (string | Uint8Array)[] = [
  ...[
    '',
    'text',
    'a "quoted" \\ one\n',
    '"json text"',
    '"ends with text\\"}"',
    '{}',
    '{"n":1,"text":"x"}',
    '{"text":"x"}',
  ],
  ...[
    '{ "n": 1.0 }',
    '{"a":1},"text":"not JSON',
    '{"a":"},\\"text\\":\\""}',
    '[1,2]',
    '12345678901234567890',
    '-0',
    'null',
  ],
  ...['{"a":1,"a":2}', '"', '{"base64":"eA=="}', '{"a":{"b":"c"}}', 'ü€😀', '{"ü":"😀"}'],
  ...[Uint8Array.of(255, 0, 10), Uint8Array.from({length: 1000}, (_, at) => at % 256), Buffer.from('text as bytes')],
]
const headers = [
  [],
  [['Trace', 'a']],
  [
    ['a', '1'],
    ['A', '2'],
    ['a', '3'],
  ],
  [['q', 'a "quoted" \\ one']],
  [
    ['b', 'ü'],
    ['b', ''],
  ],
] as const
const subjects = ['a.b', 'a.b', 'other', 'blau.ü', 'back\\slash', 'a"b']

test('every message is read as it was written', () => {
  const write = recordWriter()
  const messages = subjects.flatMap((subject) =>
    headers.flatMap((lines) => payloads.map((payload) => [subject, lines, payload] as const)),
  )
  const text = messages
    .map(
      ([subject, lines, payload], at) =>
        `${write(new Message(subject, payload, lines, undefined, at + 5, 1e12 + at))}\n`,
    )
    .join('')
  const records = new SavedRecords('FILE', {text: Buffer.from(text), count: messages.length, line: 3})
  for (const [at, [subject, lines, payload]] of messages.entries()) {
    const saved = records.next()
    expect([saved?.subject, saved?.seq, saved?.headers ?? []]).toEqual([subject, at + 5, lines])
    expect(Buffer.from((saved?.data ?? '') as string).toString('hex'), `${at}`).toBe(
      Buffer.from(payload as string).toString('hex'),
    )
    expect(records.line).toBe(at + 3)
  }
  expect(records.next()).toBeUndefined()
})

test.each([
  ['{"subject":"a","seq":1,"time":"x","text":"a', 'is not JSON'],
  ['{"subject":"a","time":"x","json":1}', 'has no "seq"'],
  ['{"subject":7}', 'has no "subject"'],
  ['{"subject":"a","seq":1,"headers":7,"text":""}', 'has "headers" that are neither'],
])('%s is refused with its line', (line, reason) => {
  const records = new SavedRecords('FILE', {text: Buffer.from(`${line}\n`), count: 1, line: 9})
  expect(() => records.next()).toThrow(`FILE, line 9: ${reason}`)
})
