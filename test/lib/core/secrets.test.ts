import {expect, it} from 'vitest'
import {withoutSecrets} from '../../../src/lib/core/secrets.ts'

it.each([
  ['nats://ann:hunter2@host:4222', 'nats://ann:***@host:4222'],
  ['nats://s3cr3t@host', 'nats://***@host'],
  ['nats://a:b@h1:4222,c:d@h2:4222', 'nats://a:***@h1:4222,c:***@h2:4222'],
  ['tls://ann:p@ss@host', 'tls://ann:***@host'],
  ['cannot reach "wss://t0ken@host/path": refused', 'cannot reach "wss://***@host/path": refused'],
  ['ws://host/?token=abc&name=x', 'ws://host/?token=***&name=x'],
])('%s is shown as %s', (text, shown) => {
  expect(withoutSecrets(text)).toBe(shown)
})

it.each(['sqlite:/home/a@b/bus.db', 'nats://host:4222', 'write to ann@example.org, please'])(
  '%s is unchanged',
  (text) => {
    expect(withoutSecrets(text)).toBe(text)
  },
)
