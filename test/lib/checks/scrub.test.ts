import {expect, test} from 'vitest'
import type {CheckResult} from '../../../src/lib/checks/events.ts'
import {Scrubber} from '../../../src/lib/checks/scrub.ts'
import {Message} from '../../../src/lib/core/message.ts'

const secret = 'gehe/im"é'
const scrubber = new Scrubber()
scrubber.add(secret)
scrubber.add('ab')

test.each([
  ['as it is', `x ${secret} y`],
  ['in a URL', `nats://u:${encodeURIComponent(secret)}@h`],
  ['in JSON', JSON.stringify({a: secret})],
  ['in base64', Buffer.from(secret).toString('base64')],
])('a secret %s is removed', (_, text) => {
  const clean = scrubber.text(text)
  expect(clean).toContain('***')
  expect(clean).not.toContain('gehe')
  expect(clean).not.toContain(Buffer.from('gehe').toString('base64').slice(0, 4))
})

test('a text without a secret is unchanged, and very short secrets are ignored', () => {
  expect(scrubber.text('abba')).toBe('abba')
})

test('a secret is removed from all of a result: names, sentences, values and messages, text or bytes', () => {
  const binary = Buffer.concat([Buffer.from([0xff, 0]), Buffer.from(secret), Buffer.from([0xfe])])
  const messages = [new Message(`a.x`, `"${secret}"`, [['Auth', secret]], `r.${secret}`), new Message('b', binary)]
  const result = {
    ...{name: secret, kind: 'req', file: 'a.yaml', line: 3, part: 'checks', tags: [secret]},
    ...{status: 'failed', ms: 1.5, attempts: 1, reason: secret, messages},
    failures: [
      {
        sentence: secret,
        line: 4,
        seen: {[secret]: [secret]},
        expected: {a: secret},
        try: [secret],
        message: messages[0],
      },
    ],
  } as CheckResult
  const clean = scrubber.result(result)
  const all = JSON.stringify(clean) + clean.messages.map(({data}) => Buffer.from(data).toString('latin1')).join()
  expect(all).not.toContain('gehe')
  expect(clean).toMatchObject({line: 3, ms: 1.5, file: 'a.yaml'})
  expect([...(clean.messages[1]?.data ?? [])].slice(0, 2)).toEqual([0xff, 0])
})

test('bytes without a secret are unchanged', () => {
  const bytes = Uint8Array.from({length: 256}, (_, at) => at)
  expect([...scrubber.message(new Message('a', bytes)).data]).toEqual([...bytes])
})
