import {inspect} from 'node:util'
import {describe, expect, it, test} from 'vitest'
import {maskedUrl, revealedJson, Secret, withoutSecrets} from '../../../src/lib/core/secrets.ts'
import {oddPasswords} from '../../odd-passwords.ts'

describe('a secret', () => {
  const secret = new Secret('hunter2')

  test('is given out only by reveal', () => {
    expect(secret.reveal()).toBe('hunter2')
    expect(revealedJson({login: {password: secret}, n: 1})).toBe('{"login":{"password":"hunter2"},"n":1}')
  })

  test('is *** in every text', () => {
    const holder = {password: secret, list: [secret]}
    const texts = [`${secret}`, String(secret), JSON.stringify(holder), inspect(holder, {showHidden: true, depth: 9})]
    for (const text of [...texts, inspect(new Error('x', {cause: holder}))]) {
      expect(text).toContain('***')
      expect(text).not.toContain('hunter2')
    }
    expect(Object.values(secret)).toEqual([])
    expect(structuredClone({...secret})).toEqual({})
  })
})

describe('a URL', () => {
  it.each([
    ['nats://ann:hunter2@host:4222', 'nats://ann:***@host:4222'],
    ['nats://s3cr3t@host', 'nats://***@host'],
    ['nats://s3cr3t:@host', 'nats://***@host'],
    ['nats://:hunter2@host', 'nats://:***@host'],
    ['nats://a:b@h1:4222,a:b@h2:4222', 'nats://a:***@h1:4222,a:***@h2:4222'],
    ['nats://a:b@h1,nats://c:d@h2', 'nats://a:***@h1,nats://c:***@h2'],
    ['nats://a:b@h1:4222,h2:4222', 'nats://a:***@h1:4222,h2:4222'],
    ['nats://h1:4222,nats://a:b@h2', 'nats://h1:4222,nats://a:***@h2'],
    ['nats://user:Sup3r,Secret@h:4222', 'nats://user:***@h:4222'],
    ['nats://user:12,Secret@h:4222', 'nats://user:***@h:4222'],
    ['nats://user:12/Secret@h:4222', 'nats://user:***@h:4222'],
    ['tls://ann:p@ss@host', 'tls://ann:***@host'],
    ['user:Sup3rSecret@h:4222', 'user:***@h:4222'],
    ['user:Sup3rSecret', 'user:***'],
    ['nats://user:Sup3rSecret', 'nats://user:***'],
    ['nats:/user:Sup3rSecret@h', 'nats:***@h'],
    ['nats:/user:Sup3rSecret', 'nats:***'],
    ['nats//user:Sup3rSecret@h', 'nats//user:***@h'],
    ['nats:user:Sup3rSecret@h', 'nats:***@h'],
    ['abc/def==@host', '***@host'],
    ['ws://host/?token=abc&name=x', 'ws://host/?token=***&name=***'],
    ['http://u:p3secret@127.0.0.1:9/in?token=TOP#frag', 'http://u:***@127.0.0.1:9/in?token=***#***'],
    ['https://hooks.example/services/T1/XXXXXXXXXXXXXXXXXXXXXXXX', 'https://hooks.example/services/T1/***'],
  ])('%s is shown as %s', (url, shown) => {
    expect(maskedUrl(url)).toBe(shown)
    expect(maskedUrl(shown)).toBe(shown)
  })

  it.each([
    ...['nats://host:4222', 'host:4222', 'host', 'nats://h1,nats://h2:4222', 'h1:4222,h2', 'ws://[::1]:80/path'],
    ...['redis://host:6379', 'tls://10.0.0.1', 'C:\\data\\bus', 'http://127.0.0.1:8080/events', '', 'nats://'],
  ])('%j without a login is unchanged', (url) => {
    expect(maskedUrl(url)).toBe(url)
  })

  it.each(Object.entries(oddPasswords))('with a password that has %s never shows it', (_, password) => {
    const urls = [password, encodeURIComponent(password)].flatMap((written) => [
      ...[`nats://usr:${written}@hst:4222`, `nats://usr:${written}@hst:4222,usr:${written}@hst2`, `usr:${written}@hst`],
      ...[`http://usr:${written}@hst/in`, `ws://hst/?x=${written.replaceAll(/[&;]/g, '')}`, `nats:/usr:${written}@hst`],
      ...[`nats://hst:4222,usr:${written}@hst2`, `nats://${written}@hst`],
    ])
    for (const url of urls) {
      // `@hst2` is the second server.
      expect(maskedUrl(url)).not.toContain(password.length > 2 ? password : `:${password}@`)
      expect(maskedUrl(url)).not.toMatch(/tail/)
    }
  })
})

describe('a sentence', () => {
  it.each([
    ['cannot reach "wss://t0ken@host/path": refused', 'cannot reach "wss://***@host/path": refused'],
    ['cannot reach nats://a:b/c@host:4222: refused', 'cannot reach nats://a:***@host:4222: refused'],
    ['ws://host/?token=abc&name=x is no bus', 'ws://host/?token=***&name=x is no bus'],
  ])('%s is shown as %s', (text, shown) => {
    expect(withoutSecrets(text)).toBe(shown)
  })

  it.each([
    ['://', 'ab-', ''],
    ['', 'a', '://x'],
    ['', '://', ''],
    ['x://@h', '.', 'x'],
    ['', 'a://@', ''],
    ['', 'nats://a:b@c,', ''],
    ['x://h', '?token=', ''],
    ['x://h?', 'token', ''],
  ])('a long text of a stranger, %j %j … %j, is searched in time', (before, part, after) => {
    const began = performance.now()
    withoutSecrets(before + part.repeat(300_000 / part.length) + after)
    expect(performance.now() - began).toBeLessThan(3000)
  })

  it.each([
    ...['sqlite:/home/a@b/bus.db', 'write to ann@example.org, please', 'nats://host:4222: nothing listens there'],
    ...['nats://HOST:PORT', 'bus sub a -b nats://host:4222 --from @-15m'],
  ])('%s is unchanged', (text) => {
    expect(withoutSecrets(text)).toBe(text)
  })
})
